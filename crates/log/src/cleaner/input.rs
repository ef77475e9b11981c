//! Reading a segment in portions of whole batches, within a bounded buffer.

use std::io;

use klamm_env::File;
use klamm_protocol::records::Batches;

use crate::scan::facts;

/// A portion of a segment file.
#[derive(Debug)]
pub(crate) struct Input {
    buf: Vec<u8>,
    /// How much is read at once, bytes, unless a batch is larger.
    chunk: usize,
}

/// What a portion was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion {
    /// Bytes of whole batches.
    pub(crate) whole: usize,
}

impl Input {
    pub(crate) fn new(chunk: usize) -> Self {
        // Room for a few headers at least.
        Self { buf: Vec::new(), chunk: chunk.max(1024) }
    }

    /// Reads whole batches from `position` on; at least one, or it is an error. A buffer that had
    /// to grow for one large batch is given back with the next portion.
    pub(crate) fn read(&mut self, file: &dyn File, position: u64, end: u64) -> io::Result<Portion> {
        let mut want = self.chunk;
        loop {
            let left = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
            let size = want.min(left);
            if self.buf.capacity() > self.chunk && size <= self.chunk {
                self.buf = Vec::new();
            }
            self.buf.resize(size, 0);
            let read = file.read_at(&mut self.buf, position)?;
            self.buf.truncate(read);
            let mut batches = Batches::new(&self.buf);
            if let Some(Err(error)) = batches.by_ref().find(Result::is_err) {
                return Err(damaged(error));
            }
            let whole = batches.position();
            if whole > 0 {
                return Ok(Portion { whole });
            }
            let size = facts(&self.buf).map_err(damaged)?.size;
            let needed = usize::try_from(size).map_err(io::Error::other)?;
            if needed > left || needed <= want {
                return Err(damaged("the last batch is cut"));
            }
            want = needed;
        }
    }

    /// The whole batches of the last portion.
    pub(crate) fn batches(&self, portion: Portion) -> Batches<'_> {
        Batches::new(&self.buf[..portion.whole])
    }
}

fn damaged(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
