//! Putting a cleaned segment in the place of those it was made of.
//!
//! At every step a crash leaves files from which `swap_files.rs` makes either the old segments or
//! the new one, by Kafka's rules:
//! 1. all files of the new segment are durable as `.cleaned`: a start deletes them;
//! 2. they are renamed to `.swap`, the log last: once it has that name the new segment counts, and
//!    a start puts it in the place of all segments in its range;
//! 3. the old files are renamed to `.deleted`;
//! 4. the new ones get their names.
//!
//! Each step is durable before the next begins. Readers go on with the files they have open.

use std::{io, path::PathBuf, sync::Arc};

use super::{
    CleanError,
    output::{SUFFIXES, path},
    plan::Group,
};
use crate::{
    Log,
    names::{CLEANED_SUFFIX, DELETED_SUFFIX, SNAPSHOT_SUFFIX, SWAP_SUFFIX},
    segment::{Made, Segment},
};

impl Log {
    /// Replaces `old`, which follow each other in the log, by what was made of them. Returns the
    /// files that left the log, renamed; the caller deletes them after `file.delete.delay.ms`.
    ///
    /// # Errors
    /// `Aborted` if the log changed meanwhile; then the old segments are in place, as also where
    /// the disk failed before the new one counted.
    pub(crate) fn replace(&self, old: &Group, made: &Made) -> Result<Vec<PathBuf>, CleanError> {
        // No retention, truncation or end of the broker meanwhile.
        let _turn = self.maintenance.lock();
        self.check_still_there(old)?;
        for segment in old {
            // Readers that have it need its files, whatever their names.
            segment.keep_open()?;
        }
        if let Err(error) = self.rename_made(made, CLEANED_SUFFIX, SWAP_SUFFIX) {
            self.discard_made(made).map_err(fatal)?;
            return Err(error.into());
        }
        // From here on only a start could take it back, and it would not.
        Ok(self.replace_counting(old, made).map_err(fatal)?)
    }

    fn replace_counting(&self, old: &Group, made: &Made) -> io::Result<Vec<PathBuf>> {
        let mut retired = Vec::new();
        for segment in old {
            retired.extend(self.retire_replaced(segment, segment.base_offset == made.base_offset)?);
        }
        self.sync_files()?;
        let new = Arc::new(Segment::made(&self.place, made));
        {
            let _writer = self.writer.lock();
            self.rename_made(made, SWAP_SUFFIX, "")?;
            let mut segments = Vec::clone(&self.segments.load());
            let at = Self::segment_index(&segments, made.base_offset);
            segments.splice(at..at + old.len(), [new]);
            self.segments.store(Arc::new(segments));
        }
        self.sync_files()?;
        Ok(retired)
    }

    /// Takes back a segment that does not count yet, the log first.
    fn discard_made(&self, made: &Made) -> io::Result<()> {
        for extra in [SWAP_SUFFIX, CLEANED_SUFFIX] {
            for suffix in SUFFIXES.into_iter().rev() {
                let left = path(&self.place, made.base_offset, suffix, extra);
                if self.place.disk.exists(&left) {
                    self.place.disk.remove_file(&left)?;
                }
            }
        }
        self.sync_files()
    }

    fn check_still_there(&self, old: &Group) -> Result<(), CleanError> {
        if let Some(reason) = self.offline_reason() {
            return Err(CleanError::Aborted(reason));
        }
        let segments = self.segments.load();
        let first = old.first().map_or(0, |segment| segment.base_offset);
        let at = Self::segment_index(&segments, first);
        let there = segments.get(at..at + old.len());
        let same = there.is_some_and(|there| there.iter().zip(old).all(|(a, b)| Arc::ptr_eq(a, b)));
        if same { Ok(()) } else { Err(CleanError::Aborted("its segments changed".to_owned())) }
    }

    fn rename_made(&self, made: &Made, from: &str, to: &str) -> io::Result<()> {
        if !to.is_empty() {
            self.sync_files()?;
        }
        for suffix in SUFFIXES {
            let is_log = suffix == crate::names::LOG_SUFFIX;
            if is_log && !to.is_empty() {
                self.sync_files()?;
            }
            let now = path(&self.place, made.base_offset, suffix, from);
            if is_log || self.place.disk.exists(&now) {
                self.place.disk.rename(&now, &path(&self.place, made.base_offset, suffix, to))?;
            }
        }
        if to.is_empty() { Ok(()) } else { self.sync_files() }
    }

    /// Renames the files of a segment that was replaced. The producer snapshot at the base of the
    /// new segment stays.
    fn retire_replaced(&self, segment: &Segment, is_base: bool) -> io::Result<Vec<PathBuf>> {
        let mut renamed = Vec::new();
        let snapshot = (!is_base).then_some(SNAPSHOT_SUFFIX);
        for suffix in SUFFIXES.into_iter().chain(snapshot) {
            let from = segment.path(suffix);
            if self.place.disk.exists(&from) {
                let mut to = from.clone().into_os_string();
                to.push(DELETED_SUFFIX);
                self.place.disk.rename(&from, to.as_ref())?;
                renamed.push(PathBuf::from(to));
            }
        }
        Ok(renamed)
    }

    fn sync_files(&self) -> io::Result<()> {
        self.place.disk.sync_dir(&self.place.dir())
    }
}

/// An error that leaves files behind which must not be written on: the directory has failed, even
/// if it was only full.
fn fatal(error: io::Error) -> io::Error {
    io::Error::other(error.to_string())
}
