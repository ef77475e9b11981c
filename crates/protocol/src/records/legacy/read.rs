//! Reads messages of v0 and v1, and the message sets inside compressed ones.

use std::borrow::Cow;
use std::iter::FusedIterator;

use super::{
    ATTRIBUTES_AT, COMPRESSION_MASK, CRC_AT, CRC_COVERS_FROM, LOG_APPEND_TIME, TIMESTAMP_AT,
    TIMESTAMP_SIZE,
};
use crate::records::batches::{Batches, ENTRY_LENGTH_MIN};
use crate::records::compression::{self, DecompressionLimit};
use crate::records::header::{LENGTH_AT, LOG_OVERHEAD, MAGIC_AT};
use crate::records::iter::{Headers, RecordError, RecordRef};
use crate::records::{BatchError, CompressionType, NO_TIMESTAMP, TimestampType};

/// Which rule of the old formats a message breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageSetError {
    /// The key or the value goes beyond the message.
    #[error("a field of {size} bytes, {remaining} bytes are left in the message")]
    Field {
        /// The field's size.
        size: usize,
        /// Bytes left in the message.
        remaining: usize,
    },
    /// Zstandard came with v2 (KIP-110).
    #[error("zstd is not known to format v{magic}")]
    Zstd {
        /// The message's format.
        magic: i8,
    },
    /// A compressed message has no value.
    #[error("a compressed message has no value")]
    NoValue,
    /// A compressed message has no messages.
    #[error("a compressed message has no messages in it")]
    Empty,
    /// A message in a compressed one is compressed itself.
    #[error("a message in a compressed one is compressed")]
    Nested,
    /// A message's format is not that of the one around it.
    #[error("a message of format v{inner} in one of v{outer}")]
    Magic {
        /// The compressed message's format.
        outer: i8,
        /// The format of the message in it.
        inner: i8,
    },
    /// The offset of a v1 wrapper is below the last one in it, and is not 0.
    #[error("a compressed message at offset {outer} ends with relative offset {inner}")]
    Offset {
        /// The compressed message's offset.
        outer: i64,
        /// The last relative offset in it.
        inner: i64,
    },
}

/// One message of v0 or v1, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageView<'a> {
    bytes: &'a [u8],
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> MessageView<'a> {
    /// A view of the message at the front of `bytes`; what follows it is left alone. The checksum
    /// is not looked at: see [`Self::check_crc`].
    ///
    /// # Errors
    /// `Frame` or `MessageSet(Field)`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let bytes = frame(bytes)?;
        let timestamp = if bytes[MAGIC_AT] == 0 { 0 } else { TIMESTAMP_SIZE };
        let mut rest = bytes.get(TIMESTAMP_AT + timestamp..).unwrap_or_default();
        let key = read_field(&mut rest)?;
        let value = read_field(&mut rest)?;
        Ok(Self { bytes, key, value })
    }

    /// The offset; in a compressed message that of the last message in it.
    #[must_use]
    pub fn offset(&self) -> i64 {
        i64::from_be_bytes(self.array(0))
    }

    /// 0 or 1.
    #[must_use]
    pub fn magic(&self) -> i8 {
        self.bytes[MAGIC_AT] as i8
    }

    /// Bytes of the message with its offset and size fields.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The attribute bits.
    #[must_use]
    pub fn attributes(&self) -> u8 {
        self.bytes[ATTRIBUTES_AT]
    }

    /// The codec's id, 0 to 7.
    #[must_use]
    pub fn compression_id(&self) -> u8 {
        self.attributes() & COMPRESSION_MASK
    }

    /// What the timestamp means; nothing in v0, which has none.
    #[must_use]
    pub fn timestamp_type(&self) -> Option<TimestampType> {
        let append_time = self.attributes() & LOG_APPEND_TIME != 0;
        match (self.magic(), append_time) {
            (0, _) => None,
            (_, true) => Some(TimestampType::LogAppendTime),
            (_, false) => Some(TimestampType::CreateTime),
        }
    }

    /// Milliseconds; -1 in v0. In a compressed message the latest, or the append time.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        match self.magic() {
            0 => NO_TIMESTAMP,
            _ => i64::from_be_bytes(self.array(TIMESTAMP_AT)),
        }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value; the compressed message set where there is a codec.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// Whether the checksum fits the bytes.
    ///
    /// # Errors
    /// [`BatchError::ChecksumMismatch`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let stored = u32::from_be_bytes(self.array(CRC_AT));
        let computed = crc32fast::hash(&self.bytes[CRC_COVERS_FROM..]);
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::ChecksumMismatch { stored, computed })
        }
    }

    /// The message itself as a record, or those of the message set in it, which are decompressed
    /// and whose checksums are checked here.
    ///
    /// # Errors
    /// [`RecordError`] other than those of v2.
    pub fn records(&self, limit: DecompressionLimit) -> Result<MessageRecords<'a>, RecordError> {
        let id = self.compression_id();
        let codec = CompressionType::from_id(id).ok_or(RecordError::UnknownCompression { id })?;
        let outer = Outer {
            base_offset: 0,
            append_time: match self.timestamp_type() {
                Some(TimestampType::LogAppendTime) => Some(self.timestamp()),
                _ => None,
            },
        };
        let magic = self.magic();
        match codec {
            CompressionType::None => Ok(MessageRecords { bytes: Cow::Borrowed(self.bytes), outer }),
            CompressionType::Zstd => Err(MessageSetError::Zstd { magic }.into()),
            _ => {
                let value = self.value.ok_or(MessageSetError::NoValue)?;
                let bytes = compression::decompress(codec, value, magic, limit)?;
                let last = last_inner_offset(&bytes, magic)?;
                let base_offset = self.base_offset(last)?;
                Ok(MessageRecords {
                    bytes: Cow::Owned(bytes),
                    outer: Outer { base_offset, ..outer },
                })
            }
        }
    }

    /// What the offsets in a compressed message count from: nothing in v0, where they are
    /// absolute; in v1 such that the last one becomes the wrapper's. A wrapper at 0 comes from
    /// clients that leave it to the broker.
    fn base_offset(&self, last_inner: i64) -> Result<i64, MessageSetError> {
        let outer = self.offset();
        match self.magic() {
            0 => Ok(0),
            _ if outer == 0 => Ok(0),
            _ if outer < last_inner => Err(MessageSetError::Offset { outer, inner: last_inner }),
            _ => Ok(outer.wrapping_sub(last_inner)),
        }
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|index| self.bytes[at + index])
    }
}

