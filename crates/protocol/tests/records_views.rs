//! Views, the walk over a buffer, and errors that say what is wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use klamm_protocol::records::control::{
    ControlBatch, ControlError, ControlType, EndTransactionMarker,
};
use klamm_protocol::records::{
    BatchBuilder, BatchError, BatchOptions, Batches, BuildError, DecompressionLimit, NewRecord,
    RecordBatchView, RecordError, increment_sequence,
};

fn batch(records: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..records {
        builder.append(&NewRecord { value: Some(b"value"), ..NewRecord::default() }).unwrap();
    }
    builder.build().unwrap()
}

/// Sizes of the entries, then the error if there is one, then the bytes of a cut tail.
fn walk(bytes: &[u8]) -> String {
    let mut entries = Batches::with_size_max(bytes, 500);
    let mut out = String::new();
    for entry in &mut entries {
        match entry {
            Ok(entry) => out += &format!("{}@{} ", entry.size_in_bytes(), entry.position()),
            Err(error) => out += &format!("error: {error} "),
        }
    }
    out + &format!("cut {} at {}", entries.truncated_bytes(), entries.position())
}

fn with(bytes: &[u8], at: usize, field: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + field.len()].copy_from_slice(field);
    changed
}

#[test]
fn a_walk_tells_a_cut_tail_from_damage() {
    let one = batch(1);
    let two = [one.clone(), one.clone()].concat();
    assert_eq!(one.len(), 73);
    assert_eq!(walk(&[]), "cut 0 at 0");
    assert_eq!(walk(&two), "73@0 73@73 cut 0 at 146");
    assert_eq!(walk(&two[..145]), "73@0 cut 72 at 73");
    assert_eq!(walk(&two[..80]), "73@0 cut 7 at 73");
    assert_eq!(walk(&two[..88]), "73@0 cut 15 at 73");
    let small = with(&two, 73 + 8, &13i32.to_be_bytes());
    let too_small = "the length field says 13, less than the minimum of 14";
    assert_eq!(walk(&small), format!("73@0 error: {too_small} cut 0 at 73"));
    let large = with(&two, 73 + 8, &489i32.to_be_bytes());
    let too_large = "a batch of 501 bytes is larger than the limit of 500";
    assert_eq!(walk(&large), format!("73@0 error: {too_large} cut 0 at 73"));
    let magic = with(&two, 73 + 16, &[3]);
    assert_eq!(walk(&magic), "73@0 error: the magic byte is 3 cut 0 at 73");
}

#[test]
fn a_view_says_why_bytes_are_no_batch() {
    let one = batch(1);
    let check = |bytes: &[u8], expected: BatchError| {
        assert_eq!(RecordBatchView::parse(bytes), Err(expected));
    };
    check(&[], BatchError::Truncated { needed: 61, available: 0 });
    check(&one[..60], BatchError::Truncated { needed: 61, available: 60 });
    check(&one[..72], BatchError::Truncated { needed: 73, available: 72 });
    check(&with(&one, 16, &[1]), BatchError::UnknownMagic { magic: 1 });
    check(&with(&one, 16, &[1])[..20], BatchError::UnknownMagic { magic: 1 });
    let length = |length: i32| with(&one, 8, &length.to_be_bytes());
    check(&length(48), BatchError::LengthTooSmall { length: 48, min: 49 });
    check(&length(-1), BatchError::LengthTooSmall { length: -1, min: 49 });
    check(&length(i32::MAX), BatchError::Truncated { needed: 2_147_483_659, available: 73 });
}

#[test]
fn the_checksum_covers_what_kafkas_covers() {
    let one = batch(1);
    for at in 0..one.len() {
        let changed = with(&one, at, &[one[at] ^ 0x40]);
        let Ok(view) = RecordBatchView::parse(&changed) else { continue };
        let outside = at < 8 || (12..16).contains(&at);
        assert_eq!(view.check_crc().is_ok(), outside, "byte {at}");
    }
}

