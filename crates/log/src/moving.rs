//! Moving a log to another directory while it is read and written (KIP-113).
//!
//! A [`Move`] copies the log's files as they are into a directory of Kafka's name `-future`, in
//! steps, so that the caller can throttle it. Once little is missing it makes all that durable, and
//! with the writer held up copies the rest, gives the directory the partition's name, and lets the
//! log go on there. Readers go on with the files they have open.
//!
//! Invariants:
//! - Until the directory has the partition's name only the old one counts; what is there is whole
//!   and at least as durable as the old one's.
//! - No cleaning, retention, truncation or flush happens while the files change.
//!
//! A crash after the new directory has its name and before the old one has lost it leaves both: the
//! cluster's metadata, which name the new one since before, say which counts.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use klamm_env::{File, disk, disk::Open};
use klamm_planted::planted;

use crate::{
    Log,
    flush::Durable,
    log::{Writer, metadata_in},
    names::{
        EPOCH_CHECKPOINT, INDEX_SUFFIX, LOG_SUFFIX, PARTITION_METADATA, SNAPSHOT_SUFFIX,
        TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, file_name,
    },
    segment::Segment,
};

/// The files beside a segment's records.
const BESIDE: [&str; 4] = [INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, SNAPSHOT_SUFFIX];

/// The largest file beside a segment that is copied, bytes: as for a producer snapshot.
const BESIDE_BYTES_MAX: u64 = 1 << 30;

/// Bytes copied at once.
const PORTION: usize = 128 << 10;

/// Why a move did not come to its end. The log is whole where it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The log was closed, deleted or failed meanwhile.
    #[error("interrupted: {0}")]
    Aborted(String),
    /// The directory that the log is in failed.
    #[error("reading: {0}")]
    Source(io::Error),
    /// The directory that it is to go to failed.
    #[error("writing: {0}")]
    Target(io::Error),
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Bytes copied.
    pub bytes: u64,
    /// Whether all that was there has been copied.
    pub is_caught_up: bool,
}

/// A segment as far as it was copied.
#[derive(Debug)]
struct Copied {
    segment: Arc<Segment>,
    file: Arc<dyn File>,
    bytes: u64,
    /// Whether it is closed and everything of it was copied.
    is_whole: bool,
    /// How much of it is durable, bytes.
    synced: u64,
}

/// The move of one log, as far as it has come.
#[derive(Debug)]
pub struct Move {
    log: Arc<Log>,
    dir: PathBuf,
    copied: BTreeMap<i64, Copied>,
    /// Everything before this offset is durable in the new directory.
    durable_to: i64,
    /// The leader epochs as they were written there.
    epochs: String,
    is_over: bool,
}

