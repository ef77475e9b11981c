//! Records that say of themselves which they are, so that a reader can tell whether they are whole.

use klamm_protocol::records::{
    Batches, Compression, CompressionType, DecompressionLimit, RecordRef,
    builder::{BatchBuilder, BatchOptions, NewRecord},
    legacy::{LegacyFormat, MessageSetBuilder},
};

use crate::oracle::{Batch, Format, RecordId};

/// The most that a batch may decompress to, bytes.
const LIMIT: DecompressionLimit = DecompressionLimit(16 << 20);

/// The most that a record takes beside its value, and a batch beside its records, bytes.
pub(crate) const OVERHEAD_BYTES: u64 = 140;

/// What is not the value in a record: its key, and how many headers it has where the format has
/// any. Both follow from the record's number.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    key: Option<String>,
    headers: usize,
}

const HEADER: klamm_protocol::records::Header<'static> =
    klamm_protocol::records::Header { key: b"same", value: Some(b"twice") };

fn mix((batch, at): RecordId) -> u64 {
    (batch ^ (u64::from(at) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The value of a record: its batch, its place, and so many bytes that depend on both.
fn value(id: RecordId, bytes_max: u64) -> Vec<u8> {
    let mixed = mix(id);
    let len = usize::try_from((mixed >> 20) % (bytes_max + 1)).unwrap_or(0);
    let mut value = format!("{}:{}:", id.0, id.1).into_bytes();
    let letters = mixed.to_be_bytes().map(|byte| b'a' + byte % 26);
    let begun = value.len();
    value.resize(begun + len, 0);
    for chunk in value[begun..].chunks_mut(letters.len()) {
        chunk.copy_from_slice(&letters[..chunk.len()]);
    }
    value
}

fn rest(id: RecordId) -> Rest {
    let mixed = mix(id);
    let key = (!mixed.is_multiple_of(3)).then(|| format!("key {}", mixed % 1000));
    Rest { key, headers: usize::try_from(mixed % 4).unwrap_or(0).saturating_sub(1) }
}

/// How many headers a record is sent with in format v2.
pub(crate) fn headers_of(id: RecordId) -> usize {
    rest(id).headers
}

/// A record as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadRecord {
    pub(crate) offset: i64,
    /// None if it is not one that was made here, or not whole.
    pub(crate) id: Option<RecordId>,
    pub(crate) timestamp: i64,
    pub(crate) headers: usize,
}

/// Which record this is.
fn identify(found: &RecordRef<'_>, bytes_max: u64) -> ReadRecord {
    let mut headers = 0;
    let mut is_right = true;
    for header in found.headers {
        is_right &= header == HEADER;
        headers += 1;
    }
    let id = found.value.and_then(number).filter(|id| {
        is_right
            && rest(*id).key.as_deref().map(str::as_bytes) == found.key
            && Some(value(*id, bytes_max).as_slice()) == found.value
    });
    ReadRecord { offset: found.offset, id, timestamp: found.timestamp, headers }
}

fn number(value: &[u8]) -> Option<RecordId> {
    let mut parts = value.splitn(3, |byte| *byte == b':').map(std::str::from_utf8);
    let mut next = || parts.next()?.ok();
    Some((next()?.parse().ok()?, next()?.parse().ok()?))
}

/// The bytes of a batch as a producer sends it.
pub(crate) fn build(
    batch: &Batch,
    bytes_max: u64,
    compression: Option<CompressionType>,
) -> Vec<u8> {
    let codec = compression.map_or(Compression::NONE, Compression::of);
    match batch.format {
        Format::V0 => build_messages(batch, LegacyFormat::V0, bytes_max, codec),
        Format::V1 => build_messages(batch, LegacyFormat::V1, bytes_max, codec),
        Format::V2 => build_batch(batch, bytes_max, codec),
    }
}

fn build_batch(batch: &Batch, bytes_max: u64, compression: Compression) -> Vec<u8> {
    let mut options = BatchOptions { compression, ..BatchOptions::default() };
    if let Some((id, epoch, sequence)) = batch.producer {
        (options.producer_id, options.producer_epoch, options.base_sequence) =
            (id, epoch, sequence);
    }
    let mut builder = BatchBuilder::new(options);
    for at in 0..batch.count {
        let (value, rest) = (value((batch.id, at), bytes_max), rest((batch.id, at)));
        let record = NewRecord {
            timestamp: batch.timestamp,
            key: rest.key.as_deref().map(str::as_bytes),
            value: Some(&value),
            headers: &[HEADER; 2][..rest.headers],
        };
        builder.append(&record).expect("a few small records fit into a batch");
    }
    builder.build().expect("a few small records fit into a batch")
}

/// A message set of the old formats: a message for each record, or one that wraps all of them.
fn build_messages(
    batch: &Batch,
    format: LegacyFormat,
    bytes_max: u64,
    compression: Compression,
) -> Vec<u8> {
    let mut builder = MessageSetBuilder::new(format, compression, None)
        .expect("the codecs in use are older than the formats");
    for at in 0..batch.count {
        let (value, rest) = (value((batch.id, at), bytes_max), rest((batch.id, at)));
        let key = rest.key.as_deref().map(str::as_bytes);
        builder
            .append(i64::from(at), batch.timestamp, key, Some(&value))
            .expect("a few small records fit into a message set");
    }
    builder.build().expect("a few small records fit into a message set")
}

/// A batch as it was read.
#[derive(Debug)]
pub(crate) struct ReadBatch {
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) records: Vec<ReadRecord>,
    pub(crate) producer: Option<(i64, i16, i32)>,
}

/// The whole batches in what a fetch gave; the last may be cut.
pub(crate) fn read(bytes: &[u8], bytes_max: u64) -> Result<Vec<ReadBatch>, String> {
    let mut found = Vec::new();
    for entry in Batches::new(bytes) {
        let entry = entry.map_err(|error| error.to_string())?;
        let view = entry.batch().map_err(|error| error.to_string())?;
        view.check_crc().map_err(|error| error.to_string())?;
        let records = view.records(LIMIT).map_err(|error| error.to_string())?;
        let mut read = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            let mut record = identify(&record, bytes_max);
            let expected = view.base_offset() + i64::try_from(at).unwrap_or(0);
            record.id = record.id.filter(|_| record.offset == expected);
            read.push(record);
        }
        let producer = view.has_producer_id();
        let producer =
            producer.then(|| (view.producer_id(), view.producer_epoch(), view.base_sequence()));
        let (base, last) = (view.base_offset(), view.last_offset());
        found.push(ReadBatch { base, last, records: read, producer });
    }
    Ok(found)
}

/// The records in what an old fetch gave, all of one format; the last message may be cut.
pub(crate) fn read_messages(
    bytes: &[u8],
    format: Format,
    bytes_max: u64,
) -> Result<Vec<ReadRecord>, String> {
    let mut found = Vec::new();
    for entry in Batches::new(bytes) {
        let view = entry.map_err(|error| error.to_string())?.view();
        let view = view.map_err(|error| error.to_string())?;
        if view.magic() != format.magic() {
            return Err(format!("an entry of format {} for {format:?}", view.magic()));
        }
        view.check_crc().map_err(|error| error.to_string())?;
        let records = view.records(LIMIT).map_err(|error| error.to_string())?;
        for record in &records {
            found.push(identify(&record.map_err(|error| error.to_string())?, bytes_max));
        }
    }
    Ok(found)
}