#[test]
fn counts_that_lie_are_found() {
    let two = batch(2);
    let read = |count: i32| {
        let bytes = with(&two, 57, &count.to_be_bytes());
        let view = RecordBatchView::parse(&bytes).unwrap();
        let records = view.records(DecompressionLimit(1000)).map_err(|error| error.to_string())?;
        let read: Result<Vec<_>, RecordError> =
            records.iter().map(|record| record.map(|_| ())).collect();
        read.map(|records| records.len()).map_err(|error| error.to_string())
    };
    assert_eq!(read(2), Ok(2));
    assert_eq!(read(0), Ok(0));
    assert_eq!(read(1), Err("12 bytes follow the last record".to_owned()));
    assert_eq!(read(3), Err("record 2: the bytes end inside a varint".to_owned()));
    assert_eq!(read(-1), Err("the records count is -1".to_owned()));
}

#[test]
fn a_builder_refuses_what_kafka_refuses() {
    let build = |options: BatchOptions| BatchBuilder::new(options).build().map(|_| ());
    let none = BatchOptions::default();
    let transactional = BatchOptions { is_transactional: true, ..none };
    assert_eq!(build(transactional), Err(BuildError::TransactionWithoutProducer));
    let producer = BatchOptions { producer_id: 1, producer_epoch: 0, ..none };
    let refused = BuildError::ProducerState { epoch: 0, base_sequence: -1 };
    assert_eq!(build(producer), Err(refused));
    assert_eq!(build(BatchOptions { is_control: true, ..producer }), Ok(()));

    let mut builder = BatchBuilder::new(BatchOptions { base_offset: 10, ..none });
    let record = NewRecord::default();
    let refused = |offset, previous| Err(BuildError::Offset { offset, previous, base: 10 });
    assert_eq!(builder.append_at(9, &record), refused(9, None));
    assert_eq!(builder.append_at(12, &record), Ok(()));
    assert_eq!(builder.append_at(12, &record), refused(12, Some(12)));
    let far = 10 + i64::from(i32::MAX) + 1;
    assert_eq!(builder.append_at(far, &record), refused(far, Some(12)));
    assert_eq!(builder.override_last_offset(11), refused(11, Some(12)));
    let negative = NewRecord { timestamp: -2, ..record };
    assert_eq!(builder.append(&negative), Err(BuildError::Timestamp { timestamp: -2 }));
    assert_eq!(builder.records_count(), 1);
}

#[test]
fn sequences_go_round_after_the_largest() {
    assert_eq!(increment_sequence(5, 2), 7);
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX - 1, 5), 3);
    assert_eq!(increment_sequence(0, i32::MAX), i32::MAX);
    // What Java makes of numbers that no producer sends.
    assert_eq!(increment_sequence(i32::MIN, i32::MIN), 0);
    assert_eq!(increment_sequence(i32::MAX - 1, 16_777_220 - i32::MAX), -2_130_706_429);
}

#[test]
fn control_keys_are_read_as_kafka_reads_them() {
    let parse = |key: &[u8]| ControlType::parse(Some(key));
    assert_eq!(parse(&[0, 0, 0, 1]), Ok(ControlType::Commit));
    assert_eq!(parse(&[0, 9, 0, 0, 7]), Ok(ControlType::Abort));
    assert_eq!(parse(&[0, 0, 0, 7]), Ok(ControlType::Unknown(7)));
    assert_eq!(parse(&[0xff, 0xff, 0, 0]), Err(ControlError::Version { version: -1 }));
    assert_eq!(parse(&[0, 0, 0]), Err(ControlError::TooShort { size: 3, needed: 4 }));
    assert_eq!(ControlType::parse(None), Err(ControlError::TooShort { size: 0, needed: 4 }));
}

#[test]
fn a_marker_with_a_cut_value_is_refused() {
    let at = ControlBatch { base_offset: 0, partition_leader_epoch: 0, timestamp: 0 };
    let bytes = at.raft(ControlType::Commit, &[0, 0, 0]).unwrap();
    let records = RecordBatchView::parse(&bytes).unwrap();
    let records = records.records(DecompressionLimit(100)).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    let refused = EndTransactionMarker::parse(&record);
    assert_eq!(refused, Err(ControlError::TooShort { size: 3, needed: 6 }));
}
