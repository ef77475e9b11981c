//! The index of aborted transactions (`.txnindex`), in Kafka's format: entries of version (0, i16),
//! producer id, first offset, last offset, last stable offset (i64 each), big endian, in the order
//! of the markers.
//!
//! Cost: one write per aborted transaction; a segment without any has no file, and a reader looks
//! at one number. A look-up is a binary search of positioned reads.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use klamm_env::{File, disk::Open};
use klamm_transactions::Completed;

use crate::{Log, Slice, names::TXN_INDEX_SUFFIX, segment::Segment};

/// Size of an entry, bytes.
pub(crate) const ENTRY_BYTES: u64 = 2 + 4 * 8;

/// Entries read at once.
const CHUNK: usize = 128;

/// A transaction whose records `read_committed` readers must pass over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Producer id.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// Up to where all transactions were decided when the marker was written.
    pub last_stable_offset: i64,
}

impl From<Completed> for AbortedTransaction {
    fn from(of: Completed) -> Self {
        Self {
            producer_id: of.producer_id,
            first_offset: of.first_offset,
            last_offset: of.last_offset,
            last_stable_offset: of.last_stable_offset,
        }
    }
}

impl AbortedTransaction {
    fn to_bytes(self) -> [u8; ENTRY_BYTES as usize] {
        let mut bytes = [0; ENTRY_BYTES as usize];
        let numbers =
            [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (place, number) in bytes[2..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = bytes.get(2 + 8 * at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(-1, |bytes| i64::from_be_bytes(*bytes))
        };
        Self {
            producer_id: number(0),
            first_offset: number(1),
            last_offset: number(2),
            last_stable_offset: number(3),
        }
    }
}

/// The entries as they stand in a file.
pub(crate) fn encode(transactions: &[AbortedTransaction]) -> Vec<u8> {
    transactions.iter().flat_map(|of| of.to_bytes()).collect()
}

/// The index of one segment.
#[derive(Debug, Default)]
pub(crate) struct TxnIndex {
    /// Size of the file in bytes; nothing is asked of the disk while it is zero.
    len: AtomicU64,
    file: OnceLock<Arc<dyn File>>,
}

impl TxnIndex {
    /// One that was found on disk with this size, bytes.
    pub(crate) fn found(len: u64) -> Self {
        Self { len: AtomicU64::new(len), file: OnceLock::new() }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }
}

impl Segment {
    fn txn_file(&self) -> io::Result<&Arc<dyn File>> {
        if let Some(file) = self.txn_index.file.get() {
            return Ok(file);
        }
        let file = self.place.disk.open(&self.path(TXN_INDEX_SUFFIX), Open::Create)?;
        Ok(self.txn_index.file.get_or_init(|| file))
    }

    /// Adds an aborted transaction whose marker is, or is about to be, in this segment. Says whether
    /// the file is new.
    pub(crate) fn add_aborted(&self, aborted: AbortedTransaction) -> io::Result<bool> {
        let len = self.txn_index.len();
        self.txn_file()?.write_all_at(&[IoSlice::new(&aborted.to_bytes())], len)?;
        self.txn_index.len.store(len + ENTRY_BYTES, Ordering::Release);
        Ok(len == 0)
    }

    /// Forgets aborted transactions whose marker is at or beyond `offset`.
    pub(crate) fn truncate_aborted(&self, offset: i64) -> io::Result<()> {
        let len = self.txn_index.len();
        if len == 0 {
            return Ok(());
        }
        let kept = self.first_aborted_from(offset, Wait::Yes)?.unwrap_or(0) * ENTRY_BYTES;
        if kept < len {
            self.txn_index.len.store(kept, Ordering::Release);
            self.txn_file()?.set_len(kept)?;
        }
        Ok(())
    }

    /// Forgets all aborted transactions, to index the segment anew.
    pub(crate) fn clear_aborted(&self) -> io::Result<()> {
        if self.place.disk.exists(&self.path(TXN_INDEX_SUFFIX)) {
            self.txn_index.len.store(0, Ordering::Release);
            self.txn_file()?.set_len(0)?;
        }
        Ok(())
    }

    /// Opens the index, for when its name goes to another segment's.
    pub(crate) fn keep_aborted_open(&self) -> io::Result<()> {
        if self.txn_index.len() > 0 {
            self.txn_file()?;
        }
        Ok(())
    }

    pub(crate) fn sync_aborted(&self) -> io::Result<()> {
        if self.txn_index.len() > 0 || self.txn_index.file.get().is_some() {
            self.txn_file()?.sync()?;
        }
        Ok(())
    }

    fn read_aborted(&self, buf: &mut [u8], at: u64, wait: Wait) -> io::Result<Option<usize>> {
        let file = self.txn_file()?;
        match wait {
            Wait::Yes => file.read_at(buf, at).map(Some),
            Wait::No => file.try_read_at(buf, at),
        }
    }

    /// The number of entries, from the first on, whose marker is before `offset`.
    fn first_aborted_from(&self, offset: i64, wait: Wait) -> io::Result<Option<u64>> {
        let (mut low, mut high) = (0, self.txn_index.len() / ENTRY_BYTES);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut entry = [0; ENTRY_BYTES as usize];
            if self.read_aborted(&mut entry, middle * ENTRY_BYTES, wait)?.is_none() {
                return Ok(None);
            }
            let is_before = AbortedTransaction::from_bytes(&entry).last_offset < offset;
            if is_before { low = middle + 1 } else { high = middle }
        }
        Ok(Some(low))
    }

    /// Adds the transactions that overlap the offsets from `from` up to before `upper`. Says whether
    /// later segments may have more; nothing if the disk would have to be waited for.
    fn collect_aborted(
        &self,
        from: i64,
        upper: i64,
        wait: Wait,
        found: &mut Vec<AbortedTransaction>,
    ) -> io::Result<Option<bool>> {
        if self.txn_index.len() == 0 {
            return Ok(Some(true));
        }
        let Some(first) = self.first_aborted_from(from, wait)? else { return Ok(None) };
        let mut at = first * ENTRY_BYTES;
        let mut chunk = vec![0; CHUNK * ENTRY_BYTES as usize];
        loop {
            let left = usize::try_from(self.txn_index.len().saturating_sub(at)).unwrap_or(0);
            let want = left.min(chunk.len());
            let read = self.read_aborted(&mut chunk[..want], at, wait)?;
            let Some(read) = read else { return Ok(None) };
            let whole = read - read % ENTRY_BYTES as usize;
            if whole == 0 {
                return Ok(Some(true));
            }
            for entry in chunk[..whole].chunks_exact(ENTRY_BYTES as usize) {
                let entry = AbortedTransaction::from_bytes(entry);
                if entry.first_offset < upper {
                    found.push(entry);
                }
                if entry.last_stable_offset >= upper {
                    return Ok(Some(false));
                }
            }
            at += whole as u64;
        }
    }
}

/// Whether the disk may be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// On the disk's threads.
    Yes,
    /// On an async worker.
    No,
}

