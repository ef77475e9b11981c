//! Record batches that Kafka's own classes wrote, read here; and what we write, compared with
//! them. `golden/records/RecordsGolden.java` made the files and `expected.txt`, their description.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use klamm_protocol::records::control::{ControlBatch, ControlType, EndTransactionMarker};
use klamm_protocol::records::convert::{ConvertError, ToV2, down_convert, to_v2};
use klamm_protocol::records::legacy::{LegacyFormat, MessageSetBuilder};
use klamm_protocol::records::{
    BatchBuilder, BatchOptions, Batches, Compression, CompressionType, DecompressionLimit,
    EntryView, RecordBatchView, RecordRef, TimestampType, builder, patch,
};

const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);
/// What the generator's clock says, and the offset and epoch that its leader gives.
const NOW: i64 = 1_700_000_050_000;
const LEADER_OFFSET: i64 = 1000;
const LEADER_EPOCH: i32 = 5;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records").join(name)
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("{name}.bin"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// File name without its ending, and what Kafka says of the file.
fn expected() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path("expected.txt")).unwrap();
    let files = text.split("file ").filter(|part| !part.is_empty());
    let named = files.map(|part| part.split_once(".bin\n").unwrap());
    named.map(|(name, described)| (name.to_owned(), described.to_owned())).collect()
}

fn describe(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut entries = Batches::new(bytes);
    for entry in &mut entries {
        let view = entry.unwrap().view().unwrap();
        describe_entry(&view, &mut out);
        for record in &view.records(LIMIT).unwrap() {
            describe_record(&record.unwrap(), &mut out);
        }
    }
    assert_eq!(entries.truncated_bytes(), 0);
    out
}

fn describe_entry(view: &EntryView<'_>, out: &mut String) {
    let time = match view.timestamp_type() {
        None => "NoTimestampType",
        Some(TimestampType::CreateTime) => "CreateTime",
        Some(TimestampType::LogAppendTime) => "LogAppendTime",
    };
    let codec = CompressionType::from_id(view.compression_id()).unwrap().name();
    let max_at = view.offset_of_max_timestamp(LIMIT).unwrap();
    let valid = if view.check_crc().is_ok() { "" } else { " INVALID" };
    writeln!(
        out,
        "entry v{} last {} codec {codec} time {time} max {}{valid} max-at {}",
        view.magic(),
        view.last_offset(),
        view.max_timestamp(),
        max_at.map_or("none".to_owned(), |offset| offset.to_string()),
    )
    .unwrap();
    if let EntryView::Batch(batch) = view {
        describe_batch(batch, out);
    }
}

fn describe_batch(batch: &RecordBatchView<'_>, out: &mut String) {
    writeln!(
        out,
        "  base {} base-time {} epoch {} producer {}/{} sequence {}..{} count {}{}{}{}",
        batch.base_offset(),
        batch.base_timestamp(),
        batch.partition_leader_epoch(),
        batch.producer_id(),
        batch.producer_epoch(),
        batch.base_sequence(),
        batch.last_sequence(),
        batch.records_count(),
        if batch.is_transactional() { " transactional" } else { "" },
        if batch.is_control() { " control" } else { "" },
        batch.delete_horizon_ms().map_or(String::new(), |time| format!(" horizon {time}")),
    )
    .unwrap();
}

fn describe_record(record: &RecordRef<'_>, out: &mut String) {
    let (key, value) = (hex(record.key), hex(record.value));
    write!(out, "  record {} at {} {key} {value}", record.offset, record.timestamp).unwrap();
    for header in record.headers {
        write!(out, " {}={}", header.key_text(), hex(header.value)).unwrap();
    }
    out.push('\n');
}

