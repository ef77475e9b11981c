//! Views of a v2 batch: every field is read where it stands, nothing is copied.

use std::ops::Deref;

use super::header::{
    ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, BATCH_HEADER_SIZE, CRC_AT,
    CRC_COVERS_FROM, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT, LENGTH_AT, LOG_OVERHEAD, MAGIC_AT,
    MAX_TIMESTAMP_AT, NO_SEQUENCE, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, RECORDS_COUNT_AT,
};
use super::{
    Attributes, BatchHeader, CompressionType, MAGIC_V2, TimestampType, increment_sequence,
};

/// Why bytes are not a batch. Kafka answers each of these with `CORRUPT_MESSAGE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the batch has; more of them would help.
    #[error("{available} bytes of a batch of {needed}")]
    Truncated {
        /// Bytes that the batch, or its header, takes.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The length field is below what the format's smallest batch takes.
    #[error("the length field says {length}, less than the minimum of {min}")]
    LengthTooSmall {
        /// The length field.
        length: i32,
        /// The least that the format allows.
        min: usize,
    },
    /// The batch is larger than the reader allows.
    #[error("a batch of {size} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Bytes of the batch with its offset and length fields.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The magic byte is not one that this reader knows.
    #[error("the magic byte is {magic}")]
    UnknownMagic {
        /// The magic byte.
        magic: i8,
    },
    /// The checksum does not fit the bytes.
    #[error("the checksum is {stored:#010x}, but the bytes have {computed:#010x}")]
    ChecksumMismatch {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
}

/// The header of a v2 batch, read in place.
///
/// Nothing but the magic byte and the lower bound of the length has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeaderView<'a> {
    bytes: &'a [u8; BATCH_HEADER_SIZE],
}

impl<'a> BatchHeaderView<'a> {
    /// A view of the header at the front of `bytes`, of which the records may be missing.
    ///
    /// # Errors
    /// [`BatchError`] other than `TooLarge` and `ChecksumMismatch`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let Some(header) = bytes.first_chunk::<BATCH_HEADER_SIZE>() else {
            return Err(short_header(bytes));
        };
        let view = Self { bytes: header };
        if view.magic() != MAGIC_V2 {
            return Err(BatchError::UnknownMagic { magic: view.magic() });
        }
        length_is_possible(view.length())?;
        Ok(view)
    }

    /// Offset of the first record, also where compaction has removed it.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        i64::from_be_bytes(self.field::<BASE_OFFSET_AT, 8>())
    }

    /// The length field: [`Self::size_in_bytes`] less 12.
    #[must_use]
    pub fn length(&self) -> i32 {
        i32::from_be_bytes(self.field::<LENGTH_AT, 4>())
    }

    /// Bytes of the whole batch, header included; at least 61.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        // The length was found to be positive when the view was made.
        self.length() as usize + LOG_OVERHEAD
    }

    /// Epoch of the leader that appended the batch, -1 before that. Outside the checksum.
    #[must_use]
    pub fn partition_leader_epoch(&self) -> i32 {
        i32::from_be_bytes(self.field::<LEADER_EPOCH_AT, 4>())
    }

    /// The format: always 2.
    #[must_use]
    pub fn magic(&self) -> i8 {
        i8::from_be_bytes(self.field::<MAGIC_AT, 1>())
    }

    /// The stored CRC-32C.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(self.field::<CRC_AT, 4>())
    }

    /// Codec and flags.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes::from_bits(i16::from_be_bytes(self.field::<ATTRIBUTES_AT, 2>()))
    }

    /// The codec, or nothing where its id is not one of Kafka's.
    #[must_use]
    pub fn compression(&self) -> Option<CompressionType> {
        self.attributes().compression()
    }

    /// What the timestamps mean.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes().timestamp_type()
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes().is_transactional()
    }

    /// Whether the batch has control records.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes().is_control()
    }

    /// From when tombstones and markers may be removed, in milliseconds (KIP-534).
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes().has_delete_horizon().then(|| self.base_timestamp())
    }

    /// Last offset less base offset.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.field::<LAST_OFFSET_DELTA_AT, 4>())
    }

    /// Offset of the last record, also where compaction has removed it. Wraps on garbage.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// The offset after the last one. Wraps on garbage.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// What record timestamps are counted from, in milliseconds: the first record's, or the
    /// delete horizon.
    #[must_use]
    pub fn base_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.field::<BASE_TIMESTAMP_AT, 8>())
    }

    /// Latest timestamp in milliseconds, or the append time.
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.field::<MAX_TIMESTAMP_AT, 8>())
    }

    /// The producer's id, or -1.
    #[must_use]
    pub fn producer_id(&self) -> i64 {
        i64::from_be_bytes(self.field::<PRODUCER_ID_AT, 8>())
    }

    /// Whether an idempotent producer wrote the batch, by Kafka's rule: an id above -1.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id() > super::NO_PRODUCER_ID
    }

    /// The producer's epoch, or -1.
    #[must_use]
    pub fn producer_epoch(&self) -> i16 {
        i16::from_be_bytes(self.field::<PRODUCER_EPOCH_AT, 2>())
    }

    /// Sequence number of the first record, or -1.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(self.field::<BASE_SEQUENCE_AT, 4>())
    }

    /// Sequence number of the last record, or -1; after `i32::MAX` comes 0.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            NO_SEQUENCE => NO_SEQUENCE,
            base => increment_sequence(base, self.last_offset_delta()),
        }
    }

    /// Records in the batch, as the header says.
    #[must_use]
    pub fn records_count(&self) -> i32 {
        i32::from_be_bytes(self.field::<RECORDS_COUNT_AT, 4>())
    }

    /// All fields by value.
    #[must_use]
    pub fn to_header(&self) -> BatchHeader {
        BatchHeader {
            base_offset: self.base_offset(),
            length: self.length(),
            partition_leader_epoch: self.partition_leader_epoch(),
            magic: self.magic(),
            crc: self.crc(),
            attributes: self.attributes(),
            last_offset_delta: self.last_offset_delta(),
            base_timestamp: self.base_timestamp(),
            max_timestamp: self.max_timestamp(),
            producer_id: self.producer_id(),
            producer_epoch: self.producer_epoch(),
            base_sequence: self.base_sequence(),
            records_count: self.records_count(),
        }
    }

    fn field<const AT: usize, const N: usize>(&self) -> [u8; N] {
        const { assert!(AT + N <= BATCH_HEADER_SIZE) };
        std::array::from_fn(|index| self.bytes[AT + index])
    }
}

