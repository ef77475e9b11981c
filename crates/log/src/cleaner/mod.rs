//! Compaction: the last record of every key stays, the others go (Kafka's log cleaner).
//!
//! A [`Cleaning`] of one log first reads its dirty part and notes the last offset of each key in
//! an [`offset_map`], as far as that fits its memory; then it copies all segments up to there
//! without what is superseded ([`filter`]), a group of them into one ([`plan`], [`output`]), and
//! puts that in their place ([`swap`]). It works in steps of about an I/O buffer, so that the
//! caller can throttle it, and leaves the log to readers and the writer all the while.
//!
//! Invariants:
//! - Only closed segments below the last stable offset and the recovery point are touched.
//! - Offsets never change; the last record of a key never goes, except a tombstone after its time.

mod filter;
#[cfg(test)]
mod filter_tests;
mod input;
mod offset_map;
mod output;
mod plan;
mod swap;
mod transactions;

use std::{io, path::PathBuf, sync::Arc, sync::atomic::Ordering};

use klamm_planted::planted;
use klamm_protocol::records::{
    BatchError, BuildError, DecompressionLimit, EntryView, RecordError, RecordRef,
};
pub use plan::Cleanable;

use self::{
    filter::{Filter, Kept, LastBatches, Rules, last_batches},
    input::Input,
    offset_map::{MapLimits, OffsetMap},
    output::Output,
    plan::Group,
    transactions::Walk,
};
use crate::{AbortedTransaction, Log, flush::Durable, segment::Segment};

/// What one cleaning may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanerLimits {
    /// Memory for the map of keys, bytes (`log.cleaner.dedupe.buffer.size` per thread).
    pub map_bytes: usize,
    /// How full the map may get, 0 to 1 (`log.cleaner.io.buffer.load.factor`).
    pub map_load_factor: f64,
    /// Bytes read at once, and written at once (half of `log.cleaner.io.buffer.size` per thread).
    pub io_buffer_bytes: usize,
    /// The most that one batch may decompress to.
    pub decompression: DecompressionLimit,
    /// The secret of the map's hashes; at random.
    pub secret: (u64, u64),
}

/// Why a cleaning did not come to its end. The log is whole.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The log changed, moved or was closed meanwhile; try again some other time.
    #[error("interrupted: {0}")]
    Aborted(String),
    /// The device failed.
    #[error("{0}")]
    Io(io::Error),
    /// What is in the log cannot be compacted: it is damaged, or one batch has more keys than the
    /// map can hold. Trying again does not help.
    #[error("segment {segment}, position {position}: {error}")]
    Unfit {
        /// Base offset of the segment.
        segment: i64,
        /// Position of the batch in its file, bytes.
        position: u64,
        /// What is wrong.
        error: String,
    },
}

impl From<io::Error> for CleanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is wrong with a batch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchFault {
    #[error("{0}")]
    Read(#[from] RecordError),
    #[error("{0}")]
    Frame(#[from] BatchError),
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error(
        "one batch has more keys than log.cleaner.dedupe.buffer.size has room for ({keys} keys)"
    )]
    MapTooSmall { keys: usize },
}

/// What a cleaning did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Bytes read to learn the keys.
    pub indexed_bytes: u64,
    /// Records looked at for that.
    pub indexed_records: u64,
    /// Bytes read to be copied.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Records looked at.
    pub records_read: u64,
    /// Records kept.
    pub records_kept: u64,
    /// Records that were dropped because they have no key.
    pub records_without_key: u64,
    /// How full the map of keys was, 0 to 1.
    pub map_utilization: f64,
    /// Segments before and after.
    pub segments: (usize, usize),
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Bytes read and written.
    pub bytes: u64,
    /// Files that left the log, renamed; to be deleted after `file.delete.delay.ms`.
    pub retired: Vec<PathBuf>,
    /// Whether nothing is left to do.
    pub is_done: bool,
}

/// Where in the segments the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    segment: usize,
    position: u64,
}

#[derive(Debug)]
enum Stage {
    /// Learning the keys of the dirty segments.
    Indexing(Vec<Arc<Segment>>, At),
    /// Copying the first of these groups.
    Copying(Vec<Group>, At, Option<Box<Copying>>),
    Done,
}

/// A group being copied.
#[derive(Debug)]
struct Copying {
    output: Output,
    last_batches: LastBatches,
}

