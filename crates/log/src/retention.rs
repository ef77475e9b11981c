//! Deleting from the front: by age, by size, by request.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use klamm_env::disk::Open;

use crate::{
    Log, LogConfig,
    log::Writer,
    names::{DELETED_SUFFIX, SEGMENT_SUFFIXES},
    segment::Segment,
};

/// A segment that is not written any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedSegment {
    /// Offset of the first record after it.
    pub next_offset: i64,
    /// Bytes.
    pub bytes: u64,
    /// Its largest timestamp, milliseconds since the epoch; if its records have none, when it last
    /// changed.
    pub newest_ms: i64,
}

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
        if count > 0 && count == self.segments.load().len() {
            self.roll(&mut writer, now_ms)?;
        }
        self.take_out(&mut writer, count)
    }

    /// Takes closed segments out of the log that end before `offset` and `high_watermark`, whatever
    /// its retention. Returns the files that left it, renamed, to be deleted by the caller.
    ///
    /// # Errors
    /// The disk failed. What was taken out before stays out.
    pub fn delete_segments_before(
        &self,
        offset: i64,
        high_watermark: i64,
    ) -> io::Result<Vec<PathBuf>> {
        let _turn = self.maintenance.lock();
        let mut writer = self.writer.lock();
        let closed = self.closed_segments(high_watermark.min(offset))?;
        self.take_out(&mut writer, closed.len())
    }

    /// The closed segments, from the first on, that end at or before `bound`.
    ///
    /// # Errors
    /// The disk failed.
    pub fn closed_segments(&self, bound: i64) -> io::Result<Vec<ClosedSegment>> {
        let segments = self.segments.load();
        let mut closed = Vec::new();
        for pair in segments.windows(2) {
            let next_offset = pair[1].base_offset;
            if next_offset > bound {
                break;
            }
            let newest_ms = pair[0].largest_timestamp()?;
            closed.push(ClosedSegment { next_offset, bytes: pair[0].size(), newest_ms });
        }
        Ok(closed)
    }

    /// Takes the first `count` segments out of the log, which has more.
    fn take_out(&self, writer: &mut Writer, count: usize) -> io::Result<Vec<PathBuf>> {
        if count == 0 {
            return Ok(Vec::new());
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
