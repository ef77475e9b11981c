//! The records of a v2 batch, one after the other, borrowed from the batch or from the buffer
//! that it was decompressed into.

use std::borrow::Cow;
use std::iter::FusedIterator;

use super::compression::{self, DecompressError, DecompressionLimit};
use super::varint::{VarintError, read_varint, read_varlong};
use super::walk::{Walk, walk};
use super::{BatchError, CompressionType, RecordBatchView, TimestampType};

/// Why the records of an entry cannot be read. Kafka answers each of these with
/// `INVALID_RECORD`, or `CORRUPT_MESSAGE` where the entry's frame is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The entry's frame, or that of a message inside it.
    #[error(transparent)]
    Frame(#[from] BatchError),
    /// The codec's id is not one of Kafka's.
    #[error("the codec id is {id}")]
    UnknownCompression {
        /// The id in the attributes.
        id: u8,
    },
    /// The records could not be decompressed.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The header's count is below zero.
    #[error("the records count is {count}")]
    NegativeCount {
        /// The count.
        count: i32,
    },
    /// One record is malformed.
    #[error("record {index}: {fault}")]
    Record {
        /// Its place in the batch, from 0.
        index: i32,
        /// What is wrong.
        fault: RecordFault,
    },
    /// Bytes follow the last record that the header counts.
    #[error("{size} bytes follow the last record")]
    TrailingBytes {
        /// How many.
        size: usize,
    },
    /// A message set of format v0 or v1 breaks its rules.
    #[error(transparent)]
    MessageSet(#[from] super::legacy::MessageSetError),
}

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A number could not be read.
    #[error(transparent)]
    Varint(#[from] VarintError),
    /// The record's size is negative or goes beyond the batch.
    #[error("its size is {size}, {remaining} bytes are left")]
    Size {
        /// The size field.
        size: i32,
        /// Bytes left in the batch.
        remaining: usize,
    },
    /// The attributes are missing.
    #[error("it is empty")]
    Empty,
    /// A field goes beyond the record.
    #[error("a field of {size} bytes, {remaining} bytes are left")]
    Field {
        /// The field's size.
        size: usize,
        /// Bytes left in the record.
        remaining: usize,
    },
    /// The number of headers is negative or beyond the bytes left.
    #[error("{count} headers in {remaining} bytes")]
    HeaderCount {
        /// The count.
        count: i32,
        /// Bytes left in the record.
        remaining: usize,
    },
    /// A header has no key.
    #[error("a header key's size is {size}")]
    HeaderKey {
        /// The size field.
        size: i32,
    },
    /// The fields end before the record does.
    #[error("{size} bytes follow its last field")]
    Surplus {
        /// How many.
        size: usize,
    },
}

/// One record, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Attribute bits; Kafka has not given out any.
    pub attributes: i8,
    /// Milliseconds; the batch's append time where it has one; -1 in format v0.
    pub timestamp: i64,
    /// Absolute offset, as far as the entry has one already.
    pub offset: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none in a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers in their order, duplicates kept.
    pub headers: Headers<'a>,
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key's bytes; by Kafka's rules UTF-8, which nothing enforces.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The key as text, with what is not UTF-8 replaced, as Java shows it.
    #[must_use]
    pub fn key_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

/// The headers of a record; an iterator that can be copied and run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        // All headers were read when the record was, so that an error here cannot be.
        read_header(&mut self.bytes).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}
impl FusedIterator for Headers<'_> {}

/// The records of one v2 batch, decompressed where the batch is compressed.
#[derive(Debug, Clone)]
pub struct BatchRecords<'a> {
    bytes: Cow<'a, [u8]>,
    base: Base,
    count: i32,
}

/// What the deltas of the records count from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    /// Stands for every record's timestamp.
    pub(super) append_time: Option<i64>,
}

impl<'a> RecordBatchView<'a> {
    /// The batch's records: borrowed where it is not compressed, else decompressed here.
    ///
    /// # Errors
    /// `UnknownCompression`, `NegativeCount` or `Decompress`.
    pub fn records(&self, limit: DecompressionLimit) -> Result<BatchRecords<'a>, RecordError> {
        let count = self.records_count();
        if count < 0 {
            return Err(RecordError::NegativeCount { count });
        }
        let id = self.attributes().compression_id();
        let codec = CompressionType::from_id(id).ok_or(RecordError::UnknownCompression { id })?;
        let bytes = match codec {
            CompressionType::None => Cow::Borrowed(self.payload()),
            // Compaction leaves batches without records behind, and without a codec's bytes.
            _ if count == 0 => Cow::Borrowed(&[][..]),
            _ => Cow::Owned(compression::decompress(codec, self.payload(), self.magic(), limit)?),
        };
        Ok(BatchRecords { bytes, base: Base::of(self), count })
    }
}