/// The compaction of one log, as far as it has come.
#[derive(Debug)]
pub struct Cleaning {
    log: Arc<Log>,
    limits: CleanerLimits,
    first_dirty: i64,
    /// Nothing from here on is touched.
    upper: i64,
    now_ms: i64,
    /// Delete horizons up to here are over. They count from the beginning of the compaction that
    /// set them; what a tombstone deletes is read until its end.
    ripe_ms: i64,
    /// Segments of old formats that changed later than this keep their tombstones.
    old_tombstones_from_ms: i64,
    map: OffsetMap,
    walk: Walk,
    input: Input,
    stage: Stage,
    stats: Stats,
}

impl Cleaning {
    /// Begins to compact a log; none if a cleaner is at work on it.
    pub fn begin(cleanable: &Cleanable, limits: CleanerLimits, now_ms: i64) -> Option<Self> {
        let Cleanable { log, first_dirty, first_uncleanable, .. } = cleanable;
        if log.is_cleaning.swap(true, Ordering::AcqRel) {
            return None;
        }
        let segments = log.segments.load();
        let before = segments.iter().take_while(|s| s.base_offset < *first_dirty);
        let retention = log.config().delete_retention_ms;
        let old_tombstones_from_ms =
            before.last().map_or(0, |segment| segment.created_ms.saturating_sub(retention));
        let dirty: Vec<_> = segments[Log::segment_index(&segments, *first_dirty)..]
            .iter()
            .take_while(|segment| segment.base_offset < *first_uncleanable)
            .cloned()
            .collect();
        let expected = u64::try_from(first_uncleanable - first_dirty).unwrap_or(0);
        let map = MapLimits { bytes: limits.map_bytes, load_factor: limits.map_load_factor };
        Some(Self {
            log: Arc::clone(log),
            limits,
            first_dirty: *first_dirty,
            upper: *first_uncleanable,
            now_ms,
            ripe_ms: now_ms.saturating_sub(log.cleaning_ms_max.load(Ordering::Acquire)),
            old_tombstones_from_ms,
            map: OffsetMap::new(limits.secret, map, expected),
            walk: Walk::default(),
            input: Input::new(limits.io_buffer_bytes),
            stage: Stage::Indexing(dirty, At { segment: 0, position: 0 }),
            stats: Stats::default(),
        })
    }

    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Notes that the work went on until `now_ms`, milliseconds since the epoch: tombstones stay
    /// that much longer.
    pub fn went_on_until(&self, now_ms: i64) {
        let took_ms = now_ms.saturating_sub(self.now_ms);
        self.log.cleaning_ms_max.fetch_max(took_ms, Ordering::AcqRel);
    }

