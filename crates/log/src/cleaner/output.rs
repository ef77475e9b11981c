//! Writing the segment that takes the place of a group: beside the log, under `.cleaned` names.

use std::{io, io::IoSlice, path::PathBuf, sync::Arc};

use klamm_env::{File, disk::Open};
use klamm_planted::planted;

use crate::{
    LogConfig,
    flush::Durable,
    index::{MemoryIndex, OffsetEntry, TimeEntry},
    names::{
        CLEANED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, file_name,
    },
    scan::{Facts, facts},
    segment::{Made, Place},
    txn_index::{self, AbortedTransaction},
};

/// A segment being written.
#[derive(Debug)]
pub(crate) struct Output {
    place: Arc<Place>,
    file: Arc<dyn File>,
    base_offset: i64,
    interval: u64,
    buf: Vec<u8>,
    /// Bytes in the file, without those in the buffer.
    written: u64,
    index: MemoryIndex,
    newest: TimeEntry,
    first_timestamp: i64,
    aborted: Vec<AbortedTransaction>,
}

/// The files of a segment, in the order in which they are renamed: who finds the log finds all.
pub(crate) const SUFFIXES: [&str; 4] =
    [TXN_INDEX_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, LOG_SUFFIX];

/// The path of a file of the segment at `base_offset` that is not in the log yet.
pub(crate) fn path(place: &Place, base_offset: i64, suffix: &str, extra: &str) -> PathBuf {
    place.file(&(file_name(base_offset, suffix) + extra))
}

impl Output {
    /// Begins a segment; what an earlier attempt left is cleared.
    pub(crate) fn begin(
        place: &Arc<Place>,
        base_offset: i64,
        config: &LogConfig,
    ) -> io::Result<Self> {
        for suffix in SUFFIXES {
            let left = path(place, base_offset, suffix, CLEANED_SUFFIX);
            if place.disk.exists(&left) {
                place.disk.remove_file(&left)?;
            }
        }
        let log = path(place, base_offset, LOG_SUFFIX, CLEANED_SUFFIX);
        Ok(Self {
            place: Arc::clone(place),
            file: place.disk.open(&log, Open::Create)?,
            base_offset,
            interval: config.index_interval_bytes,
            buf: Vec::new(),
            written: 0,
            index: MemoryIndex::default(),
            newest: TimeEntry { timestamp: -1, relative: 0 },
            first_timestamp: -1,
            aborted: Vec::new(),
        })
    }

    /// Bytes of the segment so far.
    pub(crate) fn size(&self) -> u64 {
        self.written + self.buf.len() as u64
    }

    /// Adds a batch.
    pub(crate) fn push(&mut self, batch: &[u8]) -> io::Result<()> {
        let facts = facts(batch).map_err(invalid)?;
        let position = u32::try_from(self.size()).map_err(|_| invalid("it exceeds 4 GiB"))?;
        let relative = facts.last_offset.checked_sub(self.base_offset);
        let relative = relative.and_then(|r| u32::try_from(r).ok());
        let relative = relative.ok_or_else(|| invalid("an offset is too far from its base"))?;
        self.note(position, relative, &facts);
        self.buf.extend_from_slice(batch);
        Ok(())
    }

    fn note(&mut self, position: u32, relative: u32, facts: &Facts) {
        if position == 0 {
            self.first_timestamp = facts.max_timestamp;
        }
        if facts.max_timestamp > self.newest.timestamp {
            self.newest = TimeEntry { timestamp: facts.max_timestamp, relative };
        }
        let entry = OffsetEntry { relative, position };
        self.index.note(self.interval, entry, self.newest, facts.size);
    }

    /// Adds to the index of aborted transactions.
    pub(crate) fn abort(&mut self, transactions: &[AbortedTransaction]) {
        self.aborted.extend_from_slice(transactions);
    }

    /// Writes what is buffered; says how many bytes it was.
    pub(crate) fn flush(&mut self) -> io::Result<u64> {
        let size = self.buf.len() as u64;
        self.file.write_all_at(&[IoSlice::new(&self.buf)], self.written)?;
        self.written += size;
        self.buf.clear();
        Ok(size)
    }

    /// Makes all of it durable, with the time of its last change set to `modified_ms`.
    pub(crate) fn finish(mut self, modified_ms: i64) -> io::Result<Made> {
        self.flush()?;
        self.index.note_time(self.newest);
        let file = |suffix| path(&self.place, self.base_offset, suffix, CLEANED_SUFFIX);
        let disk = &*self.place.disk;
        let paths = (&*file(INDEX_SUFFIX), &*file(TIME_INDEX_SUFFIX));
        self.index.write(disk, paths, Durable::AtOnce)?;
        let entries = txn_index::encode(&self.aborted);
        if !entries.is_empty() {
            let aborted = disk.open(&file(TXN_INDEX_SUFFIX), Open::Create)?;
            aborted.write_all_at(&[IoSlice::new(&entries)], 0)?;
            aborted.sync()?;
        }
        if !planted("cleaned-not-synced") {
            self.file.sync()?;
        }
        if modified_ms >= 0 {
            self.file.set_modified_ms(modified_ms)?;
        }
        Ok(Made {
            base_offset: self.base_offset,
            size: self.written,
            modified_ms,
            newest: self.newest,
            first_timestamp: self.first_timestamp,
            aborted_bytes: entries.len() as u64,
        })
    }

    /// Clears away what was written: it is not needed.
    pub(crate) fn discard(self) {
        for suffix in SUFFIXES {
            let left = path(&self.place, self.base_offset, suffix, CLEANED_SUFFIX);
            if self.place.disk.exists(&left) {
                // What stays is cleared by the next attempt, or the next start.
                drop(self.place.disk.remove_file(&left));
            }
        }
    }
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
