//! Builds v2 batches, byte for byte as Kafka's `MemoryRecordsBuilder` lays them out.

use super::compression::{self, CompressError, Compression};
use super::header::{CRC_AT, CRC_COVERS_FROM};
use super::iter::{Header, RecordRef};
use super::varint::{varint_size, varlong_size, write_varint, write_varlong};
use super::{
    Attributes, BATCH_HEADER_SIZE, BatchHeader, CompressionType, LOG_OVERHEAD, MAGIC_V2,
    NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
    TimestampType,
};

/// Why a batch cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An offset is not above the one before, or more than 2^31 above the base offset.
    #[error("offset {offset} cannot follow {previous:?} in a batch that begins at {base}")]
    Offset {
        /// The offset.
        offset: i64,
        /// The one before.
        previous: Option<i64>,
        /// The batch's base offset.
        base: i64,
    },
    /// A timestamp is negative and not -1.
    #[error("the timestamp is {timestamp}")]
    Timestamp {
        /// Milliseconds.
        timestamp: i64,
    },
    /// The batch would be larger than its length field can say.
    #[error("the batch would take more than {} bytes", i32::MAX)]
    TooLarge,
    /// A transaction needs a producer id.
    #[error("a transactional batch has no producer id")]
    TransactionWithoutProducer,
    /// A producer id needs an epoch, and a sequence unless the records are control records.
    #[error("a producer id comes with epoch {epoch} and base sequence {base_sequence}")]
    ProducerState {
        /// The producer epoch.
        epoch: i16,
        /// The base sequence.
        base_sequence: i32,
    },
    /// A message format of the past cannot hold it.
    #[error("{} is not known to format v{magic}", codec.name())]
    LegacyCompression {
        /// The codec.
        codec: CompressionType,
        /// The format.
        magic: i8,
    },
    /// The codec failed.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

/// What a batch says about all its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// Offset that the first record has, or would have.
    pub base_offset: i64,
    /// Epoch of the leader, -1 from a producer.
    pub partition_leader_epoch: i32,
    /// Codec and level.
    pub compression: Compression,
    /// The append time in milliseconds, where it stands for all timestamps.
    pub append_time: Option<i64>,
    /// The producer's id, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// Control records.
    pub is_control: bool,
    /// From when tombstones may go, in milliseconds (KIP-534).
    pub delete_horizon_ms: Option<i64>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            compression: Compression::NONE,
            append_time: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            is_transactional: false,
            is_control: false,
            delete_horizon_ms: None,
        }
    }
}

/// A record to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewRecord<'a> {
    /// Milliseconds, or -1.
    pub timestamp: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers in their order.
    pub headers: &'a [Header<'a>],
}

/// Collects records and makes a batch of them.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    options: BatchOptions,
    records: Vec<u8>,
    count: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    last_offset: Option<i64>,
}

impl BatchBuilder {
    /// A batch without records.
    #[must_use]
    pub fn new(options: BatchOptions) -> Self {
        Self {
            options,
            records: Vec::new(),
            count: 0,
            base_timestamp: options.delete_horizon_ms,
            max_timestamp: NO_TIMESTAMP,
            last_offset: None,
        }
    }

    /// Appends a record at the next offset.
    ///
    /// # Errors
    /// `Offset`, `Timestamp` or `TooLarge`; the builder is as it was.
    pub fn append(&mut self, record: &NewRecord<'_>) -> Result<(), BuildError> {
        self.append_at(self.next_offset(), record)
    }

