//! One segment of a log: its file, its indexes, its newest timestamp.
//!
//! The last segment of a log is written; the others never change again until they are deleted.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use klamm_env::{Disk, File, disk::Open};
use parking_lot::{Mutex, RwLock};

use crate::{
    LogConfig, ReadError,
    flush::Durable,
    index::{
        EntryFile, FileIndex, MemoryIndex, OFFSET_ENTRY_BYTES, OffsetEntry, TIME_ENTRY_BYTES,
        TimeEntry,
    },
    names::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, file_name},
    scan::{Facts, walk_headers},
    txn_index::TxnIndex,
};

/// Where the files of a log are. The directory is renamed when the log is deleted.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    dir: RwLock<PathBuf>,
}

impl Place {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Self { disk, dir: RwLock::new(dir) }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.read().clone()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.read().join(name)
    }

    /// The files are in the directory `to` from now on; returns where they were.
    pub(crate) fn relocate(&self, to: &Path) -> PathBuf {
        std::mem::replace(&mut *self.dir.write(), to.to_owned())
    }

    /// Renames the directory; the name then is `to`.
    pub(crate) fn rename(&self, to: &Path) -> io::Result<()> {
        let mut dir = self.dir.write();
        self.disk.rename(&dir, to)?;
        to.clone_into(&mut dir);
        Ok(())
    }
}

#[derive(Debug)]
enum Index {
    /// Being written, or not yet written to its files.
    Memory(MemoryIndex),
    /// Closed; opened on first use.
    Closed(Option<Arc<FileIndex>>),
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    /// Whether compaction made it since the log was opened: positions noted while its offsets were
    /// appended are not its own.
    pub(crate) is_made: bool,
    pub(crate) place: Arc<Place>,
    file: OnceLock<Arc<dyn File>>,
    size: AtomicU64,
    index: RwLock<Index>,
    pub(crate) txn_index: TxnIndex,
    /// When it was made (or last changed, if found on disk), milliseconds since the epoch.
    pub(crate) created_ms: i64,
    /// Timestamp of the first batch, -1 if not known.
    pub(crate) first_timestamp: AtomicI64,
    /// Largest timestamp and the offset it is at, if known.
    newest: Mutex<Option<TimeEntry>>,
}

/// A segment that compaction made, as its files have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) base_offset: i64,
    /// Bytes.
    pub(crate) size: u64,
    /// When the last of those it was made of last changed, milliseconds since the epoch.
    pub(crate) modified_ms: i64,
    pub(crate) newest: TimeEntry,
    pub(crate) first_timestamp: i64,
    /// Size of its index of aborted transactions, bytes.
    pub(crate) aborted_bytes: u64,
}

/// A batch that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: u64,
    pub(crate) facts: Facts,
}

impl Segment {
    /// A segment to be written. Its file is made if it is missing, with its largest size if the
    /// settings want that.
    pub(crate) fn create(
        place: &Arc<Place>,
        base_offset: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> io::Result<Self> {
        let path = place.file(&file_name(base_offset, LOG_SUFFIX));
        let file = place.disk.open(&path, Open::Create)?;
        if config.preallocate {
            file.set_len(config.segment_bytes)?;
        }
        let segment = Self::found(place, base_offset, 0, now_ms);
        // Empty until the segment is closed: Kafka's tools expect them beside the log.
        for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX] {
            place.disk.open(&segment.path(suffix), Open::Create)?;
        }
        drop(segment.file.set(file));
        *segment.index.write() = Index::Memory(MemoryIndex::default());
        *segment.newest.lock() = Some(TimeEntry { timestamp: -1, relative: 0 });
        Ok(segment)
    }

    /// A closed segment that was found on disk.
    pub(crate) fn found(place: &Arc<Place>, base_offset: i64, size: u64, modified_ms: i64) -> Self {
        Self {
            base_offset,
            is_made: false,
            place: Arc::clone(place),
            file: OnceLock::new(),
            size: AtomicU64::new(size),
            index: RwLock::new(Index::Closed(None)),
            txn_index: TxnIndex::default(),
            created_ms: modified_ms,
            first_timestamp: AtomicI64::new(-1),
            newest: Mutex::new(None),
        }
    }

    /// A segment that compaction made, under its names.
    pub(crate) fn made(place: &Arc<Place>, made: &Made) -> Self {
        Self {
            is_made: true,
            first_timestamp: AtomicI64::new(made.first_timestamp),
            newest: Mutex::new(Some(made.newest)),
            txn_index: TxnIndex::found(made.aborted_bytes),
            ..Self::found(place, made.base_offset, made.size, made.modified_ms)
        }
    }

