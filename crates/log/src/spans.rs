//! The batches in a range that was read: which offsets each covers, and whose it is.

use std::io;

use klamm_env::File;
use klamm_protocol::records::{BATCH_HEADER_SIZE, BatchHeaderView};

use crate::{Slice, Wait, scan};

/// Bytes read at once; holds dozens of headers of small batches.
const LOOK_BYTES: usize = 4096;

/// One batch, all of which is in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSpan {
    /// Its first offset.
    pub base_offset: i64,
    /// Its last offset.
    pub last_offset: i64,
    /// Position of its first byte in the file.
    pub position: u64,
    /// Bytes.
    pub size: u64,
    /// The producer, if the batch is part of a transaction and not its marker.
    pub transaction_of: Option<i64>,
}

impl Slice {
    /// The whole batches of the range, in order. Nothing if the disk would have to be waited for.
    ///
    /// Cost: one read of a few kilobytes per batch or per few dozens of small ones.
    ///
    /// # Errors
    /// The disk failed, or what stands there are no batches.
    pub fn batches(&self, wait: Wait) -> io::Result<Option<Vec<BatchSpan>>> {
        let Some(file) = &self.file else { return Ok(Some(Vec::new())) };
        let mut look = Look { file: &**file, wait, buf: [0; LOOK_BYTES], start: 0, filled: 0 };
        let (mut position, end) = (self.position, self.position + self.len);
        let mut spans = Vec::new();
        while position < end {
            let Some(header) = look.at(position, end)? else { return Ok(None) };
            let facts = match scan::facts(header) {
                Ok(facts) => facts,
                // The range cuts its last batch.
                Err(_) if header.len() < BATCH_HEADER_SIZE => break,
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            };
            if position + facts.size > end {
                break;
            }
            spans.push(BatchSpan {
                base_offset: facts.base_offset,
                last_offset: facts.last_offset,
                position,
                size: facts.size,
                transaction_of: transaction_of(header),
            });
            position += facts.size;
        }
        Ok(Some(spans))
    }
}

/// Messages of the formats before v2 have no transactions.
fn transaction_of(header: &[u8]) -> Option<i64> {
    let view = BatchHeaderView::parse(header).ok()?;
    let attributes = view.attributes();
    (attributes.is_transactional() && !attributes.is_control()).then(|| view.producer_id())
}

/// A window of a file.
struct Look<'a> {
    file: &'a dyn File,
    wait: Wait,
    buf: [u8; LOOK_BYTES],
    start: u64,
    filled: usize,
}

impl Look<'_> {
    /// What stands at a position: a whole header, unless the end comes before.
    fn at(&mut self, position: u64, end: u64) -> io::Result<Option<&[u8]>> {
        let left = usize::try_from(end - position).unwrap_or(usize::MAX);
        let at = usize::try_from(position.wrapping_sub(self.start)).unwrap_or(usize::MAX);
        if at.saturating_add(BATCH_HEADER_SIZE.min(left)) > self.filled {
            let buf = &mut self.buf[..LOOK_BYTES.min(left)];
            let read = match self.wait {
                Wait::Yes => self.file.read_at(buf, position).map(Some),
                Wait::No => self.file.try_read_at(buf, position),
            };
            let Some(read) = read? else { return Ok(None) };
            (self.start, self.filled) = (position, read);
            return Ok(Some(&self.buf[..read]));
        }
        Ok(Some(&self.buf[at..self.filled]))
    }
}