impl Log {
    /// The aborted transactions of which records may be in what was read from `from` on, below
    /// `upper`, which is not beyond the last stable offset. Nothing if the disk would have to be
    /// waited for.
    ///
    /// Cost: one number per segment from there on, if nothing was aborted.
    ///
    /// # Errors
    /// The disk failed.
    pub fn aborted_transactions(
        &self,
        from: i64,
        slice: &Slice,
        upper: i64,
        wait: Wait,
    ) -> io::Result<Option<Vec<AbortedTransaction>>> {
        let segments = self.segments.load();
        let mut found = Vec::new();
        let after = &segments[Self::segment_index(&segments, from)..];
        if after.iter().all(|segment| segment.txn_index.len() == 0) {
            return Ok(Some(found));
        }
        let upper = bound_of(after, slice, upper)?;
        for segment in after {
            match segment.collect_aborted(from, upper, wait, &mut found)? {
                None => return Ok(None),
                Some(true) => {}
                Some(false) => break,
            }
        }
        Ok(Some(found))
    }
}

impl Log {
    /// The aborted transactions that overlap the offsets from `from` up to before `to`; blocks.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn aborted_between(
        &self,
        from: i64,
        to: i64,
    ) -> io::Result<Vec<AbortedTransaction>> {
        let segments = self.segments.load();
        let mut found = Vec::new();
        for segment in &segments[Self::segment_index(&segments, from)..] {
            if segment.collect_aborted(from, to, Wait::Yes, &mut found)? == Some(false) {
                break;
            }
        }
        Ok(found)
    }
}

/// An offset, not beyond `upper`, below which all records of the slice are.
fn bound_of(segments: &[Arc<Segment>], slice: &Slice, upper: i64) -> io::Result<i64> {
    let Some(at) = segments.iter().position(|segment| segment.base_offset == slice.segment) else {
        return Ok(upper);
    };
    let next = segments.get(at + 1).map_or(i64::MAX, |next| next.base_offset);
    let indexed = segments[at].ceiling_offset(slice.position + slice.len)?;
    Ok(upper.min(next).min(indexed.map_or(i64::MAX, |last| last + 1)))
}
