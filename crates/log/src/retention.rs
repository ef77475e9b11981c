//! Deleting from the front: by age, by size, by request.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use klamm_env::disk::Open;

use crate::{
    Log, LogConfig,
    names::{DELETED_SUFFIX, SEGMENT_SUFFIXES},
    segment::Segment,
};

impl Log {
    /// Moves the log start offset forward (`DeleteRecords`, or following a leader). The space is
    /// freed by the next [`Log::delete_old_segments`].
    pub fn advance_start_offset(&self, offset: i64) {
        let mut writer = self.writer.lock();
        if offset > self.start_offset.fetch_max(offset, Ordering::AcqRel) {
            writer.epochs.truncate_from_start(offset);
        }
    }

    /// Takes the segments out of the log that its retention no longer covers. Returns the files
    /// that left it, renamed; the caller deletes them after `file.delete.delay.ms`.
    ///
    /// Only what is below `high_watermark` goes.
    ///
    /// # Errors
    /// The disk failed. What was taken out before stays out.
    pub fn delete_old_segments(
        &self,
        now_ms: i64,
        high_watermark: i64,
    ) -> io::Result<Vec<PathBuf>> {
        let config = self.config();
        let _turn = self.maintenance.lock();
        let mut writer = self.writer.lock();
        let count = self.expired_count(&config, now_ms, high_watermark)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        if count == self.segments.load().len() {
            self.roll(&mut writer, now_ms)?;
        }
        let mut segments = Vec::clone(&self.segments.load());
        let gone: Vec<Arc<Segment>> = segments.drain(..count).collect();
        let first = segments.first().map_or(0, |segment| segment.base_offset);
        self.segments.store(Arc::new(segments));
        if first > self.start_offset.fetch_max(first, Ordering::AcqRel) {
            writer.epochs.truncate_from_start(first);
        }
        writer.dir_dirty = true;
        let mut files = Vec::new();
        for segment in &gone {
            files.extend(self.retire(segment)?);
        }
        Ok(files)
    }

    /// How many segments, from the first on, may go.
    fn expired_count(&self, config: &LogConfig, now_ms: i64, bound: i64) -> io::Result<usize> {
        let segments = self.segments.load();
        let start = self.start_offset();
        let end = self.end_offset();
        let total: u64 = segments.iter().map(|segment| segment.size()).sum();
        let limit = u64::try_from(config.retention_bytes).ok().filter(|_| config.delete);
        let mut surplus = limit.map_or(0, |limit| total.saturating_sub(limit));
        for (at, segment) in segments.iter().enumerate() {
            let is_last = at + 1 == segments.len();
            let next = segments.get(at + 1).map_or(end, |next| next.base_offset);
            if next > bound || (is_last && segment.size() == 0) {
                return Ok(at);
            }
            let old = config.delete
                && config.retention_ms >= 0
                && now_ms.saturating_sub(segment.largest_timestamp()?) > config.retention_ms;
            let too_much = surplus >= segment.size() && surplus > 0;
            let below_start = !is_last && next <= start;
            if !(old || too_much || below_start) {
                return Ok(at);
            }
            surplus = surplus.saturating_sub(segment.size());
        }
        Ok(segments.len())
    }

    /// Renames the files of a segment that left the log; those who still read it go on.
    fn retire(&self, segment: &Segment) -> io::Result<Vec<PathBuf>> {
        segment.file()?;
        segment.keep_aborted_open()?;
        let disk = &self.place.disk;
        let mut renamed = Vec::new();
        for suffix in SEGMENT_SUFFIXES {
            let from = segment.path(suffix);
            if disk.exists(&from) {
                let mut to = from.clone().into_os_string();
                to.push(DELETED_SUFFIX);
                disk.rename(&from, to.as_ref())?;
                renamed.push(PathBuf::from(to));
            }
        }
        Ok(renamed)
    }

    /// Removes every segment and begins again, empty, at `offset`: a copy that is too far behind
    /// its leader, or the result of a snapshot.
    ///
    /// # Errors
    /// The disk failed.
    pub fn truncate_fully(&self, offset: i64, now_ms: i64) -> io::Result<()> {
        let _turn = self.maintenance.lock();
        let mut writer = self.writer.lock();
        let old = self.segments.load_full();
        let segment = Arc::new(Segment::create(&self.place, offset, &self.config(), now_ms)?);
        segment.file()?.set_len(0)?;
        segment.clear_aborted()?;
        for gone in old.iter().filter(|gone| gone.base_offset != offset) {
            for file in self.retire(gone)? {
                self.place.disk.remove_file(&file)?;
            }
        }
        self.segments.store(Arc::new(vec![segment]));
        *self.tail.lock() = crate::tail::Tail::new(offset, offset, 0);
        writer.epochs.clear();
        writer.producers = klamm_transactions::Producers::default();
        writer.verifications = klamm_transactions::Verifications::default();
        writer.snapshots.clear();
        writer.snapshot_offset = offset;
        writer.dir_dirty = true;
        self.show_transactions(&writer);
        self.start_offset.store(offset, Ordering::Release);
        self.recovery_point.store(offset, Ordering::Release);
        Ok(())
    }

    /// Whether the directory can be written to, as far as making a file tells.
    pub fn probe(&self) -> io::Result<()> {
        let path = self.place.file(".probe");
        self.place.disk.open(&path, Open::Create)?;
        self.place.disk.remove_file(&path)
    }
}
