//! Opening a log: after a clean stop from what the files say of themselves, after a crash by
//! reading everything beyond the recovery point.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64},
    },
};

use arc_swap::ArcSwap;
use klamm_env::{Disk, disk, disk::Entry};
use klamm_planted::planted;
use klamm_transactions::{Producers, Verifications};
use parking_lot::{Mutex, RwLock};

use crate::{
    Log, LogConfig, OpenError, TopicPartition,
    epochs::Epochs,
    index::TimeEntry,
    log::{Writer, first_unstable, metadata_in},
    names::{
        EPOCH_CHECKPOINT, INDEX_SUFFIX, LOG_SUFFIX, SEGMENT_SUFFIXES, SNAPSHOT_SUFFIX,
        TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, file_name, offset_of,
    },
    recovery,
    segment::{Place, Segment},
    swap_files,
    tail::Tail,
    txn_index::{ENTRY_BYTES, TxnIndex},
};

/// What is needed to open a log.
#[derive(Debug)]
pub struct OpenLog {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The partition's directory; made if missing.
    pub dir: PathBuf,
    /// Topic and partition.
    pub name: TopicPartition,
    /// Settings.
    pub config: LogConfig,
    /// Everything before this offset is durable.
    pub recovery_point: i64,
    /// Log start offset as checkpointed.
    pub start_offset: i64,
    /// Up to where the log was compacted, as checkpointed; none if it never was.
    pub cleaned_to: Option<i64>,
    /// Whether the broker stopped cleanly, so that nothing needs recovery.
    pub clean: bool,
    /// Whether only the process died since the log was written, not the machine: then no hole can
    /// be in what was written.
    pub same_power_cycle: bool,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
}

/// What opening a log did to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that were read whole.
    pub segments_recovered: usize,
    /// Bytes cut off the end because the last batch was torn.
    pub bytes_cut: u64,
    /// What was wrong with them.
    pub damage: Option<String>,
}

/// The largest producer snapshot read, bytes.
const SNAPSHOT_BYTES_MAX: u64 = 1 << 30;

/// A log being opened.
struct Opening {
    place: Arc<Place>,
    params: OpenLog,
    entries: Vec<Entry>,
    segments: Vec<Arc<Segment>>,
    writer: Writer,
    report: Report,
    replay_from: i64,
}

impl OpenLog {
    /// Opens the log.
    ///
    /// # Errors
    /// The disk failed, or a batch inside the log is damaged; then nothing is changed.
    pub fn open(self) -> Result<(Log, Report), OpenError> {
        let place = Arc::new(Place::new(Arc::clone(&self.disk), self.dir.clone()));
        let is_new = !self.disk.exists(&self.dir);
        if is_new {
            self.disk.create_dir_all(&self.dir)?;
        }
        let entries = swap_files::settle(&place)?;
        let epochs = Epochs::load(&*self.disk, &place.file(EPOCH_CHECKPOINT))?;
        let writer = Writer {
            epochs,
            producers: Producers::default(),
            verifications: Verifications::default(),
            snapshots: Vec::new(),
            snapshot_offset: -1,
            unsynced_since_ms: None,
            metadata: None,
            // A process that died may have made files and left their names to the first flush.
            dir_dirty: is_new || !self.clean,
            offline: None,
        };
        let mut opening = Opening {
            place,
            entries,
            segments: Vec::new(),
            writer,
            report: Report::default(),
            replay_from: 0,
            params: self,
        };
        opening.find_segments();
        opening.load_producers();
        let end_offset = opening.recover()?;
        if !opening.params.clean || end_offset == 0 {
            // A process that died, or stopped while it made the log, may not have synced it.
            opening.writer.metadata = metadata_in(&*opening.params.disk, &opening.params.dir);
        }
        opening.finish(end_offset)
    }
}

impl Opening {
    fn find_segments(&mut self) {
        for entry in self.entries.iter().filter(|entry| !entry.is_dir) {
            if let Some(base) = offset_of(&entry.name, LOG_SUFFIX) {
                let mut found = Segment::found(&self.place, base, entry.len, entry.modified_ms);
                found.txn_index = TxnIndex::found(self.len_of(base, TXN_INDEX_SUFFIX));
                self.segments.push(Arc::new(found));
            }
        }
        self.segments.sort_by_key(|segment| segment.base_offset);
    }

    fn has_file(&self, base: i64, suffix: &str) -> bool {
        self.find_file(base, suffix).is_some()
    }

