//! Records that say of themselves which they are, so that a reader can tell whether they are whole.

use klamm_protocol::records::{
    Batches, Compression, CompressionType, DecompressionLimit,
    builder::{BatchBuilder, BatchOptions, NewRecord},
};

use crate::oracle::{Batch, RecordId};

/// The most that a batch may decompress to, bytes.
const LIMIT: DecompressionLimit = DecompressionLimit(16 << 20);

/// The value of a record: its batch, its place, and so many bytes that depend on both.
fn value((batch, at): RecordId, bytes_max: u64) -> String {
    let mixed = (batch ^ (u64::from(at) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = usize::try_from((mixed >> 20) % (bytes_max + 1)).unwrap_or(0);
    let letter = |i: usize| char::from(b'a' + u8::try_from((mixed >> (i % 48)) % 26).unwrap_or(0));
    format!("{batch}:{at}:{}", (0..len).map(letter).collect::<String>())
}

/// Which record this is; none if it is not one that was made here, or not whole.
fn identify(found: Option<&[u8]>, bytes_max: u64) -> Option<RecordId> {
    let text = std::str::from_utf8(found?).ok()?;
    let mut parts = text.splitn(3, ':');
    let id = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (value(id, bytes_max) == text).then_some(id)
}

/// The bytes of a batch as a producer sends it.
pub(crate) fn build(
    batch: &Batch,
    bytes_max: u64,
    timestamp: i64,
    compression: Option<CompressionType>,
) -> Vec<u8> {
    let mut options = BatchOptions::default();
    if let Some(codec) = compression {
        options.compression = Compression::of(codec);
    }
    if let Some((id, epoch, sequence)) = batch.producer {
        (options.producer_id, options.producer_epoch, options.base_sequence) =
            (id, epoch, sequence);
    }
    let mut builder = BatchBuilder::new(options);
    for at in 0..batch.count {
        let value = value((batch.id, at), bytes_max);
        let record =
            NewRecord { timestamp, key: None, value: Some(value.as_bytes()), headers: &[] };
        builder.append(&record).expect("a few small records fit into a batch");
    }
    builder.build().expect("a few small records fit into a batch")
}

/// A batch as it was read.
#[derive(Debug)]
pub(crate) struct ReadBatch {
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) ids: Vec<Option<RecordId>>,
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
        let mut ids = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            let expected = view.base_offset() + i64::try_from(at).unwrap_or(0);
            let is_in_place = record.offset == expected;
            ids.push(identify(record.value, bytes_max).filter(|_| is_in_place));
        }
        let producer = view.has_producer_id();
        let producer =
            producer.then(|| (view.producer_id(), view.producer_epoch(), view.base_sequence()));
        found.push(ReadBatch { base: view.base_offset(), last: view.last_offset(), ids, producer });
    }
    Ok(found)
}