    /// What was done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Does the next portion of the work; blocks.
    ///
    /// # Errors
    /// The cleaning is over; the log is whole.
    pub fn step(&mut self) -> Result<Stepped, CleanError> {
        if let Some(reason) = self.log.offline_reason() {
            return self.give_up(CleanError::Aborted(reason));
        }
        let stepped = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Indexing(segments, at) => self.index(segments, at),
            Stage::Copying(groups, at, copying) => self.copy(groups, at, copying),
            Stage::Done => Ok(Stepped { is_done: true, ..Stepped::default() }),
        };
        match stepped {
            // Whoever closed or deleted the log took its files away.
            Err(CleanError::Io(error)) => match self.log.offline_reason() {
                Some(reason) => self.give_up(CleanError::Aborted(reason)),
                None => self.give_up(CleanError::Io(error)),
            },
            Err(error) => self.give_up(error),
            stepped => stepped,
        }
    }

    fn give_up(&mut self, error: CleanError) -> Result<Stepped, CleanError> {
        if let Stage::Copying(_, _, Some(copying)) = std::mem::replace(&mut self.stage, Stage::Done)
        {
            copying.output.discard();
        }
        Err(error)
    }

    /// Learns the keys of one portion.
    fn index(&mut self, segments: Vec<Arc<Segment>>, mut at: At) -> Result<Stepped, CleanError> {
        let Some(segment) = segments.get(at.segment).cloned() else {
            return self.begin_copying();
        };
        if at.segment == 0 && at.position == 0 {
            let aborted = self.log.aborted_between(self.first_dirty, self.upper)?;
            self.walk.tell(aborted);
            at.position = segment.floor_position(self.first_dirty)?;
        }
        if at.position >= segment.size() {
            // Offsets that are missing at its end were cleaned away: nothing is there to learn.
            let next = segments.get(at.segment + 1).map_or(self.upper, |next| next.base_offset);
            self.map.latest = self.map.latest.max(next - 1);
            self.stage = Stage::Indexing(segments, At { segment: at.segment + 1, position: 0 });
            return Ok(Stepped::default());
        }
        let portion = self.read(&segment, at.position)?;
        let (mut position, mut is_full) = (at.position, false);
        for entry in self.input.batches(portion) {
            let unfit = |error: BatchFault| unfit(&segment, position, &error);
            let entry = entry.map_err(|error| unfit(error.into()))?;
            let view = entry.view().map_err(|error| unfit(error.into()))?;
            view.check_crc().map_err(|error| unfit(error.into()))?;
            let mut learner = Learner {
                limit: self.limits.decompression,
                first_dirty: self.first_dirty,
                map: &mut self.map,
                walk: &mut self.walk,
                stats: &mut self.stats,
            };
            is_full = !learner.learn(&view).map_err(unfit)?;
            if is_full {
                break;
            }
            position += entry.size_in_bytes() as u64;
        }
        let bytes = portion.whole as u64;
        self.stats.indexed_bytes += bytes;
        if is_full {
            if self.map.latest < self.first_dirty {
                let fault = BatchFault::MapTooSmall { keys: self.map.len() };
                return Err(unfit(&segment, position, &fault));
            }
            self.begin_copying()?;
        } else {
            self.stage = Stage::Indexing(segments, At { position, ..at });
        }
        Ok(Stepped { bytes, ..Stepped::default() })
    }

    fn begin_copying(&mut self) -> Result<Stepped, CleanError> {
        self.stats.map_utilization = self.map.utilization();
        let segments = self.log.segments.load();
        let end = self.map.latest + 1;
        let count = segments.partition_point(|segment| segment.base_offset < end);
        let closed = &segments[..count.min(segments.len().saturating_sub(1))];
        for segment in closed {
            // One that was closed a moment ago may have its index in memory still.
            segment.write_index(Durable::AtOnce)?;
        }
        let next = segments.get(closed.len()).map_or(self.upper, |next| next.base_offset);
        let groups = plan::groups(closed, &self.log.config(), next.min(self.upper))?;
        self.stats.segments = (closed.len(), groups.len());
        self.walk = Walk::default();
        self.stage = Stage::Copying(groups, At { segment: 0, position: 0 }, None);
        Ok(Stepped::default())
    }

    /// Copies one portion, or ends a group.
    fn copy(
        &mut self,
        mut groups: Vec<Group>,
        at: At,
        copying: Option<Box<Copying>>,
    ) -> Result<Stepped, CleanError> {
        let Some(group) = groups.first() else {
            self.log.cleaned_to.store(self.map.latest + 1, Ordering::Release);
            return Ok(Stepped { is_done: true, ..Stepped::default() });
        };
        let mut copying = match copying {
            Some(copying) => copying,
            None => self.begin_group(group)?,
        };
        let Some(segment) = group.get(at.segment).cloned() else {
            let modified_ms = group.last().map_or(-1, |segment| segment.created_ms);
            let bytes = copying.output.size();
            let made = copying.output.finish(modified_ms)?;
            let group = groups.remove(0);
            let retired = self.log.replace(&group, &made)?;
            self.stage = Stage::Copying(groups, At { segment: 0, position: 0 }, None);
            self.stats.bytes_written += bytes;
            return Ok(Stepped { bytes: 0, retired, is_done: false });
        };
        if at.position == 0 {
            let next = group.get(at.segment + 1).map(|next| next.base_offset);
            let end = next.unwrap_or(self.upper);
            self.walk.tell(self.log.aborted_between(segment.base_offset, end)?);
            if planted("cleaner-drops-open-transactions") {
                self.walk.tell(self.open_transactions());
            }
        }
        if at.position >= segment.size() {
            let at = At { segment: at.segment + 1, position: 0 };
            self.stage = Stage::Copying(groups, at, Some(copying));
            return Ok(Stepped::default());
        }
        match self.copy_portion(&segment, at.position, &mut copying) {
            Ok((position, bytes)) => {
                self.stage = Stage::Copying(groups, At { position, ..at }, Some(copying));
                Ok(Stepped { bytes, ..Stepped::default() })
            }
            Err(error) => {
                copying.output.discard();
                Err(error)
            }
        }
    }

    /// For a planted bug: what is open, as if it had been aborted.
    fn open_transactions(&self) -> Vec<AbortedTransaction> {
        let writer = self.log.writer.lock();
        let open = writer.producers.iter().filter_map(|(producer_id, entry)| {
            let first_offset = entry.transaction_start?;
            let (last_offset, last_stable_offset) = (i64::MAX, i64::MAX);
            Some(AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset })
        });
        open.collect()
    }

    fn begin_group(&self, group: &Group) -> Result<Box<Copying>, CleanError> {
        let base = group.first().map_or(0, |segment| segment.base_offset);
        let last_batches = last_batches(&self.log.writer.lock().producers);
        let output = Output::begin(&self.log.place, base, &self.log.config())?;
        Ok(Box::new(Copying { output, last_batches }))
    }

    /// Copies what is kept of one portion; returns where it ends and the bytes moved.
    fn copy_portion(
        &mut self,
        segment: &Arc<Segment>,
        from: u64,
        copying: &mut Copying,
    ) -> Result<(u64, u64), CleanError> {
        let portion = self.read(segment, from)?;
        let mut position = from;
        let mut filter = Filter {
            rules: Rules {
                now_ms: self.now_ms,
                ripe_ms: self.ripe_ms,
                delete_retention_ms: self.log.config().delete_retention_ms,
                keeps_old_tombstones: segment.created_ms > self.old_tombstones_from_ms,
                upper: self.upper,
                limit: self.limits.decompression,
            },
            map: &self.map,
            walk: &mut self.walk,
            last_batches: &copying.last_batches,
            stats: &mut self.stats,
        };
        for entry in self.input.batches(portion) {
            let unfit = |error: BatchFault| unfit(segment, position, &error);
            let entry = entry.map_err(|error| unfit(error.into()))?;
            match filter.filter(&entry).map_err(unfit)? {
                Kept::Nothing => {}
                Kept::AsItIs => copying.output.push(entry.bytes())?,
                Kept::Rebuilt(batch) => copying.output.push(&batch)?,
            }
            position += entry.size_in_bytes() as u64;
        }
        copying.output.abort(&self.walk.take_index());
        let read = portion.whole as u64;
        self.stats.bytes_read += read;
        Ok((position, read + copying.output.flush()?))
    }

    fn read(
        &mut self,
        segment: &Arc<Segment>,
        position: u64,
    ) -> Result<input::Portion, CleanError> {
        let file = segment.file()?;
        self.input.read(&**file, position, segment.size()).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => unfit(segment, position, &error),
            _ => CleanError::Io(error),
        })
    }
}

