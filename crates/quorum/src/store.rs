//! What raft has written, and how it finds it again: the log, the place of each entry in it, the
//! state file.
//!
//! Invariants:
//! - `places` has one element per entry behind the last snapshot, in order of raft's indexes, which
//!   have no gaps.
//! - Entries up to `written` are in the log; those after it are in `cache`.
//! - The state file is written after the log was synced, so its commit never points beyond the log.

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc};

use klamm_env::{Disk, Env, disk};
use klamm_log::{AppendError, AppendOptions, Log, Origin, ReadLimits};
use klamm_protocol::records::Batches;
use raft::{
    GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
};

use crate::{
    batch::{self, Leadership},
    checkpoint::Checkpoint,
    state_file::{Place, State},
};

/// Bytes of entries that are appended with one write.
const WRITE_BYTES: usize = 4 << 20;

/// Bytes read at once from the log.
pub(crate) const READ_BYTES: u64 = 1 << 20;

/// How many old snapshots stay beside the newest.
const OLD_CHECKPOINTS: usize = 1;

/// Term and end of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryPlace {
    pub(crate) term: u64,
    pub(crate) end_offset: i64,
}

/// The metadata log as raft's storage.
pub(crate) struct Store {
    pub(crate) env: Env,
    pub(crate) dir: PathBuf,
    pub(crate) log: Arc<Log>,
    pub(crate) state: State,
    pub(crate) places: VecDeque<EntryPlace>,
    /// The newest entries, the last of them at `last_index`.
    pub(crate) cache: VecDeque<Entry>,
    /// Index of the last entry that is in the log.
    pub(crate) written: u64,
    /// Whether the state file has to be written.
    pub(crate) dirty: bool,
    /// Whether old segments and snapshots may go after the next sync.
    pub(crate) compacted: bool,
}

/// What a sync is about to make durable; runs on the disk's threads.
pub(crate) struct SyncJob {
    log: Arc<Log>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    state: Option<State>,
    compacted: bool,
    now_ms: i64,
}

impl SyncJob {
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.log.flush_now()?;
        if let Some(mut state) = self.state.take() {
            state.durable_offset = self.log.recovery_point();
            state.store(&*self.disk, &self.dir)?;
            if self.compacted {
                self.compact(state.snapshot.end_offset)?;
            }
        }
        Ok(())
    }

    /// Deletes the segments and snapshots that the newest snapshot makes superfluous.
    fn compact(&self, end_offset: i64) -> io::Result<()> {
        self.log.advance_start_offset(end_offset);
        for file in self.log.delete_old_segments(self.now_ms, end_offset)? {
            self.disk.remove_file(&file)?;
        }
        let entries = self.disk.list(&self.dir)?;
        let known = entries.iter().filter_map(|entry| Checkpoint::from_file_name(&entry.name));
        let mut old: Vec<_> = known.filter(|known| known.end_offset < end_offset).collect();
        old.sort_unstable();
        for gone in old.iter().rev().skip(OLD_CHECKPOINTS) {
            self.disk.remove_file(&gone.path(&self.dir))?;
        }
        Ok(())
    }
}

impl Store {
    pub(crate) fn first(&self) -> u64 {
        self.state.snapshot.index + 1
    }

    pub(crate) fn last(&self) -> u64 {
        self.state.snapshot.index + self.places.len() as u64
    }

    /// The place of an entry, or of the snapshot.
    pub(crate) fn place(&self, index: u64) -> Option<EntryPlace> {
        let snapshot = self.state.snapshot;
        if index == snapshot.index {
            return Some(EntryPlace { term: snapshot.term, end_offset: snapshot.end_offset });
        }
        let at = usize::try_from(index.checked_sub(self.first())?).ok()?;
        self.places.get(at).copied()
    }

    /// Offset after the last entry, written or not.
    pub(crate) fn end_offset(&self) -> i64 {
        self.places.back().map_or(self.state.snapshot.end_offset, |place| place.end_offset)
    }

