//! Cutting the end of a log: what a follower, or a voter of the quorum, has and its leader has not.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use klamm_transactions::{Producers, Verifications};

use crate::{
    Log, OpenError, ReadError, names::SEGMENT_SUFFIXES, recovery, segment::Segment, tail::Tail,
};

impl Log {
    /// Removes everything from the batch on that holds `offset`. Returns the new end offset.
    ///
    /// # Errors
    /// The disk failed; the log must not be written then.
    pub fn truncate_to(&self, offset: i64) -> Result<i64, OpenError> {
        let _turn = self.maintenance.lock();
        let mut writer = self.writer.lock();
        if offset >= self.end_offset() {
            return Ok(self.end_offset());
        }
        let segments = self.segments.load_full();
        let keep = Self::segment_index(&segments, offset);
        let last = &segments[keep];
        let found = last.find(offset).map_err(into_open)?;
        let size = found.map_or(last.size(), |found| found.position);
        let end = found.map_or(offset, |found| found.facts.base_offset.min(offset));
        for gone in &segments[keep + 1..] {
            self.remove_segment(gone)?;
        }
        last.file()?.set_len(size)?;
        last.set_size(size);
        let index = last.load_index_or_memory()?;
        last.reopen(index);
        last.truncate_index(end);
        last.truncate_aborted(end)?;
        self.segments.store(Arc::new(segments[..=keep].to_vec()));
        *self.tail.lock() = Tail::new(end, last.base_offset, size);
        self.recovery_point.fetch_min(end, Ordering::AcqRel);
        self.cleaned_to.fetch_min(end, Ordering::AcqRel);
        self.start_offset.fetch_min(end, Ordering::AcqRel);
        writer.epochs.truncate_from_end(end);
        writer.snapshots.clear();
        writer.snapshot_offset = writer.snapshot_offset.min(last.base_offset);
        writer.producers = Producers::default();
        writer.verifications = Verifications::default();
        for segment in &segments[..=keep] {
            recovery::replay(segment, &mut writer, segment.base_offset)?;
        }
        self.show_transactions(&writer);
        Ok(end)
    }

    fn remove_segment(&self, segment: &Segment) -> io::Result<()> {
        let disk = &self.place.disk;
        for suffix in SEGMENT_SUFFIXES {
            let path = segment.path(suffix);
            if disk.exists(&path) {
                disk.remove_file(&path)?;
            }
        }
        Ok(())
    }
}

fn into_open(error: ReadError) -> OpenError {
    match error {
        ReadError::Io(error) => OpenError::Io(error),
        other => OpenError::Io(io::Error::other(other.to_string())),
    }
}
