//! Writes message sets of v0 and v1, for clients and directories of that age.

use super::{CRC_COVERS_FROM, LOG_APPEND_TIME, TIMESTAMP_SIZE};
use crate::records::batches::ENTRY_LENGTH_MIN;
use crate::records::builder::BuildError;
use crate::records::compression::{self, Compression};
use crate::records::{CompressionType, LOG_OVERHEAD, NO_TIMESTAMP};

/// A message format before v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegacyFormat {
    /// Up to 0.9: no timestamps, absolute offsets in compressed messages.
    V0,
    /// 0.10: timestamps (KIP-32), relative offsets in compressed messages (KIP-31).
    V1,
}

impl LegacyFormat {
    /// The magic byte.
    #[must_use]
    pub fn magic(self) -> i8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }
}

/// Collects messages: each an entry of its own, or all in one compressed message.
#[derive(Debug, Clone)]
pub struct MessageSetBuilder {
    format: LegacyFormat,
    compression: Compression,
    append_time: Option<i64>,
    messages: Vec<u8>,
    max_timestamp: i64,
    /// Offsets of the first and the last message.
    offsets: Option<(i64, i64)>,
}

impl MessageSetBuilder {
    /// A message set without messages. `append_time` (milliseconds) stands for all timestamps
    /// where it is given; v0 has none.
    ///
    /// # Errors
    /// [`BuildError::LegacyCompression`] for zstd.
    pub fn new(
        format: LegacyFormat,
        compression: Compression,
        append_time: Option<i64>,
    ) -> Result<Self, BuildError> {
        let codec = compression.codec();
        if codec == CompressionType::Zstd {
            return Err(BuildError::LegacyCompression { codec, magic: format.magic() });
        }
        let (messages, max_timestamp) = (Vec::new(), NO_TIMESTAMP);
        Ok(Self { format, compression, append_time, messages, max_timestamp, offsets: None })
    }

    /// Appends a message. The first one's offset is what v1 counts from in a compressed message.
    ///
    /// # Errors
    /// `Offset` where it is not above the last one; `Timestamp`; `TooLarge`.
    pub fn append(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), BuildError> {
        if timestamp < NO_TIMESTAMP {
            return Err(BuildError::Timestamp { timestamp });
        }
        let (base, last) = self.offsets.unwrap_or((offset, offset));
        if self.offsets.is_some() && offset <= last {
            return Err(BuildError::Offset { offset, previous: Some(last), base });
        }
        let relative = self.is_compressed() && self.format == LegacyFormat::V1;
        let message = Message {
            format: self.format,
            offset: if relative { offset.wrapping_sub(base) } else { offset },
            attributes: self.timestamp_bit(),
            timestamp: match self.append_time {
                Some(time) if !self.is_compressed() => time,
                _ => timestamp,
            },
            key,
            value,
        };
        message.write(&mut self.messages)?;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.offsets = Some((base, offset));
        Ok(())
    }

    /// The message set; empty where no message was appended.
    ///
    /// # Errors
    /// `TooLarge` or `Compress`.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        let (true, Some((_, last))) = (self.is_compressed(), self.offsets) else {
            return Ok(self.messages);
        };
        let mut value = Vec::new();
        compression::compress(self.compression, &self.messages, self.format.magic(), &mut value)?;
        let wrapper = Message {
            format: self.format,
            offset: last,
            attributes: self.compression.codec().id() | self.timestamp_bit(),
            timestamp: self.append_time.unwrap_or(self.max_timestamp),
            key: None,
            value: Some(&value),
        };
        let mut out = Vec::new();
        wrapper.write(&mut out)?;
        Ok(out)
    }

    fn is_compressed(&self) -> bool {
        self.compression.codec() != CompressionType::None
    }

    fn timestamp_bit(&self) -> u8 {
        match (self.format, self.append_time) {
            (LegacyFormat::V1, Some(_)) => LOG_APPEND_TIME,
            _ => 0,
        }
    }
}

/// The fields of a message as they go onto the wire.
struct Message<'a> {
    format: LegacyFormat,
    offset: i64,
    attributes: u8,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl Message<'_> {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let timestamp = if self.format == LegacyFormat::V1 { TIMESTAMP_SIZE } else { 0 };
        let (key, value) = (self.key.unwrap_or_default(), self.value.unwrap_or_default());
        let length = ENTRY_LENGTH_MIN + timestamp + key.len() + value.len();
        let length = i32::try_from(length).map_err(|_| BuildError::TooLarge)?;
        let start = out.len();
        out.reserve(LOG_OVERHEAD + length as usize);
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&[self.format.magic() as u8, self.attributes]);
        if self.format == LegacyFormat::V1 {
            out.extend_from_slice(&self.timestamp.to_be_bytes());
        }
        write_field(out, self.key);
        write_field(out, self.value);
        let crc = crc32fast::hash(&out[start + CRC_COVERS_FROM..]);
        out[start + LOG_OVERHEAD..start + CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }
}

/// The message's length fits 32 bits, and so do its fields'.
fn write_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    let size = field.map_or(-1, |bytes| bytes.len() as i32);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(field.unwrap_or_default());
}
