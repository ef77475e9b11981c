//! What a leader refuses: 1,200 batches with changed headers, and Kafka's answer to each.
//! `golden/records/RecordsGolden.java` asked Kafka's `LogValidator` and wrote `refusals.txt`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::PathBuf;

use klamm_protocol::records::check::{
    CheckError, ProduceRules, Refusal, check_batch_header, check_message, check_records,
};
use klamm_protocol::records::{
    Batches, DecompressionLimit, EntryView, RecordBatchView, TimestampType,
};

const NOW: i64 = 1_700_000_050_000;

fn golden(name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join("tests/golden/records").join(name)).unwrap()
}

/// Applies changes such as `57=00000000,23=ffff` to a header and mends its checksum.
fn change(bytes: &mut [u8], changes: &str) {
    for one in changes.split(',').filter(|one| *one != "-") {
        let (at, hex) = one.split_once('=').unwrap();
        let at: usize = at.parse().unwrap();
        let codec = bytes[22] & 7;
        for (index, digits) in hex.as_bytes().chunks(2).enumerate() {
            let digits = std::str::from_utf8(digits).unwrap();
            bytes[at + index] = u8::from_str_radix(digits, 16).unwrap();
        }
        bytes[22] |= codec;
    }
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn rules(compaction: &str, timestamp_type: &str, range: &str) -> ProduceRules {
    let limit = |name: &str| range.strip_prefix(name).map_or(i64::MAX, |ms| ms.parse().unwrap());
    ProduceRules {
        size_max: 1 << 20,
        timestamp_type: match timestamp_type {
            "CreateTime" => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: limit("before="),
        timestamp_after_max_ms: limit("after="),
        is_compacted: compaction == "compacted",
        now_ms: NOW,
    }
}

/// Our answer in the words of the file.
fn answer(bytes: &[u8], rules: &ProduceRules) -> String {
    let checked = check(bytes, rules);
    let error = match checked {
        Ok(_) if rules.timestamp_type == TimestampType::LogAppendTime => {
            return format!("max {NOW}");
        }
        Ok(max_timestamp) => return format!("max {max_timestamp}"),
        Err(error) => error,
    };
    let name = match error.refusal() {
        Refusal::InvalidRecord => "InvalidRecordException",
        Refusal::InvalidTimestamp => "InvalidTimestampException",
        Refusal::CorruptMessage => "CorruptRecordException",
        Refusal::MessageTooLarge => "RecordTooLargeException",
    };
    match error {
        CheckError::Refused { faults } => {
            let indexes: Vec<_> = faults.iter().map(|fault| fault.index.to_string()).collect();
            format!("{name} {}", indexes.join(","))
        }
        _ => name.to_owned(),
    }
}

/// The header's checks, but those of the header's timestamps, which Kafka asks the records for.
fn check(bytes: &[u8], rules: &ProduceRules) -> Result<i64, CheckError> {
    let batch = RecordBatchView::parse(bytes)?;
    let by_header = check_batch_header(&batch, rules);
    match by_header {
        Ok(()) | Err(CheckError::Timestamp { .. } | CheckError::ClaimsAppendTime) => {}
        Err(error) => return Err(error),
    }
    let entry = EntryView::Batch(batch);
    let records = entry.records(DecompressionLimit(1 << 20))?;
    let summary = check_records(&entry, &records, rules)?;
    Ok(summary.max_timestamp)
}

#[test]
fn refuses_what_kafka_refuses() {
    let cases = String::from_utf8(golden("refusals.txt")).unwrap();
    let mut seen = 0;
    for case in cases.lines() {
        let (what, expected) = case.split_once(": ").unwrap();
        let [source, changes, compaction, timestamp_type, range] =
            what.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let mut bytes = golden(&format!("{source}.bin"));
        change(&mut bytes, changes);
        assert_eq!(answer(&bytes, &rules(compaction, timestamp_type, range)), expected, "{what}");
        seen += 1;
    }
    assert_eq!(seen, 1200);
}

#[test]
fn the_header_alone_tells_of_checksum_size_offset_and_future() {
    let rules = rules("plain", "CreateTime", "after=-49995");
    let check = |bytes: &[u8], rules: &ProduceRules| {
        let entry = Batches::new(bytes).next().unwrap().unwrap();
        check_batch_header(&entry.batch().unwrap(), rules).map_err(|error| error.refusal())
    };
    let bytes = golden("v2-gzip.bin");
    assert_eq!(check(&bytes, &rules), Ok(()));
    let late = ProduceRules { timestamp_after_max_ms: -49_996, ..rules };
    assert_eq!(check(&bytes, &late), Err(Refusal::InvalidTimestamp));
    let small = ProduceRules { size_max: bytes.len() - 1, ..rules };
    assert_eq!(check(&bytes, &small), Err(Refusal::MessageTooLarge));
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(check(&flipped, &rules), Err(Refusal::CorruptMessage));
    let mut moved = bytes;
    moved[7] = 1;
    assert_eq!(check(&moved, &rules), Err(Refusal::InvalidRecord));
}

#[test]
fn old_messages_are_checked_for_size_checksum_and_codec() {
    let rules = rules("plain", "CreateTime", "-");
    let check = |bytes: &[u8], rules: &ProduceRules| match Batches::new(bytes).next() {
        Some(Ok(entry)) => match entry.view().unwrap() {
            EntryView::Message(message) => {
                check_message(&message, rules).map_err(|error| error.refusal())
            }
            EntryView::Batch(_) => unreachable!("the file has messages"),
        },
        other => unreachable!("{other:?}"),
    };
    let bytes = golden("v1-gzip.bin");
    assert_eq!(check(&bytes, &rules), Ok(()));
    let small = ProduceRules { size_max: bytes.len() - 1, ..rules };
    assert_eq!(check(&bytes, &small), Err(Refusal::MessageTooLarge));
    let mut zstd = bytes;
    zstd[17] = 4;
    assert_eq!(check(&zstd, &rules), Err(Refusal::CorruptMessage));
    let crc = crc32fast::hash(&zstd[16..]);
    zstd[12..16].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(check(&zstd, &rules), Err(Refusal::InvalidRecord));
}

#[test]
fn old_messages_are_checked_record_by_record() {
    let check = |name: &str, rules: &ProduceRules| {
        let bytes = golden(name);
        let entry = Batches::new(&bytes).next().unwrap().unwrap().view().unwrap();
        let records = entry.records(DecompressionLimit(1 << 20)).unwrap();
        let checked = check_records(&entry, &records, rules);
        checked.map(|summary| (summary.count, summary.offsets_are_consecutive))
    };
    let plain = rules("plain", "CreateTime", "-");
    assert_eq!(check("v1-gzip-produced.bin", &plain), Ok((5, true)));
    assert_eq!(check("v1-gzip-offset-unset.bin", &plain), Ok((5, true)));
    assert_eq!(check("v1-gaps.bin", &plain), Ok((5, false)));
    let refused = check("v0-gzip-produced.bin", &rules("compacted", "CreateTime", "-"));
    let message = "1 records are refused, the first: record 1: \
                   compacted topic cannot accept message without key";
    assert_eq!(refused.unwrap_err().to_string(), message);
}
