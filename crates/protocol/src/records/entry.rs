//! What entries of all formats have in common: a log may hold v0, v1 and v2 side by side.

use std::iter::FusedIterator;

use super::compression::DecompressionLimit;
use super::iter::{BatchRecords, RecordError, RecordRef, Records};
use super::legacy::{MessageRecords, MessageRecordsIter, MessageView};
use super::{BatchEntry, MAGIC_V2, RecordBatchView, TimestampType};

/// An entry of any format, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryView<'a> {
    /// A v2 batch.
    Batch(RecordBatchView<'a>),
    /// A v0 or v1 message.
    Message(MessageView<'a>),
}

impl<'a> BatchEntry<'a> {
    /// The entry in its format.
    ///
    /// # Errors
    /// `Frame` or `MessageSet(Field)`.
    pub fn view(&self) -> Result<EntryView<'a>, RecordError> {
        Ok(match self.magic() {
            MAGIC_V2 => EntryView::Batch(self.batch()?),
            _ => EntryView::Message(MessageView::parse(self.bytes())?),
        })
    }
}

impl<'a> EntryView<'a> {
    /// 0, 1 or 2.
    #[must_use]
    pub fn magic(&self) -> i8 {
        match self {
            Self::Batch(batch) => batch.magic(),
            Self::Message(message) => message.magic(),
        }
    }

    /// Bytes of the entry with its offset and length fields.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.size_in_bytes(),
            Self::Message(message) => message.size_in_bytes(),
        }
    }

    /// The offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        match self {
            Self::Batch(batch) => batch.last_offset(),
            Self::Message(message) => message.offset(),
        }
    }

    /// The latest timestamp in milliseconds, or the append time; -1 in v0.
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        match self {
            Self::Batch(batch) => batch.max_timestamp(),
            Self::Message(message) => message.timestamp(),
        }
    }

    /// What the timestamps mean; nothing in v0.
    #[must_use]
    pub fn timestamp_type(&self) -> Option<TimestampType> {
        match self {
            Self::Batch(batch) => Some(batch.timestamp_type()),
            Self::Message(message) => message.timestamp_type(),
        }
    }

    /// The codec's id, 0 to 7.
    #[must_use]
    pub fn compression_id(&self) -> u8 {
        match self {
            Self::Batch(batch) => batch.attributes().compression_id(),
            Self::Message(message) => message.compression_id(),
        }
    }

    /// Whether the entry has control records.
    #[must_use]
    pub fn is_control(&self) -> bool {
        matches!(self, Self::Batch(batch) if batch.is_control())
    }

    /// Whether the checksum fits the bytes.
    ///
    /// # Errors
    /// `ChecksumMismatch`.
    pub fn check_crc(&self) -> Result<(), super::BatchError> {
        match self {
            Self::Batch(batch) => batch.check_crc(),
            Self::Message(message) => message.check_crc(),
        }
    }

    /// The entry's records, decompressed where they are compressed.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn records(&self, limit: DecompressionLimit) -> Result<EntryRecords<'a>, RecordError> {
        Ok(match self {
            Self::Batch(batch) => EntryRecords::Batch(batch.records(limit)?),
            Self::Message(message) => EntryRecords::Message(message.records(limit)?),
        })
    }

    /// Offset of the first record with the latest timestamp, which ListOffsets asks for with -3
    /// (KIP-734). Nothing in v0, and where no record has the entry's max timestamp.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn offset_of_max_timestamp(
        &self,
        limit: DecompressionLimit,
    ) -> Result<Option<i64>, RecordError> {
        if self.magic() == 0 {
            return Ok(None);
        }
        for record in &self.records(limit)? {
            let record = record?;
            if record.timestamp == self.max_timestamp() {
                return Ok(Some(record.offset));
            }
        }
        Ok(None)
    }
}

/// The records of an entry of any format.
#[derive(Debug, Clone)]
pub enum EntryRecords<'a> {
    /// Those of a v2 batch.
    Batch(BatchRecords<'a>),
    /// Those of a v0 or v1 message.
    Message(MessageRecords<'a>),
}

impl EntryRecords<'_> {
    /// The records in their order.
    #[must_use]
    pub fn iter(&self) -> EntryRecordsIter<'_> {
        match self {
            Self::Batch(records) => EntryRecordsIter::Batch(records.iter()),
            Self::Message(records) => EntryRecordsIter::Message(records.iter()),
        }
    }
}

impl<'r> IntoIterator for &'r EntryRecords<'_> {
    type Item = Result<RecordRef<'r>, RecordError>;
    type IntoIter = EntryRecordsIter<'r>;

    fn into_iter(self) -> EntryRecordsIter<'r> {
        self.iter()
    }
}

/// Reads one record per step; an error is the last item.
#[derive(Debug, Clone)]
pub enum EntryRecordsIter<'a> {
    /// Those of a v2 batch.
    Batch(Records<'a>),
    /// Those of a v0 or v1 message.
    Message(MessageRecordsIter<'a>),
}

impl<'a> Iterator for EntryRecordsIter<'a> {
    type Item = Result<RecordRef<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Batch(records) => records.next(),
            Self::Message(records) => records.next(),
        }
    }
}

impl FusedIterator for EntryRecordsIter<'_> {}
