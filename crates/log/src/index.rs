//! The sparse indexes of a segment, in Kafka's formats.
//!
//! - `.index`: entries of (offset minus base offset: u32, position: u32), big endian.
//! - `.timeindex`: entries of (timestamp: i64, offset minus base offset: u32), both ascending: all
//!   records at or before that offset have at most that timestamp.
//!
//! Cost: while a segment is written its indexes are in memory and an entry costs no system call;
//! they are written with the flush that closes the segment. After a crash they are made anew from
//! the log, as is all beyond the recovery point. In a closed segment a look-up is a binary search
//! of positioned reads.

use std::{io, path::Path, sync::Arc};

use klamm_env::{
    Disk, File,
    disk::{self, Open},
};

use crate::flush::Durable;

pub(crate) const OFFSET_ENTRY_BYTES: u64 = 8;
pub(crate) const TIME_ENTRY_BYTES: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative: u32,
    pub(crate) position: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative: u32,
}

/// The indexes of a segment that is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryIndex {
    pub(crate) offsets: Vec<OffsetEntry>,
    pub(crate) times: Vec<TimeEntry>,
    pub(crate) bytes_since_entry: u64,
}

impl MemoryIndex {
    /// Notes a batch; an entry is made if enough bytes were written since the last one.
    pub(crate) fn note(&mut self, interval: u64, entry: OffsetEntry, newest: TimeEntry, size: u64) {
        if self.bytes_since_entry > interval {
            self.offsets.push(entry);
            self.note_time(newest);
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += size;
    }

    pub(crate) fn note_time(&mut self, newest: TimeEntry) {
        let later = match self.times.last() {
            None => newest.timestamp >= 0,
            Some(last) => newest.timestamp > last.timestamp && newest.relative >= last.relative,
        };
        if later {
            self.times.push(newest);
        }
    }

    /// Forgets what is at or beyond a relative offset.
    pub(crate) fn truncate(&mut self, relative: u32) {
        self.offsets.retain(|entry| entry.relative < relative);
        self.times.retain(|entry| entry.relative < relative);
    }

    pub(crate) fn write(
        &self,
        disk: &dyn Disk,
        (offsets, times): (&Path, &Path),
        durable: Durable,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.offsets.len() * 8);
        for entry in &self.offsets {
            bytes.extend_from_slice(&entry.relative.to_be_bytes());
            bytes.extend_from_slice(&entry.position.to_be_bytes());
        }
        replace(disk, offsets, &bytes, durable)?;
        bytes.clear();
        for entry in &self.times {
            bytes.extend_from_slice(&entry.timestamp.to_be_bytes());
            bytes.extend_from_slice(&entry.relative.to_be_bytes());
        }
        replace(disk, times, &bytes, durable)
    }
}

fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8], durable: Durable) -> io::Result<()> {
    let file = disk.open(path, Open::Create)?;
    disk::replace_contents(&*file, bytes)?;
    if durable == Durable::AtOnce { file.sync() } else { Ok(()) }
}

/// The indexes of a closed segment.
#[derive(Debug)]
pub(crate) struct FileIndex {
    pub(crate) offsets: EntryFile,
    pub(crate) times: EntryFile,
}

/// A file of entries of one size, in ascending order.
#[derive(Debug)]
pub(crate) struct EntryFile {
    file: Arc<dyn File>,
    count: u64,
}

impl EntryFile {
    pub(crate) fn open(disk: &dyn Disk, path: &Path, entry_bytes: u64) -> io::Result<Self> {
        let file = disk.open(path, Open::Read)?;
        let mut this = Self { count: file.len()? / entry_bytes, file };
        this.trim_preallocated(entry_bytes)?;
        Ok(this)
    }