    fn find_file(&self, base: i64, suffix: &str) -> Option<&Entry> {
        let name = file_name(base, suffix);
        let at = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(&name)).ok()?;
        self.entries.get(at)
    }

    /// Size of a file, bytes; 0 if there is none.
    fn len_of(&self, base: i64, suffix: &str) -> u64 {
        self.find_file(base, suffix).map_or(0, |entry| entry.len)
    }

    /// The first segment that must be read whole.
    fn first_to_recover(&self) -> usize {
        let lacks_index = |segment: &Arc<Segment>| {
            !self.has_file(segment.base_offset, INDEX_SUFFIX)
                || !self.has_file(segment.base_offset, TIME_INDEX_SUFFIX)
                || !self.len_of(segment.base_offset, TXN_INDEX_SUFFIX).is_multiple_of(ENTRY_BYTES)
        };
        let by_index = self.segments.iter().position(lacks_index);
        let last = self.segments.len();
        let by_point = if self.params.clean {
            last
        } else {
            // The segment that ends at the recovery point was perhaps still written when its
            // records became durable: its index files are then older than it is.
            Log::segment_index(&self.segments, self.params.recovery_point - 1)
        };
        let skipped = planted("skip-last-segment-recovery");
        if skipped { last } else { by_index.unwrap_or(last).min(by_point) }
    }

    /// Loads the newest producer snapshot that what is replayed can build on. A damaged one is
    /// passed over: an older one, or none, and more to replay.
    fn load_producers(&mut self) {
        let first = self.first_to_recover();
        let bound = self.segments.get(first).map_or(i64::MAX, |segment| segment.base_offset);
        let offsets = self.entries.iter().filter_map(|e| offset_of(&e.name, SNAPSHOT_SUFFIX));
        let mut offsets: Vec<i64> = offsets.filter(|offset| *offset <= bound).collect();
        offsets.sort_unstable();
        for offset in offsets.into_iter().rev() {
            let path = self.place.file(&file_name(offset, SNAPSHOT_SUFFIX));
            let bytes = disk::read_file(&*self.params.disk, &path, SNAPSHOT_BYTES_MAX);
            match bytes.map(|bytes| klamm_transactions::snapshot::decode(&bytes)) {
                Ok(Ok(producers)) => {
                    let forgotten = planted("forget-producer-snapshot");
                    self.writer.producers =
                        if forgotten { Producers::default() } else { producers };
                    self.writer.snapshot_offset = offset;
                    self.replay_from = offset;
                    return;
                }
                Ok(Err(error)) => tracing::warn!("{}: {error}", path.display()),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    fn recover(&mut self) -> Result<i64, OpenError> {
        let Some(last) = self.segments.last().cloned() else {
            return self.create_first_segment();
        };
        let first = self.first_to_recover();
        let mut end_offset = last.base_offset;
        for at in 0..self.segments.len() {
            let segment = Arc::clone(&self.segments[at]);
            let next = self.segments.get(at + 1).map(|next| next.base_offset);
            if at >= first {
                let (end, cut) = self.rebuild(&segment, next)?;
                end_offset = end;
                if cut {
                    self.drop_segments_after(at)?;
                    break;
                }
                if let Some(next) = next {
                    self.writer.take_snapshot(next);
                }
            } else if next.is_none() {
                end_offset = self.reopen_last(&segment)?;
            } else if next.is_some_and(|next| next > self.replay_from) {
                recovery::replay(&segment, &mut self.writer, self.replay_from)?;
            }
        }
        Ok(end_offset)
    }

    fn create_first_segment(&mut self) -> Result<i64, OpenError> {
        let base = self.params.start_offset.max(0);
        let segment = Segment::create(&self.place, base, &self.params.config, self.params.now_ms)?;
        self.segments.push(Arc::new(segment));
        self.writer.dir_dirty = true;
        Ok(base)
    }

    /// Reads a segment whole; says where it ends and whether the log was cut there.
    fn rebuild(
        &mut self,
        segment: &Arc<Segment>,
        next: Option<i64>,
    ) -> Result<(i64, bool), OpenError> {
        self.report.segments_recovered += 1;
        let found = segment.size();
        let params = &self.params;
        let rebuilt =
            recovery::rebuild(segment, &params.config, &mut self.writer, self.replay_from)?;
        let end = rebuilt.end_offset;
        // What was never synced was never compacted: there the next segment begins where this ends.
        // What was compacted was synced, whatever the checkpoint of the recovery points knows.
        let durable = params.recovery_point.max(params.cleaned_to.unwrap_or(0));
        let gap = next.filter(|next| *next > end && end >= durable);
        let gap = gap.map(|next| format!("records {end} to {} are missing", next - 1));
        let file = segment.file()?;
        let size = found.max(file.len()?);
        let is_blank = rebuilt.damage.is_some()
            && params.config.preallocate
            && recovery::is_blank(&**file, rebuilt.size, size)?;
        if is_blank {
            file.set_len(rebuilt.size)?;
        }
        let damage = rebuilt.damage.filter(|_| !is_blank);
        let Some(damage) = damage.or(gap) else { return Ok((end, false)) };
        if planted("keep-torn-tail") {
            segment.set_size(size);
            return Ok((end, false));
        }
        let follows = self.segments_after_have_data(segment)
            || recovery::valid_batch_follows(&**file, rebuilt.size, size, segment.base_offset)?;
        if end < params.recovery_point || (follows && params.same_power_cycle) {
            return Err(OpenError::Corrupt {
                file: segment.path(LOG_SUFFIX).display().to_string(),
                position: rebuilt.size,
                error: damage,
                following: size - rebuilt.size,
            });
        }
        file.set_len(rebuilt.size)?;
        // Or a power loss brings it back, perhaps when the segment is closed and not looked at.
        file.sync()?;
        self.report.bytes_cut += size - rebuilt.size;
        self.report.damage = Some(damage);
        Ok((end, true))
    }

    fn segments_after_have_data(&self, segment: &Segment) -> bool {
        let after = self.segments.iter().filter(|s| s.base_offset > segment.base_offset);
        after.map(|segment| segment.size()).sum::<u64>() > 0
    }

    fn drop_segments_after(&mut self, at: usize) -> io::Result<()> {
        for segment in self.segments.drain(at + 1..) {
            self.report.bytes_cut += segment.size();
            for suffix in SEGMENT_SUFFIXES {
                let path = segment.path(suffix);
                if self.params.disk.exists(&path) {
                    self.params.disk.remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Takes up the last segment where a clean stop left it; returns the end offset.
    fn reopen_last(&mut self, segment: &Arc<Segment>) -> Result<i64, OpenError> {
        let index = segment.load_index()?;
        let newest = index.times.last().copied();
        segment.set_newest(newest.unwrap_or(TimeEntry { timestamp: -1, relative: 0 }));
        let from = index.offsets.last().map(|entry| i64::from(entry.relative));
        let from = segment.base_offset + from.unwrap_or(0);
        segment.reopen(index);
        recovery::replay(
            segment,
            &mut self.writer,
            from.min(self.replay_from.max(segment.base_offset)),
        )
    }

    fn finish(mut self, end_offset: i64) -> Result<(Log, Report), OpenError> {
        self.drop_snapshots_after(end_offset)?;
        let twice = i64::from(planted("offset-twice-after-restart") && end_offset > 0);
        let first = self.segments.first().map_or(0, |segment| segment.base_offset);
        let start_offset = self.params.start_offset.max(first).min(end_offset);
        let (segment, size) =
            self.segments.last().map_or((0, 0), |last| (last.base_offset, last.size()));
        self.writer.epochs.truncate_from_end(end_offset);
        let recovery_point =
            if self.params.clean { end_offset } else { self.params.recovery_point.min(end_offset) };
        if recovery_point < end_offset {
            self.writer.unsynced_since_ms = Some(self.params.now_ms);
        }
        let log = Log {
            name: self.params.name,
            place: self.place,
            config: ArcSwap::from_pointee(self.params.config),
            segments: ArcSwap::from_pointee(self.segments),
            tail: Mutex::new(Tail::new(end_offset - twice, segment, size)),
            start_offset: AtomicI64::new(start_offset),
            recovery_point: AtomicI64::new(recovery_point),
            checkpointed_point: AtomicI64::new(self.params.recovery_point.min(end_offset)),
            cleaned_to: AtomicI64::new(self.params.cleaned_to.unwrap_or(-1)),
            cleaning_ms_max: AtomicI64::new(0),
            is_cleaning: AtomicBool::new(false),
            is_restricted: AtomicBool::new(false),
            unfit: Mutex::new(None),
            maintenance: Mutex::new(()),
            in_place: RwLock::new(()),
            first_unstable: AtomicI64::new(first_unstable(&self.writer)),
            has_unreplicated: AtomicBool::new(self.writer.producers.has_unreplicated()),
            writer: Mutex::new(self.writer),
            flushing: tokio::sync::Mutex::new(()),
            flushes: OnceLock::new(),
        };
        Ok((log, self.report))
    }

    fn drop_snapshots_after(&self, end_offset: i64) -> io::Result<()> {
        for entry in &self.entries {
            if offset_of(&entry.name, SNAPSHOT_SUFFIX).is_some_and(|at| at > end_offset) {
                let path = self.place.file(&entry.name);
                if self.params.disk.exists(&path) {
                    self.params.disk.remove_file(&path)?;
                }
            }
        }
        Ok(())
    }
}