    /// The same segment where its place has been moved to. One that is written has its file open.
    pub(crate) fn moved(&self, active: Option<Arc<dyn File>>) -> Self {
        let mut moved = Self::found(&self.place, self.base_offset, self.size(), self.created_ms);
        moved.is_made = self.is_made;
        moved.txn_index = TxnIndex::found(self.txn_index.len());
        moved.first_timestamp = AtomicI64::new(self.first_timestamp.load(Ordering::Relaxed));
        moved.newest = Mutex::new(*self.newest.lock());
        if let Some(file) = active {
            drop(moved.file.set(file));
            if let Index::Memory(index) = &*self.index.read() {
                *moved.index.write() = Index::Memory(index.clone());
            }
        }
        moved
    }

    /// Opens everything that reading needs, for when its names go to another segment.
    pub(crate) fn keep_open(&self) -> io::Result<()> {
        self.write_index(Durable::AtOnce)?;
        self.newest()?;
        self.open_index()?;
        self.keep_aborted_open()?;
        self.file().map(drop)
    }

    /// Sizes of its indexes, bytes; it is closed.
    pub(crate) fn index_sizes(&self) -> io::Result<(u64, u64)> {
        Ok(self.open_index()?.sizes())
    }

    /// Timestamp of the first batch, -1 if there is none.
    pub(crate) fn first_batch_timestamp(&self) -> Result<i64, ReadError> {
        let known = self.first_timestamp.load(Ordering::Relaxed);
        if known >= 0 || self.size() == 0 {
            return Ok(known);
        }
        let first = self.find(self.base_offset)?;
        let timestamp = first.map_or(-1, |found| found.facts.max_timestamp);
        self.first_timestamp.store(timestamp, Ordering::Relaxed);
        Ok(timestamp)
    }

    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        self.place.file(&file_name(self.base_offset, suffix))
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    pub(crate) fn file(&self) -> io::Result<&Arc<dyn File>> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let path = self.path(LOG_SUFFIX);
        let file = self.place.disk.open(&path, Open::Write)?;
        Ok(self.file.get_or_init(|| file))
    }

    /// Cuts off what was allocated and not written.
    pub(crate) fn trim(&self) -> io::Result<()> {
        let (file, size) = (self.file()?, self.size());
        if file.len()? > size { file.set_len(size) } else { Ok(()) }
    }

    pub(crate) fn relative(&self, offset: i64) -> Option<u32> {
        offset.checked_sub(self.base_offset).and_then(|r| u32::try_from(r).ok())
    }

    /// Notes a batch that was written at the end.
    pub(crate) fn note(&self, interval: u64, position: u64, facts: &Facts) {
        let Some(relative) = self.relative(facts.last_offset) else { return };
        if position == 0 {
            self.first_timestamp.store(facts.max_timestamp, Ordering::Relaxed);
        }
        let mut newest = self.newest.lock();
        let newest = newest.get_or_insert(TimeEntry { timestamp: -1, relative });
        if facts.max_timestamp > newest.timestamp {
            *newest = TimeEntry { timestamp: facts.max_timestamp, relative };
        }
        let entry = OffsetEntry { relative, position: u32::try_from(position).unwrap_or(u32::MAX) };
        if let Index::Memory(index) = &mut *self.index.write() {
            index.note(interval, entry, *newest, facts.size);
        }
    }

    /// Number of entries in the offset index while it is written.
    pub(crate) fn index_entries(&self) -> usize {
        match &*self.index.read() {
            Index::Memory(index) => index.offsets.len().max(index.times.len()),
            Index::Closed(_) => 0,
        }
    }

    /// Makes a segment found on disk one that is written, with its indexes in memory.
    pub(crate) fn reopen(&self, index: MemoryIndex) {
        *self.index.write() = Index::Memory(index);
    }

    /// The indexes as they are on disk, to be written on.
    pub(crate) fn load_index(&self) -> io::Result<MemoryIndex> {
        self.open_index()?.load()
    }

    /// The indexes wherever they are, to be written on.
    pub(crate) fn load_index_or_memory(&self) -> io::Result<MemoryIndex> {
        if let Index::Memory(index) = &mut *self.index.write() {
            return Ok(std::mem::take(index));
        }
        self.load_index()
    }

    pub(crate) fn set_newest(&self, newest: TimeEntry) {
        *self.newest.lock() = Some(newest);
    }

    /// Largest timestamp in the segment and the offset it is at; what is not known comes from the
    /// time index.
    pub(crate) fn newest(&self) -> io::Result<TimeEntry> {
        let mut newest = self.newest.lock();
        if let Some(known) = *newest {
            return Ok(known);
        }
        let none = TimeEntry { timestamp: -1, relative: 0 };
        let last = match &*self.index.read() {
            Index::Memory(index) => index.times.last().copied(),
            Index::Closed(_) => None,
        };
        let last = match last {
            Some(last) => Some(last),
            None => self.open_index()?.last_time()?,
        };
        Ok(*newest.insert(last.unwrap_or(none)))
    }

    /// The largest timestamp, or when the file last changed if its records have none.
    pub(crate) fn largest_timestamp(&self) -> io::Result<i64> {
        let newest = self.newest()?.timestamp;
        Ok(if newest >= 0 { newest } else { self.created_ms })
    }

    fn open_index(&self) -> io::Result<Arc<FileIndex>> {
        if let Index::Closed(Some(index)) = &*self.index.read() {
            return Ok(Arc::clone(index));
        }
        let disk = &*self.place.disk;
        let index = Arc::new(FileIndex {
            offsets: EntryFile::open(disk, &self.path(INDEX_SUFFIX), OFFSET_ENTRY_BYTES)?,
            times: EntryFile::open(disk, &self.path(TIME_INDEX_SUFFIX), TIME_ENTRY_BYTES)?,
        });
        if let Index::Closed(slot) = &mut *self.index.write() {
            *slot = Some(Arc::clone(&index));
        }
        Ok(index)
    }

    /// Writes the indexes to their files and leaves them there: the segment is closed. Says whether
    /// there was something to write.
    pub(crate) fn write_index(&self, durable: Durable) -> io::Result<bool> {
        if matches!(&*self.index.read(), Index::Closed(_)) {
            return Ok(false);
        }
        let newest = *self.newest.lock();
        let mut index = self.index.write();
        let Index::Memory(memory) = &mut *index else { return Ok(false) };
        if let Some(newest) = newest {
            memory.note_time(newest);
        }
        let disk = &*self.place.disk;
        let paths = (&*self.path(INDEX_SUFFIX), &*self.path(TIME_INDEX_SUFFIX));
        memory.write(disk, paths, durable)?;
        *index = Index::Closed(None);
        Ok(true)
    }

    /// A position at or before the batch that holds `offset`.
    pub(crate) fn floor_position(&self, offset: i64) -> io::Result<u64> {
        let Some(relative) = self.relative(offset) else { return Ok(0) };
        if let Index::Memory(index) = &*self.index.read() {
            let after = index.offsets.partition_point(|entry| entry.relative <= relative);
            return Ok(after.checked_sub(1).map_or(0, |at| index.offsets[at].position.into()));
        }
        Ok(self.open_index()?.floor_offset(relative)?.map_or(0, |entry| entry.position.into()))
    }

    /// The last offset of an indexed batch at or beyond a position; none if no such is indexed.
    pub(crate) fn ceiling_offset(&self, position: u64) -> io::Result<Option<i64>> {
        let entry = if let Index::Memory(index) = &*self.index.read() {
            let at = index.offsets.partition_point(|entry| u64::from(entry.position) < position);
            return Ok(index.offsets.get(at).map(|e| self.base_offset + i64::from(e.relative)));
        } else {
            self.open_index()?.ceiling_position(position)?
        };
        Ok(entry.map(|entry| self.base_offset + i64::from(entry.relative)))
    }

    /// An offset at or before the first record that is at or after `timestamp`.
    pub(crate) fn floor_time(&self, timestamp: i64) -> io::Result<i64> {
        if let Index::Memory(index) = &*self.index.read() {
            let after = index.times.partition_point(|entry| entry.timestamp < timestamp);
            let relative = after.checked_sub(1).map_or(0, |at| index.times[at].relative);
            return Ok(self.base_offset + i64::from(relative));
        }
        let floor = self.open_index()?.floor_time(timestamp)?;
        Ok(self.base_offset + floor.map_or(0, |entry| i64::from(entry.relative)))
    }

    /// The first batch whose last offset is at or after `offset`.
    pub(crate) fn find(&self, offset: i64) -> Result<Option<Found>, ReadError> {
        let from = self.floor_position(offset)?;
        let file = &**self.file()?;
        let walk = walk_headers(file, from, self.size(), |position, facts| {
            if facts.last_offset >= offset {
                std::ops::ControlFlow::Break(Found { position, facts: *facts })
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })?;
        walk.map_err(|(position, error)| ReadError::Corrupt {
            segment: self.base_offset,
            position,
            error,
        })
    }

    pub(crate) fn truncate_index(&self, end: i64) {
        let Some(relative) = self.relative(end) else { return };
        *self.newest.lock() = None;
        if let Index::Memory(index) = &mut *self.index.write() {
            index.truncate(relative);
        }
    }
}
