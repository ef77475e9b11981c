//! The 61-byte header of a record batch of format v2 (KIP-98), and its attribute bits.

use super::CompressionType;

/// Bytes of the offset and the length that stand before every entry of every format.
pub const LOG_OVERHEAD: usize = 12;
/// Position of the magic byte; the same in all formats.
pub const MAGIC_AT: usize = 16;
/// Bytes of the header of a v2 batch.
pub const BATCH_HEADER_SIZE: usize = 61;
/// Where the bytes that the CRC-32C covers begin: everything from the attributes to the end.
pub const CRC_COVERS_FROM: usize = 21;
/// The format that Kafka writes today.
pub const MAGIC_V2: i8 = 2;
/// "No timestamp", in records of format v0 and in empty batches.
pub const NO_TIMESTAMP: i64 = -1;
/// Producer id of a batch that is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// Producer epoch of a batch that is not idempotent.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// Base sequence of a batch that is not idempotent.
pub const NO_SEQUENCE: i32 = -1;
/// Leader epoch before the leader has set it.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

pub(super) const BASE_OFFSET_AT: usize = 0;
pub(super) const LENGTH_AT: usize = 8;
pub(super) const LEADER_EPOCH_AT: usize = 12;
pub(super) const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(super) const BASE_TIMESTAMP_AT: usize = 27;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
pub(super) const PRODUCER_EPOCH_AT: usize = 51;
pub(super) const BASE_SEQUENCE_AT: usize = 53;
pub(super) const RECORDS_COUNT_AT: usize = 57;

/// What the timestamps of a batch mean (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's time, one per record.
    CreateTime,
    /// The leader's time at the append, one per batch: its max timestamp.
    LogAppendTime,
}

/// The attribute bits of a v2 batch. Bits 7 to 15 are unused and kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes(i16);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    pub(super) const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The bits as they stand in the header.
    #[must_use]
    pub fn from_bits(bits: i16) -> Self {
        Self(bits)
    }

    /// The bits as they stand in the header.
    #[must_use]
    pub fn bits(self) -> i16 {
        self.0
    }

    /// The codec's id, 0 to 7, of which Kafka has given out 0 to 4.
    #[must_use]
    pub fn compression_id(self) -> u8 {
        (self.0 & Self::COMPRESSION) as u8
    }

    /// The codec, or nothing where the id is not one of Kafka's.
    #[must_use]
    pub fn compression(self) -> Option<CompressionType> {
        CompressionType::from_id(self.compression_id())
    }

    /// What the timestamps mean.
    #[must_use]
    pub fn timestamp_type(self) -> TimestampType {
        match self.has(Self::LOG_APPEND_TIME) {
            true => TimestampType::LogAppendTime,
            false => TimestampType::CreateTime,
        }
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Whether the batch has control records, which no application sees.
    #[must_use]
    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// Whether the base timestamp is the time from which tombstones may go (KIP-534).
    #[must_use]
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same with another codec.
    #[must_use]
    pub fn with_compression(self, compression: CompressionType) -> Self {
        Self(self.0 & !Self::COMPRESSION | i16::from(compression.id()))
    }

    /// The same with another meaning of the timestamps.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.set(Self::LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// The same with the transaction bit on or off.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.set(Self::TRANSACTIONAL, on)
    }

    /// The same with the control bit on or off.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.set(Self::CONTROL, on)
    }

    /// The same with the delete-horizon bit on or off.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.set(Self::DELETE_HORIZON, on)
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    fn set(self, bit: i16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// All fields of a v2 header by value, in the order of the wire.
///
/// [`super::BatchHeaderView`] reads single fields without this copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes after this field: the batch's size less [`LOG_OVERHEAD`].
    pub length: i32,
    /// Epoch of the leader that appended the batch.
    pub partition_leader_epoch: i32,
    /// The format: 2.
    pub magic: i8,
    /// CRC-32C of the bytes from the attributes to the end.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Last offset less the base offset.
    pub last_offset_delta: i32,
    /// First record's timestamp in milliseconds, or the delete horizon.
    pub base_timestamp: i64,
    /// Latest timestamp in milliseconds, or the append time.
    pub max_timestamp: i64,
    /// The idempotent producer's id, or -1.
    pub producer_id: i64,
    /// The idempotent producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Records in the batch.
    pub records_count: i32,
}

impl BatchHeader {
    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_SIZE] {
        let mut out = [0; BATCH_HEADER_SIZE];
        put(&mut out, BASE_OFFSET_AT, self.base_offset.to_be_bytes());
        put(&mut out, LENGTH_AT, self.length.to_be_bytes());
        put(&mut out, LEADER_EPOCH_AT, self.partition_leader_epoch.to_be_bytes());
        put(&mut out, MAGIC_AT, self.magic.to_be_bytes());
        put(&mut out, CRC_AT, self.crc.to_be_bytes());
        put(&mut out, ATTRIBUTES_AT, self.attributes.bits().to_be_bytes());
        put(&mut out, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(&mut out, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put(&mut out, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(&mut out, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(&mut out, PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put(&mut out, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put(&mut out, RECORDS_COUNT_AT, self.records_count.to_be_bytes());
        out
    }
}

fn put<const N: usize>(out: &mut [u8; BATCH_HEADER_SIZE], at: usize, field: [u8; N]) {
    out[at..at + N].copy_from_slice(&field);
}

/// The sequence number `increment` after `sequence`: after `i32::MAX` comes 0. Negative numbers,
/// which only damaged batches have, wrap as they do in Kafka.
#[must_use]
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(increment) {
        increment.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1)
    } else {
        sequence.wrapping_add(increment)
    }
}