/// The bytes of the message at the front of `bytes`, long enough for its fixed fields.
fn frame(bytes: &[u8]) -> Result<&[u8], BatchError> {
    let available = bytes.len();
    let field = bytes.get(LENGTH_AT..).and_then(|rest| rest.first_chunk());
    let (Some(length), Some(&magic)) = (field, bytes.get(MAGIC_AT)) else {
        return Err(BatchError::Truncated { needed: LOG_OVERHEAD + ENTRY_LENGTH_MIN, available });
    };
    let length = i32::from_be_bytes(*length);
    let min = match magic {
        0 => ENTRY_LENGTH_MIN,
        1 => ENTRY_LENGTH_MIN + TIMESTAMP_SIZE,
        _ => return Err(BatchError::UnknownMagic { magic: magic as i8 }),
    };
    let known = usize::try_from(length).ok().filter(|&length| length >= min);
    let size = known.ok_or(BatchError::LengthTooSmall { length, min })? + LOG_OVERHEAD;
    bytes.get(..size).ok_or(BatchError::Truncated { needed: size, available })
}

/// A field with four bytes of size before it; any negative size is "none", as in Kafka.
fn read_field<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, MessageSetError> {
    let Some((size, after)) = rest.split_first_chunk() else {
        return Err(MessageSetError::Field { size: 4, remaining: rest.len() });
    };
    *rest = after;
    let Ok(size) = usize::try_from(i32::from_be_bytes(*size)) else {
        return Ok(None);
    };
    let remaining = rest.len();
    let split = rest.split_at_checked(size);
    let (field, after) = split.ok_or(MessageSetError::Field { size, remaining })?;
    *rest = after;
    Ok(Some(field))
}

/// Checks all messages in a compressed one and returns the last one's offset field. A tail that
/// is cut is passed over, as in Kafka.
fn last_inner_offset(bytes: &[u8], outer: i8) -> Result<i64, RecordError> {
    let mut last = None;
    for entry in Batches::new(bytes) {
        let entry = entry?;
        if entry.magic() != outer {
            return Err(MessageSetError::Magic { outer, inner: entry.magic() }.into());
        }
        let message = MessageView::parse(entry.bytes())?;
        message.check_crc()?;
        if message.compression_id() != CompressionType::None.id() {
            return Err(MessageSetError::Nested.into());
        }
        last = Some(message.offset());
    }
    Ok(last.ok_or(MessageSetError::Empty)?)
}

/// The records of one message, decompressed where it is compressed.
#[derive(Debug, Clone)]
pub struct MessageRecords<'a> {
    bytes: Cow<'a, [u8]>,
    outer: Outer,
}

/// What a compressed message says of those in it.
#[derive(Debug, Clone, Copy)]
struct Outer {
    base_offset: i64,
    append_time: Option<i64>,
}

impl MessageRecords<'_> {
    /// The records in their order.
    #[must_use]
    pub fn iter(&self) -> MessageRecordsIter<'_> {
        MessageRecordsIter { messages: Batches::new(&self.bytes), outer: self.outer }
    }
}

impl<'r> IntoIterator for &'r MessageRecords<'_> {
    type Item = Result<RecordRef<'r>, RecordError>;
    type IntoIter = MessageRecordsIter<'r>;

    fn into_iter(self) -> MessageRecordsIter<'r> {
        self.iter()
    }
}

/// Reads one record per step.
#[derive(Debug, Clone)]
pub struct MessageRecordsIter<'a> {
    messages: Batches<'a>,
    outer: Outer,
}

impl<'a> Iterator for MessageRecordsIter<'a> {
    type Item = Result<RecordRef<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.messages.next()?;
        let message =
            entry.map_err(RecordError::from).and_then(|entry| MessageView::parse(entry.bytes()));
        Some(message.map(|message| RecordRef {
            attributes: message.attributes() as i8,
            timestamp: self.outer.append_time.unwrap_or(message.timestamp()),
            offset: self.outer.base_offset.wrapping_add(message.offset()),
            key: message.key(),
            value: message.value(),
            headers: Headers::default(),
        }))
    }
}

impl FusedIterator for MessageRecordsIter<'_> {}
