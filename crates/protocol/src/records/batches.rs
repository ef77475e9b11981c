//! Walks a buffer of record batches and message sets of any format, one entry after the other,
//! by Kafka's rules of what is a cut tail and what is corrupt.

use super::header::{LENGTH_AT, LOG_OVERHEAD, MAGIC_AT, MAGIC_V2};
use super::{BatchError, RecordBatchView};

/// Least length field of any format: the overhead of a v0 message.
pub const ENTRY_LENGTH_MIN: usize = 14;

/// One entry of a buffer: a v2 batch, or a v0 or v1 message (perhaps a compressed wrapper).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchEntry<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BatchEntry<'a> {
    /// The offset field: the first record's in v2, the message's (a wrapper's last) before that.
    #[must_use]
    pub fn offset(&self) -> i64 {
        i64::from_be_bytes(std::array::from_fn(|index| self.bytes[index]))
    }

    /// 0, 1 or 2.
    #[must_use]
    pub fn magic(&self) -> i8 {
        self.bytes[MAGIC_AT] as i8
    }

    /// Bytes of the entry with its offset and length fields.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Where the entry begins in the buffer.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The entry's bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entry as a v2 batch.
    ///
    /// # Errors
    /// `UnknownMagic` for an older format, `LengthTooSmall` where the header does not fit.
    pub fn batch(&self) -> Result<RecordBatchView<'a>, BatchError> {
        RecordBatchView::parse(self.bytes)
    }
}

/// The entries of a buffer, from the front.
///
/// Ends at the end of the buffer, at an entry that the buffer has only a part of (see
/// [`Self::truncated_bytes`]), or after an error, which is the last item.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    size_max: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Entries of any size.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_size_max(bytes, usize::MAX)
    }

    /// Entries of at most `size_max` bytes each; a larger one is [`BatchError::TooLarge`].
    #[must_use]
    pub fn with_size_max(bytes: &'a [u8], size_max: usize) -> Self {
        Self { bytes, position: 0, size_max, failed: false }
    }

    /// Where the next entry would begin: the bytes before it are whole entries.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// After the last item: bytes of an entry that is not wholly there. 0 where the buffer ended
    /// with an entry, or with an error.
    #[must_use]
    pub fn truncated_bytes(&self) -> usize {
        if self.failed { 0 } else { self.bytes.len() - self.position }
    }

    /// Size of the next entry, nothing where too few bytes are left to say.
    fn next_size(&self, rest: &[u8]) -> Result<Option<usize>, BatchError> {
        let Some(field) = rest.get(LENGTH_AT..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*field);
        let size = match usize::try_from(length) {
            Ok(known) if known >= ENTRY_LENGTH_MIN => known + LOG_OVERHEAD,
            _ => return Err(BatchError::LengthTooSmall { length, min: ENTRY_LENGTH_MIN }),
        };
        if size > self.size_max {
            return Err(BatchError::TooLarge { size, limit: self.size_max });
        }
        match rest.get(MAGIC_AT).map(|&magic| magic as i8) {
            None => Ok(None),
            Some(0..=MAGIC_V2) => Ok(Some(size)),
            Some(magic) => Err(BatchError::UnknownMagic { magic }),
        }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchEntry<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let rest = &self.bytes[self.position..];
        let size = match self.next_size(rest) {
            Ok(size) => size?,
            Err(error) => {
                self.failed = true;
                return Some(Err(error));
            }
        };
        let entry = BatchEntry { bytes: rest.get(..size)?, position: self.position };
        self.position += size;
        Some(Ok(entry))
    }
}

impl std::iter::FusedIterator for Batches<'_> {}