    /// Appends a record at `offset`, which may leave a gap after the one before.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_at(&mut self, offset: i64, record: &NewRecord<'_>) -> Result<(), BuildError> {
        let headers = record.headers.iter().copied();
        self.push(offset, record.timestamp, record.key, record.value, headers)
    }

    /// Appends a record that was read elsewhere, at `offset`.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_ref(&mut self, offset: i64, record: &RecordRef<'_>) -> Result<(), BuildError> {
        self.push(offset, record.timestamp, record.key, record.value, record.headers)
    }

    /// Makes the batch end at `offset`, above the last record's, as compaction must.
    ///
    /// # Errors
    /// `Offset` where it is below the last record's.
    pub fn override_last_offset(&mut self, offset: i64) -> Result<(), BuildError> {
        let in_order = self.last_offset.is_none_or(|last| offset >= last);
        if !in_order || self.offset_delta(offset).is_none() {
            return Err(self.bad_offset(offset));
        }
        self.last_offset = Some(offset);
        Ok(())
    }

    /// Records so far.
    #[must_use]
    pub fn records_count(&self) -> i32 {
        self.count
    }

    /// Bytes that the batch would take without compression.
    #[must_use]
    pub fn uncompressed_size(&self) -> usize {
        BATCH_HEADER_SIZE + self.records.len()
    }

    /// The batch.
    ///
    /// # Errors
    /// Any [`BuildError`] but `Offset` and `Timestamp`.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        self.producer_state_is_possible()?;
        let mut out = Vec::with_capacity(self.uncompressed_size());
        out.resize(BATCH_HEADER_SIZE, 0);
        compression::compress(self.options.compression, &self.records, MAGIC_V2, &mut out)?;
        let length = i32::try_from(out.len() - LOG_OVERHEAD).map_err(|_| BuildError::TooLarge)?;
        out[..BATCH_HEADER_SIZE].copy_from_slice(&self.header(length).to_bytes());
        write_crc(&mut out);
        Ok(out)
    }

    fn next_offset(&self) -> i64 {
        self.last_offset.map_or(self.options.base_offset, |last| last.wrapping_add(1))
    }

    fn offset_delta(&self, offset: i64) -> Option<i32> {
        let delta = offset.checked_sub(self.options.base_offset)?;
        i32::try_from(delta).ok().filter(|&delta| delta >= 0)
    }

    fn bad_offset(&self, offset: i64) -> BuildError {
        let base = self.options.base_offset;
        BuildError::Offset { offset, previous: self.last_offset, base }
    }

    fn push<'h>(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = Header<'h>> + Clone,
    ) -> Result<(), BuildError> {
        let in_order = self.last_offset.is_none_or(|last| offset > last);
        let delta = self.offset_delta(offset).filter(|_| in_order);
        let offset_delta = delta.ok_or_else(|| self.bad_offset(offset))?;
        if timestamp < NO_TIMESTAMP {
            return Err(BuildError::Timestamp { timestamp });
        }
        let base_timestamp = self.base_timestamp.unwrap_or(timestamp);
        let body = Body {
            timestamp_delta: timestamp.wrapping_sub(base_timestamp),
            offset_delta,
            key,
            value,
            headers,
        };
        let size = body.size().filter(|&size| self.has_room_for(size));
        body.write(size.ok_or(BuildError::TooLarge)?, &mut self.records);
        self.base_timestamp = Some(base_timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset = Some(offset);
        self.count += 1;
        Ok(())
    }

    fn has_room_for(&self, body_size: i32) -> bool {
        let size = self.uncompressed_size() + varint_size(body_size) + body_size as usize;
        i32::try_from(size).is_ok()
    }

    /// Kafka's rules for a batch's producer fields.
    fn producer_state_is_possible(&self) -> Result<(), BuildError> {
        let options = &self.options;
        if options.producer_id == NO_PRODUCER_ID {
            return match options.is_transactional {
                true => Err(BuildError::TransactionWithoutProducer),
                false => Ok(()),
            };
        }
        let has_sequence = options.base_sequence >= 0 || options.is_control;
        if options.producer_epoch >= 0 && has_sequence {
            return Ok(());
        }
        let (epoch, base_sequence) = (options.producer_epoch, options.base_sequence);
        Err(BuildError::ProducerState { epoch, base_sequence })
    }

    fn header(&self, length: i32) -> BatchHeader {
        let options = &self.options;
        let timestamp_type = match options.append_time {
            Some(_) => TimestampType::LogAppendTime,
            None => TimestampType::CreateTime,
        };
        let last_offset_delta = self.last_offset.and_then(|last| self.offset_delta(last));
        BatchHeader {
            base_offset: options.base_offset,
            length,
            partition_leader_epoch: options.partition_leader_epoch,
            magic: MAGIC_V2,
            crc: 0,
            attributes: Attributes::default()
                .with_compression(options.compression.codec())
                .with_timestamp_type(timestamp_type)
                .with_transactional(options.is_transactional)
                .with_control(options.is_control)
                .with_delete_horizon(options.delete_horizon_ms.is_some()),
            last_offset_delta: last_offset_delta.unwrap_or(0),
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: options.append_time.unwrap_or(self.max_timestamp),
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            records_count: self.count,
        }
    }
}

/// A batch without records, which compaction leaves in the place of one to keep its producer
/// state and offsets. Length, count, codec, base timestamp and checksum of `header` are set here.
#[must_use]
pub fn empty_batch(header: &BatchHeader) -> [u8; BATCH_HEADER_SIZE] {
    let attributes = header.attributes;
    let mut out = BatchHeader {
        length: (BATCH_HEADER_SIZE - LOG_OVERHEAD) as i32,
        magic: MAGIC_V2,
        attributes: attributes.with_compression(CompressionType::None).with_delete_horizon(false),
        base_timestamp: NO_TIMESTAMP,
        records_count: 0,
        ..*header
    }
    .to_bytes();
    write_crc(&mut out);
    out
}

fn write_crc(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

/// The fields of a record as they go onto the wire.
struct Body<'a, H> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: H,
}

impl<'h, H: ExactSizeIterator<Item = Header<'h>> + Clone> Body<'_, H> {
    /// Bytes of the fields, nothing where they are too many for the size field.
    fn size(&self) -> Option<i32> {
        let headers = i32::try_from(self.headers.len()).ok()?;
        let mut size = 1 + varlong_size(self.timestamp_delta) + varint_size(self.offset_delta);
        size += bytes_size(self.key)? + bytes_size(self.value)? + varint_size(headers);
        for header in self.headers.clone() {
            size = size.checked_add(bytes_size(Some(header.key))?)?;
            size = size.checked_add(bytes_size(header.value)?)?;
        }
        i32::try_from(size).ok()
    }

    /// Appends the record. The sizes fit 32 bits, [`Self::size`] has seen to that.
    fn write(self, size: i32, out: &mut Vec<u8>) {
        out.reserve(varint_size(size) + size as usize);
        write_varint(out, size);
        out.push(0);
        write_varlong(out, self.timestamp_delta);
        write_varint(out, self.offset_delta);
        write_bytes(out, self.key);
        write_bytes(out, self.value);
        write_varint(out, self.headers.len() as i32);
        for header in self.headers {
            write_bytes(out, Some(header.key));
            write_bytes(out, header.value);
        }
    }
}

fn bytes_size(field: Option<&[u8]>) -> Option<usize> {
    let size = i32::try_from(field.map_or(0, <[u8]>::len)).ok()?;
    Some(if field.is_none() { varint_size(-1) } else { varint_size(size) + size as usize })
}

fn write_bytes(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(bytes) => {
            write_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
        None => write_varint(out, -1),
    }
}