/// A whole v2 batch, read in place: the header's accessors, the records' bytes, the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBatchView<'a> {
    header: BatchHeaderView<'a>,
    bytes: &'a [u8],
}

impl<'a> RecordBatchView<'a> {
    /// A view of the batch at the front of `bytes`; what follows it is left alone.
    ///
    /// The checksum is not looked at: see [`Self::check_crc`].
    ///
    /// # Errors
    /// [`BatchError`] other than `TooLarge` and `ChecksumMismatch`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let header = BatchHeaderView::parse(bytes)?;
        match bytes.get(..header.size_in_bytes()) {
            Some(bytes) => Ok(Self { header, bytes }),
            None => Err(BatchError::Truncated {
                needed: header.size_in_bytes(),
                available: bytes.len(),
            }),
        }
    }

    /// The header alone.
    #[must_use]
    pub fn header(&self) -> BatchHeaderView<'a> {
        self.header
    }

    /// All bytes of the batch.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes after the header: the records, compressed where the attributes say so.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[BATCH_HEADER_SIZE..]
    }

    /// CRC-32C of the bytes, to be compared with [`BatchHeaderView::crc`].
    #[must_use]
    pub fn computed_crc(&self) -> u32 {
        crc32c::crc32c(&self.bytes[CRC_COVERS_FROM..])
    }

    /// Whether the checksum fits the bytes.
    ///
    /// # Errors
    /// [`BatchError::ChecksumMismatch`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), self.computed_crc());
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::ChecksumMismatch { stored, computed })
        }
    }
}

impl<'a> Deref for RecordBatchView<'a> {
    type Target = BatchHeaderView<'a>;

    fn deref(&self) -> &Self::Target {
        &self.header
    }
}

/// What is wrong with bytes that end inside the header, most telling reason first.
fn short_header(bytes: &[u8]) -> BatchError {
    if let Some(&magic) = bytes.get(MAGIC_AT)
        && magic as i8 != MAGIC_V2
    {
        return BatchError::UnknownMagic { magic: magic as i8 };
    }
    if let Some(length) = bytes.get(LENGTH_AT..).and_then(|rest| rest.first_chunk())
        && let Err(error) = length_is_possible(i32::from_be_bytes(*length))
    {
        return error;
    }
    BatchError::Truncated { needed: BATCH_HEADER_SIZE, available: bytes.len() }
}

fn length_is_possible(length: i32) -> Result<(), BatchError> {
    const MIN: usize = BATCH_HEADER_SIZE - LOG_OVERHEAD;
    match usize::try_from(length) {
        Ok(length) if length >= MIN => Ok(()),
        _ => Err(BatchError::LengthTooSmall { length, min: MIN }),
    }
}
