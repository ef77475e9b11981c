//! Raft entries as record batches of the metadata log, and back.
//!
//! One entry is one batch. An entry with metadata records carries the batch itself; offsets and
//! leader epoch are written in when it is appended. The empty entry of a new leader is Kafka's
//! LeaderChange control batch; a change of the voters is a control batch of a type of our own.

use bytes::Bytes;
use klamm_metadata::{Features, encode};
use klamm_protocol::{
    messages::{
        LeaderChangeMessage, leader_change_message::Voter, metadata_record::MetadataRecord,
    },
    records::{
        BatchBuilder, BatchOptions, BuildError, DecompressionLimit, NewRecord, RecordBatchView,
        control::{ControlBatch, ControlType},
    },
    wire::Message as _,
};
use raft::eraftpb::{Entry, EntryType};

/// The type of the control batches that carry a change of the voters: beyond Kafka's.
const CONF_CHANGE: ControlType = ControlType::Unknown(16_384);

/// The most a batch of the metadata log may decompress to, bytes. It is written uncompressed.
pub(crate) const DECOMPRESSION: DecompressionLimit = DecompressionLimit(64 << 20);

/// Records as the data of an entry.
pub(crate) fn of_records(
    records: &[MetadataRecord<'_>],
    features: &Features,
    now_ms: i64,
) -> Result<Vec<u8>, BuildError> {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    for record in records {
        let value = encode(record, features);
        batch.append(&NewRecord {
            timestamp: now_ms,
            key: None,
            value: Some(&value),
            headers: &[],
        })?;
    }
    batch.build()
}

/// Who is told in a LeaderChange batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leadership<'a> {
    pub(crate) leader: i32,
    pub(crate) voters: &'a [i32],
    pub(crate) now_ms: i64,
}

/// An entry as the batch to be appended.
pub(crate) fn of_entry(entry: &Entry, leadership: &Leadership<'_>) -> Result<Vec<u8>, BuildError> {
    let control =
        ControlBatch { base_offset: 0, partition_leader_epoch: 0, timestamp: leadership.now_ms };
    if entry.get_entry_type() != EntryType::EntryNormal {
        return control.raft(CONF_CHANGE, &conf_change_value(entry));
    }
    if !entry.data.is_empty() {
        return Ok(entry.data.to_vec());
    }
    let voter = |id: &i32| Voter { voter_id: *id, ..Voter::default() };
    let message = LeaderChangeMessage {
        leader_id: leadership.leader,
        voters: leadership.voters.iter().map(voter).collect(),
        ..LeaderChangeMessage::default()
    };
    control.raft(ControlType::LeaderChange, &message.to_bytes(0))
}

fn conf_change_value(entry: &Entry) -> Vec<u8> {
    let kind = if entry.get_entry_type() == EntryType::EntryConfChange { 1 } else { 2 };
    [&[kind], &*entry.data].concat()
}

/// How many records an entry has as a batch.
pub(crate) fn record_count(entry: &Entry) -> i64 {
    if entry.get_entry_type() == EntryType::EntryNormal && !entry.data.is_empty() {
        RecordBatchView::parse(&entry.data)
            .map_or(1, |view| i64::from(view.last_offset_delta()) + 1)
    } else {
        1
    }
}

/// A batch of the log as the entry at `index`.
pub(crate) fn to_entry(bytes: &[u8], index: u64) -> Result<Entry, String> {
    let view = RecordBatchView::parse(bytes).map_err(|error| error.to_string())?;
    let term = u64::try_from(view.partition_leader_epoch()).map_err(|error| error.to_string())?;
    let mut entry = Entry { index, term, ..Entry::default() };
    if !view.is_control() {
        entry.data = Bytes::copy_from_slice(bytes);
        return Ok(entry);
    }
    let records = view.records(DECOMPRESSION).map_err(|error| error.to_string())?;
    let record = records.iter().next().ok_or("a control batch without a record")?;
    let record = record.map_err(|error| error.to_string())?;
    let kind = ControlType::parse(record.key).map_err(|error| error.to_string())?;
    if kind == CONF_CHANGE
        && let Some((kind, data)) = record.value.unwrap_or_default().split_first()
    {
        let v1 = *kind == 1;
        let kind = if v1 { EntryType::EntryConfChange } else { EntryType::EntryConfChangeV2 };
        entry.set_entry_type(kind);
        entry.data = Bytes::copy_from_slice(data);
    }
    Ok(entry)
}

/// The newest timestamp in a batch, milliseconds since the epoch.
pub(crate) fn timestamp(batch: &[u8]) -> i64 {
    RecordBatchView::parse(batch).map_or(0, |view| view.max_timestamp())
}

/// The metadata records of a batch, each with what is wrong with it if it cannot be read. Records
/// of our own that a later release wrote are left out.
pub(crate) fn records(
    batch: &[u8],
    mut each: impl FnMut(&MetadataRecord<'_>),
) -> Result<(), String> {
    let view = RecordBatchView::parse(batch).map_err(|error| error.to_string())?;
    if view.is_control() {
        return Ok(());
    }
    let records = view.records(DECOMPRESSION).map_err(|error| error.to_string())?;
    for record in &records {
        let record = record.map_err(|error| error.to_string())?;
        let value = record.value.unwrap_or_default();
        match klamm_metadata::decode(value) {
            Ok(Some(record)) => each(&record),
            Ok(None) => {}
            Err(error) => return Err(format!("record at offset {}: {error}", record.offset)),
        }
    }
    Ok(())
}