    /// Takes entries over from raft. Those at or behind the first of them that are there already
    /// were never committed and go.
    pub(crate) fn take(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first().map(|entry| entry.index) else { return };
        let keep = usize::try_from(first.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.places.truncate(keep);
        while self.cache.back().is_some_and(|entry| entry.index >= first) {
            self.cache.pop_back();
        }
        self.written = self.written.min(first - 1);
        for entry in entries {
            let end_offset = self.end_offset() + batch::record_count(&entry);
            self.places.push_back(EntryPlace { term: entry.term, end_offset });
            self.cache.push_back(entry);
        }
    }

    /// Appends to the log what is not there yet. The records are in the page cache then.
    pub(crate) fn write(&mut self, leader: i32) -> Result<(), AppendError> {
        let keep = self.place(self.written).map_or(0, |place| place.end_offset);
        if keep < self.log.end_offset() {
            let cut = self.log.truncate_to(keep);
            cut.map_err(|error| AppendError::Io(io::Error::other(error.to_string())))?;
        }
        let voters: Vec<i32> = self.state.conf.voters.iter().map(|id| node_id(*id)).collect();
        let now_ms = self.env.clock.now_ms();
        let leadership = Leadership { leader, voters: &voters, now_ms };
        while self.written < self.last() {
            self.write_some(&leadership)?;
        }
        Ok(())
    }

    /// Appends entries of one term, as many as one write takes.
    fn write_some(&mut self, leadership: &Leadership<'_>) -> Result<(), AppendError> {
        let mut bytes = Vec::new();
        let mut last = self.written;
        let mut term = None;
        let limit = WRITE_BYTES.min(self.batch_bytes_max());
        for entry in self.cache.iter().filter(|entry| entry.index > self.written) {
            let batch = batch::of_entry(entry, leadership);
            let batch = batch.map_err(|error| AppendError::Invalid(error.to_string()))?;
            let full = !bytes.is_empty() && bytes.len() + batch.len() > limit;
            if full || *term.get_or_insert(entry.term) != entry.term {
                break;
            }
            bytes.extend(batch);
            last = entry.index;
        }
        let epoch = term.and_then(|term| i32::try_from(term).ok());
        let epoch = epoch.ok_or_else(|| AppendError::Invalid("no epoch".to_owned()))?;
        let options = AppendOptions::new(Origin::Coordinator, epoch, leadership.now_ms);
        self.log.append(&mut bytes, &options)?;
        self.written = last;
        Ok(())
    }

    /// The largest batch that a segment takes, bytes.
    pub(crate) fn batch_bytes_max(&self) -> usize {
        usize::try_from(self.log.config().segment_bytes).unwrap_or(usize::MAX)
    }

    /// The work that makes everything written so far durable.
    pub(crate) fn sync_job(&mut self) -> SyncJob {
        let dirty = std::mem::take(&mut self.dirty);
        let compacted = std::mem::take(&mut self.compacted);
        SyncJob {
            log: Arc::clone(&self.log),
            disk: Arc::clone(&self.env.disk),
            dir: self.dir.clone(),
            state: dirty.then(|| self.state.clone()),
            compacted,
            now_ms: self.env.clock.now_ms(),
        }
    }

    /// Notes raft's hard state; it has to be durable only if the term or the vote changed.
    pub(crate) fn set_hard_state(&mut self, hard: HardState) {
        let old = &self.state.hard;
        self.dirty |= (old.term, old.vote) != (hard.term, hard.vote);
        self.state.hard = hard;
    }

    pub(crate) fn set_conf_state(&mut self, conf: ConfState) {
        self.state.conf = conf;
        self.dirty = true;
    }

    /// Forgets entries in memory that are written and applied.
    pub(crate) fn trim(&mut self, applied: u64) {
        let done = applied.min(self.written);
        while self.cache.front().is_some_and(|entry| entry.index <= done) {
            self.cache.pop_front();
        }
    }

    /// A snapshot up to `place` is durable: the log begins behind it.
    pub(crate) fn compact(&mut self, place: Place) {
        let count = usize::try_from(place.index.saturating_sub(self.state.snapshot.index));
        let count = count.unwrap_or(usize::MAX).min(self.places.len());
        self.places.drain(..count);
        self.state.snapshot = place;
        self.trim(place.index);
        self.dirty = true;
        self.compacted = true;
    }

    /// Entries from the log, up to a number of bytes but one at least.
    fn read(&self, low: u64, high: u64, bytes_max: u64) -> Result<Vec<Entry>, String> {
        let before = self.place(low - 1).ok_or("compacted")?;
        let mut offset = before.end_offset;
        let mut index = low;
        let mut size = 0;
        let mut entries = Vec::new();
        while index < high && (entries.is_empty() || size < bytes_max) {
            let bytes = read_batches(&self.log, offset)?;
            let before = index;
            for found in Batches::new(&bytes) {
                let found = found.map_err(|error| error.to_string())?;
                let view = found.batch().map_err(|error| error.to_string())?;
                let enough = !entries.is_empty() && size + found.size_in_bytes() as u64 > bytes_max;
                if view.base_offset() >= offset && index < high && !enough {
                    entries.push(batch::to_entry(found.bytes(), index)?);
                    offset = view.next_offset();
                    size += found.size_in_bytes() as u64;
                    index += 1;
                }
            }
            if index == before {
                break;
            }
        }
        Ok(entries)
    }
}

/// Whole batches of the log from `offset` on; empty at its end.
pub(crate) fn read_batches(log: &Log, offset: i64) -> Result<Vec<u8>, String> {
    let limits = ReadLimits { bytes_max: READ_BYTES, upper: i64::MAX, first_whole: true };
    let slice = log.read(offset, &limits).map_err(|error| error.to_string())?;
    let Some(file) = slice.file else { return Ok(Vec::new()) };
    let mut bytes = vec![0; usize::try_from(slice.len).map_err(|error| error.to_string())?];
    let read = file.read_at(&mut bytes, slice.position).map_err(|error| error.to_string())?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Raft knows nodes by numbers above 0, Kafka from 0 on.
pub(crate) fn raft_id(node: i32) -> u64 {
    u64::from(node.unsigned_abs()) + 1
}

/// The node of a raft id.
pub(crate) fn node_id(raft: u64) -> i32 {
    i32::try_from(raft.saturating_sub(1)).unwrap_or(i32::MAX)
}

fn unavailable(error: String) -> raft::Error {
    tracing::error!("the metadata log cannot be read: {error}");
    raft::Error::Store(StorageError::Other(error.into()))
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.state.hard.clone(), self.state.conf.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let cached = self.cache.front().map_or(u64::MAX, |entry| entry.index);
        if low < cached {
            return self.read(low, high.min(cached), max_size).map_err(unavailable);
        }
        let skip = usize::try_from(low - cached).unwrap_or(usize::MAX);
        let mut size = 0;
        let fits = |entry: &&Entry| {
            let first = size == 0;
            size += entry.data.len() as u64 + 1;
            entry.index < high && (first || size <= max_size)
        };
        Ok(self.cache.iter().skip(skip).take_while(fits).cloned().collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let missing =
            if index < self.first() { StorageError::Compacted } else { StorageError::Unavailable };
        self.place(index).map(|place| place.term).ok_or(raft::Error::Store(missing))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Snapshots go to peers outside of raft's messages; there are none to send them to yet.
    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}

/// Whether the directory has anything of a metadata log in it.
pub(crate) fn is_fresh(disk: &dyn Disk, dir: &std::path::Path) -> io::Result<bool> {
    if !disk.exists(dir) {
        return Ok(true);
    }
    let log = |entry: &disk::Entry| entry.name.ends_with(".log") && entry.len > 0;
    Ok(!disk.list(dir)?.iter().any(log))
}