impl Move {
    /// Begins to move a log to the directory `dir`, which is made anew; none if a cleaner is at work
    /// on the log.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn begin(log: &Arc<Log>, dir: PathBuf) -> Result<Option<Self>, MoveError> {
        if log.is_cleaning.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let begun = Self {
            log: Arc::clone(log),
            dir,
            copied: BTreeMap::new(),
            durable_to: -1,
            epochs: String::new(),
            is_over: false,
        };
        let disk = &*log.place.disk;
        disk.create_dir_all(&begun.dir).map_err(MoveError::Target)?;
        Ok(Some(begun))
    }

    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Bytes copied so far.
    pub fn size(&self) -> u64 {
        self.copied.values().map(|copied| copied.bytes).sum()
    }

    /// Everything before this offset is durable in the new directory; -1 before that is known.
    pub fn durable_to(&self) -> i64 {
        self.durable_to
    }

    /// How many offsets are missing in the new directory, by the part of its last segment that was
    /// copied.
    pub fn offset_lag(&self) -> i64 {
        let end = self.log.end_offset();
        let Some((base, last)) = self.copied.last_key_value() else { return end };
        if last.bytes >= last.segment.size() && *base == self.log.active_segment() {
            return 0;
        }
        let found = last.segment.ceiling_offset(last.bytes).ok().flatten();
        end - found.unwrap_or(*base).min(end)
    }

    /// Copies up to so many bytes; blocks.
    ///
    /// # Errors
    /// The move is over; the log stays where it is.
    pub fn step(&mut self, bytes_max: u64) -> Result<Moved, MoveError> {
        if let Some(reason) = self.log.offline_reason() {
            return Err(MoveError::Aborted(reason));
        }
        let mut left = bytes_max;
        let is_caught_up = self.copy(&mut left).map_err(|error| self.or_aborted(error))?;
        Ok(Moved { bytes: bytes_max - left, is_caught_up })
    }

    /// Whoever closed or deleted the log took its files away.
    fn or_aborted(&self, error: MoveError) -> MoveError {
        match (error, self.log.offline_reason()) {
            (MoveError::Source(_), Some(reason)) => MoveError::Aborted(reason),
            (error, _) => error,
        }
    }

    /// Copies what is missing, up to so many bytes; whether nothing is missing then.
    fn copy(&mut self, left: &mut u64) -> Result<bool, MoveError> {
        let segments = self.log.segments.load_full();
        self.forget_gone(&segments)?;
        for (at, segment) in segments.iter().enumerate() {
            let is_last = at + 1 == segments.len();
            if !self.copy_segment(segment, is_last, left)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes back what was copied of segments that left the log, or were cut.
    fn forget_gone(&mut self, segments: &[Arc<Segment>]) -> Result<(), MoveError> {
        let is_there = |copied: &Copied| {
            copied.bytes <= copied.segment.size()
                && segments.iter().any(|segment| Arc::ptr_eq(segment, &copied.segment))
        };
        let gone: Vec<i64> = self
            .copied
            .iter()
            .filter(|(_, copied)| !is_there(copied))
            .map(|(base, _)| *base)
            .collect();
        let disk = &*self.log.place.disk;
        for base in gone {
            self.copied.remove(&base);
            for suffix in BESIDE.into_iter().chain([LOG_SUFFIX]) {
                let path = self.dir.join(file_name(base, suffix));
                if disk.exists(&path) {
                    disk.remove_file(&path).map_err(MoveError::Target)?;
                }
            }
        }
        Ok(())
    }

    /// Copies what is missing of a segment; whether nothing is then.
    fn copy_segment(
        &mut self,
        segment: &Arc<Segment>,
        is_last: bool,
        left: &mut u64,
    ) -> Result<bool, MoveError> {
        let base = segment.base_offset;
        if !self.copied.contains_key(&base) {
            let path = self.dir.join(file_name(base, LOG_SUFFIX));
            let file = self.log.place.disk.open(&path, Open::Create).map_err(MoveError::Target)?;
            let segment = Arc::clone(segment);
            let new = Copied { segment, file, bytes: 0, is_whole: false, synced: 0 };
            self.copied.insert(base, new);
        }
        let Some(copied) = self.copied.get_mut(&base) else { return Ok(false) };
        let size = segment.size();
        while copied.bytes < size {
            if *left == 0 {
                return Ok(false);
            }
            let portion = (size - copied.bytes).min(*left).min(PORTION as u64);
            copied.copy_portion(portion)?;
            *left -= portion;
        }
        if !is_last && !copied.is_whole {
            // Nothing is added to it any more.
            segment.write_index(Durable::AtOnce).map_err(MoveError::Source)?;
            copied.file.set_modified_ms(segment.created_ms).map_err(MoveError::Target)?;
            self.copy_beside(segment, true)?;
            if let Some(copied) = self.copied.get_mut(&base) {
                copied.is_whole = true;
            }
        }
        Ok(true)
    }

    /// Copies the files beside a segment, as they are now. A producer snapshot never changes.
    fn copy_beside(&self, segment: &Segment, sync: bool) -> Result<(), MoveError> {
        let disk = &*self.log.place.disk;
        for suffix in BESIDE {
            let from = segment.path(suffix);
            let to = self.dir.join(file_name(segment.base_offset, suffix));
            let is_snapshot = suffix == SNAPSHOT_SUFFIX;
            if !disk.exists(&from) || (is_snapshot && disk.exists(&to)) {
                continue;
            }
            let bytes =
                disk::read_file(disk, &from, BESIDE_BYTES_MAX).map_err(MoveError::Source)?;
            let file = disk.open(&to, Open::Create).map_err(MoveError::Target)?;
            let written = disk::replace_contents(&*file, &bytes)
                .and_then(|()| if sync || is_snapshot { file.sync() } else { Ok(()) });
            written.map_err(MoveError::Target)?;
        }
        Ok(())
    }

    /// Makes everything durable that was copied, with what else belongs to the log; blocks. To be
    /// done before [`Move::finish`], which then has less to do while writers wait.
    ///
    /// # Errors
    /// The move is over; the log stays where it is.
    pub fn settle(&mut self) -> Result<(), MoveError> {
        let end = self.log.end_offset();
        let mut left = u64::MAX;
        self.copy(&mut left).map_err(|error| self.or_aborted(error))?;
        if let Some(last) = self.log.segments.load_full().last() {
            self.copy_beside(last, true)?;
        }
        let metadata = {
            let writer = self.log.writer.lock();
            self.epochs = writer.epochs.to_text();
            writer.metadata.clone()
        };
        let metadata = metadata.or_else(|| metadata_in(&*self.log.place.disk, &self.log.dir()));
        self.write_settled(metadata).map_err(MoveError::Target)?;
        self.durable_to = end;
        Ok(())
    }

    fn write_settled(&mut self, metadata: Option<String>) -> io::Result<()> {
        let disk = &*self.log.place.disk;
        for copied in self.copied.values_mut() {
            copied.sync()?;
        }
        if let Some(metadata) = metadata {
            let path = self.dir.join(PARTITION_METADATA);
            disk::write_file_atomically(disk, &path, metadata.as_bytes())?;
        }
        let path = self.dir.join(EPOCH_CHECKPOINT);
        disk::write_file_atomically(disk, &path, self.epochs.as_bytes())?;
        disk.sync_dir(&self.dir)?;
        disk.sync_dir(disk::parent(&self.dir))
    }

    /// Lets the log go on in the new directory, which gets the name `target`; the old one gets the
    /// name `retired`. Blocks, and so do appends meanwhile.
    ///
    /// # Errors
    /// The log stays where it is.
    pub(crate) fn finish(mut self, target: &Path, retired: &Path) -> Result<(), MoveError> {
        let finished = self.change_over(target, retired);
        if finished.is_err() {
            self.take_back();
        }
        finished
    }

    fn change_over(&mut self, target: &Path, retired: &Path) -> Result<(), MoveError> {
        let log = Arc::clone(&self.log);
        let _turn = log.maintenance.lock();
        let _still = log.in_place.write();
        let mut writer = log.writer.lock();
        if let Some(reason) = &writer.offline {
            return Err(MoveError::Aborted(reason.clone()));
        }
        self.complete(&writer)?;
        let disk = &*log.place.disk;
        disk.rename(&self.dir, target).map_err(MoveError::Target)?;
        self.is_over = true;
        if let Err(error) = disk.sync_dir(disk::parent(target)) {
            // It is not known which of the two a start finds.
            writer.offline = Some(error.to_string());
            return Err(MoveError::Target(error));
        }
        let source = log.place.relocate(target);
        let segments = self.copied.values().map(|c| Arc::new(c.segment.moved(c.active_file())));
        log.segments.store(Arc::new(segments.collect()));
        log.checkpointed_point.store(self.durable_to, Ordering::Release);
        writer.dir_dirty = true;
        drop(writer);
        if planted("moved-twin-stays") {
            return Ok(());
        }
        if let Err(error) = disk.rename(&source, retired) {
            // A start finds both, and the metadata say which counts.
            tracing::warn!("{}: its former directory stays: {error}", log.name());
        }
        Ok(())
    }

    /// Copies the rest while nothing is appended, and makes it as durable as it is.
    fn complete(&mut self, writer: &Writer) -> Result<(), MoveError> {
        if planted("moved-tail-lost") {
            return Ok(());
        }
        let mut left = u64::MAX;
        self.copy(&mut left)?;
        let segments = self.log.segments.load_full();
        if let Some(last) = segments.last() {
            for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX] {
                let path = self.dir.join(file_name(last.base_offset, suffix));
                self.log.place.disk.open(&path, Open::Create).map_err(MoveError::Target)?;
            }
            self.copy_beside(last, self.log.recovery_point() > self.durable_to)?;
        }
        let epochs = writer.epochs.to_text();
        let disk = &*self.log.place.disk;
        if epochs != self.epochs {
            let path = self.dir.join(EPOCH_CHECKPOINT);
            let written = disk::write_file_atomically(disk, &path, epochs.as_bytes());
            written.map_err(MoveError::Target)?;
        }
        if self.log.recovery_point() > self.durable_to {
            for copied in self.copied.values_mut() {
                copied.sync().map_err(MoveError::Target)?;
            }
            disk.sync_dir(&self.dir).map_err(MoveError::Target)?;
        }
        Ok(())
    }

    /// Takes back what was copied; blocks.
    pub fn discard(mut self) {
        self.take_back();
    }

    fn take_back(&mut self) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let disk = &*self.log.place.disk;
        if disk.exists(&self.dir)
            && let Err(error) = disk.remove_dir_all(&self.dir)
        {
            tracing::warn!("cannot delete what was copied of a log: {error}");
        }
    }
}

impl Copied {
    fn copy_portion(&mut self, len: u64) -> Result<(), MoveError> {
        let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
        let from = self.segment.file().map_err(MoveError::Source)?;
        let read = from.read_at(&mut buf, self.bytes).map_err(MoveError::Source)?;
        if read < buf.len() {
            let text = format!("segment {} ends early", self.segment.base_offset);
            return Err(MoveError::Source(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
        }
        self.file.write_all_at(&[IoSlice::new(&buf)], self.bytes).map_err(MoveError::Target)?;
        self.bytes += len;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.synced < self.bytes {
            self.file.sync()?;
            self.synced = self.bytes;
        }
        Ok(())
    }

    /// The file, if it is still written.
    fn active_file(&self) -> Option<Arc<dyn File>> {
        (!self.is_whole).then(|| Arc::clone(&self.file))
    }
}

// One that is dropped because the broker stops leaves its directory: the next start begins again.
impl Drop for Move {
    fn drop(&mut self) {
        self.log.is_cleaning.store(false, Ordering::Release);
    }
}