    /// Kafka preallocates the index of an active segment with zeros: they are no entries.
    fn trim_preallocated(&mut self, entry_bytes: u64) -> io::Result<()> {
        let zero = |this: &Self, at| -> io::Result<bool> {
            Ok(this.read::<12>(at, entry_bytes)?[..entry_bytes as usize].iter().all(|b| *b == 0))
        };
        if self.count == 0 || !zero(self, self.count - 1)? {
            return Ok(());
        }
        let (mut low, mut high) = (0, self.count - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if zero(self, middle)? { high = middle } else { low = middle + 1 }
        }
        self.count = low;
        Ok(())
    }

    fn read<const N: usize>(&self, at: u64, entry_bytes: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        let len = N.min(entry_bytes as usize);
        if self.file.read_at(&mut bytes[..len], at * entry_bytes)? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn offset_entry(&self, at: u64) -> io::Result<OffsetEntry> {
        let [a, b, c, d, e, f, g, h] = self.read::<8>(at, OFFSET_ENTRY_BYTES)?;
        Ok(OffsetEntry {
            relative: u32::from_be_bytes([a, b, c, d]),
            position: u32::from_be_bytes([e, f, g, h]),
        })
    }

    fn time_entry(&self, at: u64) -> io::Result<TimeEntry> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.read::<12>(at, TIME_ENTRY_BYTES)?;
        Ok(TimeEntry {
            timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            relative: u32::from_be_bytes([i, j, k, l]),
        })
    }

    fn all(&self, entry_bytes: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.count * entry_bytes).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        let read = self.file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The number of entries, from the first on, for which `before` holds.
    fn partition_point(&self, mut before: impl FnMut(u64) -> io::Result<bool>) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(middle)? { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

impl FileIndex {
    /// Sizes of the offset index and of the time index, bytes.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.offsets.count * OFFSET_ENTRY_BYTES, self.times.count * TIME_ENTRY_BYTES)
    }

    pub(crate) fn floor_offset(&self, relative: u32) -> io::Result<Option<OffsetEntry>> {
        let entries = &self.offsets;
        let after =
            entries.partition_point(|at| Ok(entries.offset_entry(at)?.relative <= relative))?;
        after.checked_sub(1).map(|at| entries.offset_entry(at)).transpose()
    }

    /// The first entry at or beyond a position.
    pub(crate) fn ceiling_position(&self, position: u64) -> io::Result<Option<OffsetEntry>> {
        let entries = &self.offsets;
        let before = |at| Ok(u64::from(entries.offset_entry(at)?.position) < position);
        let at = entries.partition_point(before)?;
        (at < entries.count).then(|| entries.offset_entry(at)).transpose()
    }

    pub(crate) fn floor_time(&self, timestamp: i64) -> io::Result<Option<TimeEntry>> {
        let entries = &self.times;
        let after =
            entries.partition_point(|at| Ok(entries.time_entry(at)?.timestamp < timestamp))?;
        after.checked_sub(1).map(|at| entries.time_entry(at)).transpose()
    }

    pub(crate) fn last_time(&self) -> io::Result<Option<TimeEntry>> {
        self.times.count.checked_sub(1).map(|at| self.times.time_entry(at)).transpose()
    }

    /// Reads all entries, to go on writing the segment.
    pub(crate) fn load(&self) -> io::Result<MemoryIndex> {
        let mut index = MemoryIndex::default();
        for entry in self.offsets.all(OFFSET_ENTRY_BYTES)?.chunks_exact(8) {
            let (relative, position) = entry.split_at(4);
            index.offsets.push(OffsetEntry { relative: be32(relative), position: be32(position) });
        }
        for entry in self.times.all(TIME_ENTRY_BYTES)?.chunks_exact(12) {
            let (timestamp, relative) = entry.split_at(8);
            let timestamp = timestamp.first_chunk().map_or(-1, |b| i64::from_be_bytes(*b));
            index.times.push(TimeEntry { timestamp, relative: be32(relative) });
        }
        Ok(index)
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |b| u32::from_be_bytes(*b))
}
