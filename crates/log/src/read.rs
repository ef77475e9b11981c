//! Reading a range of records, as a range of a file.
//!
//! Cost at the tail: one lock. Elsewhere: a binary search in the index of the segment and one read
//! of a few kilobytes of headers. The records themselves are not touched.

use std::sync::Arc;

use klamm_env::File;

use crate::{Log, ReadError, scan::Facts, segment::Segment, tail::Recent};

/// What a reader takes.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Largest number of bytes.
    pub bytes_max: u64,
    /// Offset to stop before: high watermark, last stable offset or log end.
    pub upper: i64,
    /// Whether the first batch is given whole even if it is larger than `bytes_max` (KIP-74).
    pub first_whole: bool,
}

/// A range of a segment file that begins with a batch.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The segment's file; none if the slice is empty.
    pub file: Option<Arc<dyn File>>,
    /// The segment's base offset.
    pub(crate) segment: i64,
    /// Position of the first byte.
    pub position: u64,
    /// Number of bytes; the last batch may be cut.
    pub len: u64,
    /// Whether even the first batch is cut.
    pub first_incomplete: bool,
}

impl Slice {
    fn empty() -> Self {
        Self { file: None, segment: 0, position: 0, len: 0, first_incomplete: false }
    }
}

/// Where something begins: segment, position, size of the batch there.
struct Start {
    segment: Arc<Segment>,
    position: u64,
    first_size: u64,
}

impl Log {
    /// The records from the batch that holds `from` on.
    ///
    /// # Errors
    /// `from` is outside of the log, or the disk failed.
    pub fn read(&self, from: i64, limits: &ReadLimits) -> Result<Slice, ReadError> {
        let (end, near, stop, active, active_size) = {
            let tail = self.tail.lock();
            let stop = tail.batch_of(limits.upper);
            (tail.end_offset, tail.batch_of(from), stop, tail.segment, tail.size)
        };
        let start = self.start_offset();
        if from < start || from > end {
            return Err(ReadError::OutOfRange { offset: from, start, end });
        }
        if from >= limits.upper || from == end {
            return Ok(Slice::empty());
        }
        let Some(begin) = self.locate(from, near)? else { return Ok(Slice::empty()) };
        let segment = &begin.segment;
        let whole = if segment.base_offset == active { active_size } else { segment.size() };
        let bound = if limits.upper >= end {
            whole
        } else {
            Self::stop_position(segment, stop, limits.upper, whole)?
        };
        if bound <= begin.position {
            return Ok(Slice::empty());
        }
        let room = if limits.first_whole {
            limits.bytes_max.max(begin.first_size)
        } else {
            limits.bytes_max
        };
        Ok(Slice {
            file: Some(Arc::clone(segment.file()?)),
            segment: segment.base_offset,
            position: begin.position,
            len: room.min(bound - begin.position),
            first_incomplete: room < begin.first_size,
        })
    }

    fn locate(&self, from: i64, near: Option<Recent>) -> Result<Option<Start>, ReadError> {
        let segments = self.segments.load();
        if let Some(near) = near {
            let at = Self::segment_index(&segments, near.base_offset);
            let segment = Arc::clone(&segments[at]);
            if segment.base_offset == near.segment && !segment.is_made {
                let (position, first_size) = (near.position, near.size);
                return Ok(Some(Start { segment, position, first_size }));
            }
        }
        // Compaction and legacy formats leave gaps: the batch may be in a later segment.
        for segment in &segments[Self::segment_index(&segments, from)..] {
            if let Some(found) = segment.find(from)? {
                let Facts { size: first_size, .. } = found.facts;
                let segment = Arc::clone(segment);
                return Ok(Some(Start { segment, position: found.position, first_size }));
            }
        }
        Ok(None)
    }

    /// The position in `segment` of the first batch at or beyond `upper`.
    fn stop_position(
        segment: &Segment,
        stop: Option<Recent>,
        upper: i64,
        whole: u64,
    ) -> Result<u64, ReadError> {
        match stop {
            Some(stop) if stop.segment == segment.base_offset && !segment.is_made => {
                Ok(stop.position)
            }
            Some(stop) if stop.segment > segment.base_offset && stop.position == 0 => Ok(whole),
            _ => Ok(segment.find(upper)?.map_or(whole, |found| found.position.min(whole))),
        }
    }
}
