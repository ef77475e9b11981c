//! Walking the batches of a segment file.

use std::{io, ops::ControlFlow};

use klamm_env::File;
use klamm_protocol::records::{
    BATCH_HEADER_SIZE, BatchError, BatchHeaderView, Batches, LOG_OVERHEAD, MAGIC_V2,
};

/// What the log needs to know of a batch (or of a message of the old formats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) size: u64,
    pub(crate) max_timestamp: i64,
    pub(crate) leader_epoch: i32,
}

/// Offset, length, epoch or CRC, magic: enough to tell the formats apart.
const MAGIC_END: usize = LOG_OVERHEAD + 5;

/// Bytes read at once while looking for a batch; holds dozens of headers of small batches.
const LOOK_BYTES: usize = 4096;

/// The facts in the bytes at the start of a batch; as many as [`BATCH_HEADER_SIZE`] are looked at.
pub(crate) fn facts(bytes: &[u8]) -> Result<Facts, BatchError> {
    if bytes.len() < MAGIC_END {
        return Err(BatchError::Truncated { needed: MAGIC_END, available: bytes.len() });
    }
    let magic = bytes[MAGIC_END - 1] as i8;
    if magic == MAGIC_V2 {
        let header = BatchHeaderView::parse(bytes)?;
        return Ok(Facts {
            base_offset: header.base_offset(),
            last_offset: header.last_offset(),
            size: header.size_in_bytes() as u64,
            max_timestamp: header.max_timestamp(),
            leader_epoch: header.partition_leader_epoch(),
        });
    }
    legacy_facts(bytes, magic)
}

fn legacy_facts(bytes: &[u8], magic: i8) -> Result<Facts, BatchError> {
    let number = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    let offset = number(0).map_or(-1, |b| i64::from_be_bytes(*b));
    let length = bytes[8..12].first_chunk().map_or(0, |b| i32::from_be_bytes(*b));
    if !(0..MAGIC_V2).contains(&magic) {
        return Err(BatchError::UnknownMagic { magic });
    }
    let size = u64::try_from(length).ok().filter(|length| *length >= 14);
    let size = size.ok_or(BatchError::LengthTooSmall { length, min: 14 })?;
    let timestamp = if magic == 1 { number(18) } else { None };
    Ok(Facts {
        base_offset: offset,
        last_offset: offset,
        size: size + LOG_OVERHEAD as u64,
        max_timestamp: timestamp.map_or(-1, |b| i64::from_be_bytes(*b)),
        leader_epoch: -1,
    })
}

/// Walks headers from `position` to `end` without reading bodies, until `each` breaks.
///
/// Returns what it broke with, or none at the end (or before a batch that is cut by `end`).
pub(crate) fn walk_headers<T>(
    file: &dyn File,
    mut position: u64,
    end: u64,
    mut each: impl FnMut(u64, &Facts) -> ControlFlow<T>,
) -> io::Result<Result<Option<T>, (u64, BatchError)>> {
    let mut buf = [0; LOOK_BYTES];
    let (mut start, mut filled) = (position, 0usize);
    while position < end {
        let mut at = usize::try_from(position - start).unwrap_or(usize::MAX);
        let needed = BATCH_HEADER_SIZE.min(usize::try_from(end - position).unwrap_or(usize::MAX));
        if at.saturating_add(needed) > filled {
            let want = LOOK_BYTES.min(usize::try_from(end - position).unwrap_or(LOOK_BYTES));
            filled = file.read_at(&mut buf[..want], position)?;
            start = position;
            at = 0;
        }
        let facts = match facts(&buf[at..filled]) {
            Ok(facts) => facts,
            Err(BatchError::Truncated { .. }) => return Ok(Ok(None)),
            Err(error) => return Ok(Err((position, error))),
        };
        if position + facts.size > end {
            return Ok(Ok(None));
        }
        if let ControlFlow::Break(found) = each(position, &facts) {
            return Ok(Ok(Some(found)));
        }
        position += facts.size;
    }
    Ok(Ok(None))
}

/// Bytes read at once while walking whole batches.
const CHUNK_BYTES: u64 = 1 << 20;

/// How a walk over whole batches ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WalkEnd {
    /// At the end of the file.
    Whole,
    /// A batch begins here that the file does not have all of.
    Cut(u64),
    /// The bytes here are not a batch that belongs there.
    Bad(u64, String),
}

/// Walks whole batches from `position` to `end`, reading each once. `each` may refuse one.
pub(crate) fn walk_batches(
    file: &dyn File,
    mut position: u64,
    end: u64,
    mut each: impl FnMut(u64, &Facts, &[u8]) -> Result<(), String>,
) -> io::Result<WalkEnd> {
    let mut buf = Vec::new();
    let mut want = CHUNK_BYTES;
    while position < end {
        let chunk = want.min(end - position);
        buf.resize(usize::try_from(chunk).map_err(io::Error::other)?, 0);
        let read = file.read_at(&mut buf, position)?;
        buf.truncate(read);
        let mut taken = 0;
        for entry in Batches::new(&buf) {
            let at = position + taken;
            let whole = entry.and_then(|entry| Ok((facts(entry.bytes())?, entry.bytes())));
            let checked = whole
                .map_err(|error| error.to_string())
                .and_then(|(facts, bytes)| each(at, &facts, bytes).map(|()| facts.size));
            match checked {
                Ok(size) => taken += size,
                Err(error) => return Ok(WalkEnd::Bad(at, error)),
            }
        }
        if taken == 0 {
            match whole_size(&buf).filter(|size| position + size <= end && *size > chunk) {
                Some(size) => want = size,
                None => return Ok(WalkEnd::Cut(position)),
            }
        } else {
            position += taken;
            want = CHUNK_BYTES;
        }
    }
    Ok(WalkEnd::Whole)
}

fn whole_size(buf: &[u8]) -> Option<u64> {
    facts(buf).ok().map(|facts| facts.size)
}