impl Drop for Cleaning {
    fn drop(&mut self) {
        self.log.is_cleaning.store(false, Ordering::Release);
    }
}

fn unfit(segment: &Segment, position: u64, error: &dyn std::fmt::Display) -> CleanError {
    let segment = segment.base_offset;
    CleanError::Unfit { segment, position, error: error.to_string() }
}

/// Learns the keys of the dirty part.
struct Learner<'a> {
    limit: DecompressionLimit,
    first_dirty: i64,
    map: &'a mut OffsetMap,
    walk: &'a mut Walk,
    stats: &'a mut Stats,
}

impl Learner<'_> {
    /// Notes the keys of a batch; says whether they all fit.
    fn learn(&mut self, view: &EntryView<'_>) -> Result<bool, BatchFault> {
        let is_left_out = match view {
            EntryView::Batch(batch) => self.walk.see(batch, self.limit)? || batch.is_control(),
            EntryView::Message(_) => false,
        };
        if !is_left_out {
            for record in &view.records(self.limit)? {
                let RecordRef { key, offset, .. } = record?;
                self.stats.indexed_records += 1;
                let Some(key) = key.filter(|_| offset >= self.first_dirty) else { continue };
                if self.map.put(key, offset).is_err() {
                    return Ok(false);
                }
            }
        }
        if view.last_offset() >= self.first_dirty {
            self.map.latest = self.map.latest.max(view.last_offset());
        }
        Ok(true)
    }
}
