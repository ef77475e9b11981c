//! Does with a buffer of records all that a broker does with what it receives. The property tests
//! and the fuzz target call it with bytes of any kind; nothing may panic or pass the limit.

use klamm_protocol::records::check::{ProduceRules, check_batch_header, check_records};
use klamm_protocol::records::control::{ControlType, EndTransactionMarker};
use klamm_protocol::records::convert::{ToV2, down_convert, to_v2};
use klamm_protocol::records::legacy::LegacyFormat;
use klamm_protocol::records::{
    BatchHeaderView, Batches, Compression, DecompressionLimit, EntryView, RecordBatchView,
    TimestampType, patch,
};

/// Most bytes that an entry may become here.
pub(crate) const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);

const RULES: ProduceRules = ProduceRules {
    size_max: 1 << 20,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: 1 << 40,
    timestamp_after_max_ms: 3_600_000,
    is_compacted: true,
    now_ms: 1_700_000_000_000,
};

/// Reads, checks, converts and patches. Returns how many records could be read.
pub(crate) fn exercise(bytes: &[u8]) -> usize {
    let mut records = 0;
    let mut entries = Batches::new(bytes);
    for entry in &mut entries {
        let Ok(view) = entry.and_then(|entry| entry.view().map_err(|_| unreadable())) else {
            continue;
        };
        records += read(&view);
    }
    assert!(entries.position() + entries.truncated_bytes() <= bytes.len());
    convert(bytes);
    change(bytes);
    records
}

fn unreadable() -> klamm_protocol::records::BatchError {
    klamm_protocol::records::BatchError::UnknownMagic { magic: -1 }
}

fn read(view: &EntryView<'_>) -> usize {
    let _ = view.check_crc();
    let _ = (view.last_offset(), view.max_timestamp(), view.offset_of_max_timestamp(LIMIT));
    if let EntryView::Batch(batch) = view {
        let _ = (batch.next_offset(), batch.last_sequence(), batch.delete_horizon_ms());
        let _ = check_batch_header(batch, &RULES);
        let _ = batch.to_header();
    }
    let Ok(records) = view.records(LIMIT) else { return 0 };
    let _ = check_records(view, &records, &RULES);
    let mut size = 0;
    let mut count = 0;
    for record in records.iter().flatten() {
        let _ = (ControlType::parse(record.key), EndTransactionMarker::parse(&record));
        assert_eq!(record.headers.count(), record.headers.len());
        size += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        size += record.headers.map(|header| header.key.len()).sum::<usize>();
        count += 1;
    }
    assert!(size <= LIMIT.0.max(view.size_in_bytes()));
    count
}

fn convert(bytes: &[u8]) {
    let how = ToV2 {
        base_offset: 7,
        partition_leader_epoch: 3,
        compression: Compression::NONE,
        append_time: None,
        limit: LIMIT,
    };
    if let Ok(batch) = to_v2(bytes, &how) {
        let view = RecordBatchView::parse(&batch).expect("what was built is a batch");
        view.check_crc().expect("what was built has its checksum");
        let records = view.records(LIMIT).expect("what was built can be read");
        assert_eq!(records.iter().filter(Result::is_ok).count() as i32, view.records_count());
        assert!(records.iter().all(|record| record.is_ok()));
    }
    for format in [LegacyFormat::V0, LegacyFormat::V1] {
        let _ = down_convert(bytes, format, 3, LIMIT);
    }
}

fn change(bytes: &[u8]) {
    let mut changed = bytes.to_vec();
    let _ = patch::set_base_offset(&mut changed, i64::MAX);
    let _ = patch::set_last_offset(&mut changed, i64::MIN);
    let _ = patch::set_partition_leader_epoch(&mut changed, 9);
    if patch::set_max_timestamp(&mut changed, TimestampType::LogAppendTime, 5).is_ok() {
        let header = BatchHeaderView::parse(&changed).expect("a patched batch is a batch");
        assert_eq!((header.max_timestamp(), header.partition_leader_epoch()), (5, 9));
    }
}