fn hex(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() > 64 => format!("{}#{:x}", bytes.len(), crc32c::crc32c(bytes)),
        Some(bytes) => {
            format!("'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

#[test]
fn every_file_reads_as_kafka_reads_it() {
    let expected = expected();
    assert!(expected.len() > 150, "{} files", expected.len());
    for (name, described) in expected {
        assert_eq!(describe(&golden(&name)), described, "{name}");
    }
}

/// A batch with the header and the records of another, by our builder and without compression.
fn rebuild(batch: &RecordBatchView<'_>, compression: Compression) -> Vec<u8> {
    let append_time =
        (batch.timestamp_type() == TimestampType::LogAppendTime).then(|| batch.max_timestamp());
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: batch.base_offset(),
        partition_leader_epoch: batch.partition_leader_epoch(),
        compression,
        append_time,
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: batch.base_sequence(),
        is_transactional: batch.is_transactional(),
        is_control: batch.is_control(),
        delete_horizon_ms: batch.delete_horizon_ms(),
    });
    for record in &batch.records(LIMIT).unwrap() {
        let record = record.unwrap();
        builder.append_ref(record.offset, &record).unwrap();
    }
    builder.override_last_offset(batch.last_offset()).unwrap();
    builder.build().unwrap()
}

#[test]
fn the_builder_lays_batches_out_as_kafka_does() {
    for name in expected().keys().filter(|name| name.starts_with("v2-") && *name != "v2-empty") {
        let bytes = golden(name);
        let batch = RecordBatchView::parse(&bytes).unwrap();
        let codec = batch.compression().unwrap();
        // With an append time the records' own timestamps are not to be seen any more.
        if name.ends_with("append-time") {
            continue;
        }
        if codec == CompressionType::None {
            assert_eq!(rebuild(&batch, Compression::NONE), bytes, "{name}");
        }
        let ours = rebuild(&batch, Compression::of(codec));
        assert_eq!(describe(&ours), describe(&bytes), "{name}");
        assert_eq!(ours[23..27], bytes[23..27], "{name}");
    }
}

#[test]
fn an_empty_batch_keeps_offsets_and_producer_state() {
    let bytes = golden("v2-empty");
    let header = RecordBatchView::parse(&bytes).unwrap().to_header();
    assert_eq!(builder::empty_batch(&header)[..], bytes);
}

#[test]
fn message_sets_are_laid_out_as_kafka_does() {
    for name in expected().keys().filter(|name| name.starts_with("v0-") || name.starts_with("v1-"))
    {
        if name.ends_with("offset-unset") {
            continue;
        }
        let bytes = golden(name);
        let views: Vec<_> =
            Batches::new(&bytes).map(|entry| entry.unwrap().view().unwrap()).collect();
        let codec = CompressionType::from_id(views[0].compression_id()).unwrap();
        let append_time = views[0].timestamp_type() == Some(TimestampType::LogAppendTime);
        let format = if views[0].magic() == 0 { LegacyFormat::V0 } else { LegacyFormat::V1 };
        let append_time = append_time.then(|| views[0].max_timestamp());
        let mut ours = MessageSetBuilder::new(format, Compression::of(codec), append_time).unwrap();
        for view in &views {
            for record in &view.records(LIMIT).unwrap() {
                let record = record.unwrap();
                ours.append(record.offset, record.timestamp, record.key, record.value).unwrap();
            }
        }
        let ours = ours.build().unwrap();
        assert_eq!(describe(&ours), describe(&bytes), "{name}");
        if codec == CompressionType::None {
            assert_eq!(ours, bytes, "{name}");
        }
    }
}

#[test]
fn control_batches_have_kafkas_bytes() {
    let at = |base_offset| ControlBatch {
        base_offset,
        partition_leader_epoch: 7,
        timestamp: 1_700_000_000_000,
    };
    let commit = EndTransactionMarker { committed: true, coordinator_epoch: 12 };
    let abort = EndTransactionMarker { committed: false, coordinator_epoch: 13 };
    assert_eq!(at(40).end_transaction(4711, 3, commit).unwrap(), golden("v2-commit"));
    assert_eq!(at(41).end_transaction(4711, 3, abort).unwrap(), golden("v2-abort"));

    let change = golden("v2-leader-change");
    let records = RecordBatchView::parse(&change).unwrap().records(LIMIT).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(ControlType::parse(record.key), Ok(ControlType::LeaderChange));
    assert!(EndTransactionMarker::parse(&record).is_err());
    let ours = at(50).raft(ControlType::LeaderChange, record.value.unwrap()).unwrap();
    assert_eq!(ours, change);

    for (name, marker) in [("v2-commit", commit), ("v2-abort", abort)] {
        let bytes = golden(name);
        let records = RecordBatchView::parse(&bytes).unwrap().records(LIMIT).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!(EndTransactionMarker::parse(&record), Ok(marker));
    }
}

/// Splits `up-SOURCE-to-CODEC[-append-time]`.
fn up_case(name: &str) -> Option<(&str, CompressionType, Option<i64>)> {
    let (source, target) = name.strip_prefix("up-")?.split_once("-to-")?;
    let (codec, append_time) = match target.strip_suffix("-append-time") {
        Some(codec) => (codec, Some(NOW)),
        None => (target, None),
    };
    let codec = (0..5).filter_map(CompressionType::from_id).find(|known| known.name() == codec)?;
    Some((source, codec, append_time))
}

#[test]
fn old_and_foreign_batches_become_what_kafkas_leader_makes_of_them() {
    for (name, described) in expected() {
        let Some((source, codec, append_time)) = up_case(&name) else { continue };
        let how = ToV2 {
            base_offset: LEADER_OFFSET,
            partition_leader_epoch: LEADER_EPOCH,
            compression: Compression::of(codec),
            append_time,
            limit: LIMIT,
        };
        let ours = to_v2(&golden(source), &how).unwrap();
        assert_eq!(describe(&ours), described, "{name}");
        let batch = RecordBatchView::parse(&ours).unwrap();
        // The timestamps beneath an append time are kept, too: only the bytes can tell.
        if batch.compression() == Some(CompressionType::None) {
            assert_eq!(ours, golden(&name), "{name}");
        }
    }
}

#[test]
fn patching_in_place_gives_kafkas_bytes() {
    let mut seen = 0;
    for name in expected().keys() {
        let Some((source, codec, append_time)) = up_case(name) else { continue };
        let mut bytes = golden(source);
        let Ok(batch) = RecordBatchView::parse(&bytes) else { continue };
        if batch.compression() != Some(codec) {
            continue;
        }
        let (count, max_timestamp) = (batch.records_count(), batch.max_timestamp());
        patch::set_last_offset(&mut bytes, LEADER_OFFSET + i64::from(count) - 1).unwrap();
        patch::set_partition_leader_epoch(&mut bytes, LEADER_EPOCH).unwrap();
        let timestamp_type = match append_time {
            Some(_) => TimestampType::LogAppendTime,
            None => TimestampType::CreateTime,
        };
        patch::set_max_timestamp(&mut bytes, timestamp_type, append_time.unwrap_or(max_timestamp))
            .unwrap();
        assert_eq!(bytes, golden(name), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn old_consumers_get_what_kafka_39_gave_them() {
    for (name, described) in expected() {
        let Some((source, format)) =
            name.strip_prefix("down-").and_then(|rest| rest.split_once("-to-"))
        else {
            continue;
        };
        let format = if format == "v0" { LegacyFormat::V0 } else { LegacyFormat::V1 };
        let first_offset = if source == "v2-none" { 2 } else { 0 };
        let ours = down_convert(&golden(source), format, first_offset, LIMIT).unwrap();
        assert_eq!(describe(&ours), described, "{name}");
        if source.contains("none") {
            assert_eq!(ours, golden(&name), "{name}");
        }
    }
}

#[test]
fn zstd_is_not_given_to_old_consumers() {
    let converted = down_convert(&golden("v2-zstd"), LegacyFormat::V1, 0, LIMIT);
    assert_eq!(converted, Err(ConvertError::ZstdDown));
}