impl Base {
    fn of(view: &RecordBatchView<'_>) -> Self {
        let has_append_time = view.timestamp_type() == TimestampType::LogAppendTime;
        Self {
            offset: view.base_offset(),
            timestamp: view.base_timestamp(),
            append_time: has_append_time.then(|| view.max_timestamp()),
        }
    }
}

impl BatchRecords<'_> {
    /// The records in their order.
    #[must_use]
    pub fn iter(&self) -> Records<'_> {
        Records { rest: &self.bytes, base: self.base, next: 0, count: self.count }
    }

    /// What a quick look says of them, unless something about them is unusual.
    pub(super) fn walk(&self) -> Option<Walk> {
        walk(&self.bytes, self.base, self.count)
    }

    /// Bytes of the records, decompressed.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl<'r> IntoIterator for &'r BatchRecords<'_> {
    type Item = Result<RecordRef<'r>, RecordError>;
    type IntoIter = Records<'r>;

    fn into_iter(self) -> Records<'r> {
        self.iter()
    }
}

/// Reads one record per step. An error is the last item; so is the complaint about bytes that
/// follow the last record.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    base: Base,
    next: i32,
    count: i32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return self.trailing_bytes().map(Err);
        }
        let index = self.next;
        self.next += 1;
        let record = read_record(&mut self.rest, self.base);
        if record.is_err() {
            self.next = self.count;
            self.rest = &[];
        }
        Some(record.map_err(|fault| RecordError::Record { index, fault }))
    }
}

impl FusedIterator for Records<'_> {}

impl Records<'_> {
    /// Bytes after the last record are told of once. A count of 0 says nothing about them, as in
    /// Kafka.
    fn trailing_bytes(&mut self) -> Option<RecordError> {
        let size = std::mem::take(&mut self.rest).len();
        (size > 0 && self.count > 0).then_some(RecordError::TrailingBytes { size })
    }
}

fn read_record<'a>(rest: &mut &'a [u8], base: Base) -> Result<RecordRef<'a>, RecordFault> {
    let size = read_varint(rest)?;
    let split = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
    let Some((mut body, after)) = split else {
        return Err(RecordFault::Size { size, remaining: rest.len() });
    };
    *rest = after;
    let (&attributes, fields) = body.split_first().ok_or(RecordFault::Empty)?;
    body = fields;
    let timestamp_delta = read_varlong(&mut body)?;
    let offset_delta = read_varint(&mut body)?;
    let key = read_bytes(&mut body)?;
    let value = read_bytes(&mut body)?;
    Ok(RecordRef {
        attributes: attributes as i8,
        timestamp: match base.append_time {
            Some(time) => time,
            None => base.timestamp.wrapping_add(timestamp_delta),
        },
        offset: base.offset.wrapping_add(i64::from(offset_delta)),
        key,
        value,
        headers: read_headers(body)?,
    })
}

/// A field with its size before it; any negative size is "none", as in Kafka.
fn read_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    match usize::try_from(read_varint(rest)?) {
        Ok(size) => take(rest, size).map(Some),
        Err(_) => Ok(None),
    }
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Result<&'a [u8], RecordFault> {
    let remaining = rest.len();
    let (field, after) =
        rest.split_at_checked(size).ok_or(RecordFault::Field { size, remaining })?;
    *rest = after;
    Ok(field)
}

/// The headers, which must be well-formed and the end of the record.
pub(super) fn read_headers(mut rest: &[u8]) -> Result<Headers<'_>, RecordFault> {
    let count = read_varint(&mut rest)?;
    let remaining = rest.len();
    let known = usize::try_from(count).ok().filter(|&count| count <= remaining);
    let known = known.ok_or(RecordFault::HeaderCount { count, remaining })?;
    let headers = Headers { bytes: rest, count: known };
    for _ in 0..known {
        read_header(&mut rest)?;
    }
    if rest.is_empty() { Ok(headers) } else { Err(RecordFault::Surplus { size: rest.len() }) }
}

fn read_header<'a>(rest: &mut &'a [u8]) -> Result<Header<'a>, RecordFault> {
    let size = read_varint(rest)?;
    let key = match usize::try_from(size) {
        Ok(size) => take(rest, size)?,
        Err(_) => return Err(RecordFault::HeaderKey { size }),
    };
    Ok(Header { key, value: read_bytes(rest)? })
}
