//! Finding offsets by timestamp (`ListOffsets`).

use std::io;

use klamm_env::File;

use crate::{Log, ReadError, scan::walk_headers};

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Its timestamp, milliseconds since the epoch.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
}

/// The largest batch read into memory to look at its records' timestamps, bytes.
const BATCH_BYTES_MAX: u64 = 256 << 20;

impl Log {
    /// The first record at or after `timestamp` whose offset is below `upper`.
    ///
    /// # Errors
    /// The disk failed or a batch is damaged.
    pub fn offset_for_time(
        &self,
        timestamp: i64,
        upper: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let start = self.start_offset();
        for segment in self.segments.load().iter() {
            if segment.newest()?.timestamp < timestamp {
                continue;
            }
            let from = segment.floor_position(segment.floor_time(timestamp)?)?;
            let hit = |facts: &crate::scan::Facts| {
                facts.max_timestamp >= timestamp && facts.last_offset >= start
            };
            let file = segment.file()?;
            let mut position = from;
            while let Some((at, size)) = first_batch(&**file, position, segment, hit)? {
                let bytes = load(&**file, at, size)?;
                let found = crate::recovery::records_of(&bytes)
                    .find(|record| record.timestamp >= timestamp && record.offset >= start);
                if let Some(found) = found {
                    return Ok((found.offset < upper).then_some(found));
                }
                position = at + size;
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp, the first of them if there are several.
    ///
    /// # Errors
    /// The disk failed or a batch is damaged.
    pub fn newest_record(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let mut best: Option<(i64, usize)> = None;
        let segments = self.segments.load();
        for (at, segment) in segments.iter().enumerate() {
            let newest = segment.newest()?.timestamp;
            if newest >= 0 && best.is_none_or(|(timestamp, _)| newest > timestamp) {
                best = Some((newest, at));
            }
        }
        let Some((timestamp, at)) = best else { return Ok(None) };
        let segment = &segments[at];
        let file = segment.file()?;
        let from = segment.floor_position(segment.floor_time(timestamp)?)?;
        let found = first_batch(&**file, from, segment, |facts| facts.max_timestamp >= timestamp)?;
        let Some((position, size)) = found else { return Ok(None) };
        let bytes = load(&**file, position, size)?;
        Ok(crate::recovery::records_of(&bytes).find(|record| record.timestamp >= timestamp))
    }
}

fn first_batch(
    file: &dyn File,
    from: u64,
    segment: &crate::segment::Segment,
    mut hit: impl FnMut(&crate::scan::Facts) -> bool,
) -> Result<Option<(u64, u64)>, ReadError> {
    let walk = walk_headers(file, from, segment.size(), |position, facts| {
        if hit(facts) {
            std::ops::ControlFlow::Break((position, facts.size))
        } else {
            std::ops::ControlFlow::Continue(())
        }
    })?;
    walk.map_err(|(position, error)| ReadError::Corrupt {
        segment: segment.base_offset,
        position,
        error,
    })
}

fn load(file: &dyn File, position: u64, size: u64) -> io::Result<Vec<u8>> {
    if size > BATCH_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a batch of {size} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, position)?;
    bytes.truncate(read);
    Ok(bytes)
}
