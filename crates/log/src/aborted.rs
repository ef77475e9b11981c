//! Kafka's index of aborted transactions (`.txnindex`), one per segment, as the cleaner reads and
//! writes it: entries of 34 bytes, by the offset of the marker.

use std::io;

use klamm_env::{Disk, disk};

use crate::{Log, names::TXN_INDEX_SUFFIX, segment::Segment};

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer's id.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// The last stable offset once the marker was written.
    pub last_stable_offset: i64,
}

const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;

/// The largest index read, bytes.
const INDEX_BYTES_MAX: u64 = 1 << 30;

/// The entries as they stand in the file.
pub(crate) fn encode(transactions: &[AbortedTransaction]) -> Vec<u8> {
    let mut out = Vec::with_capacity(transactions.len() * ENTRY_BYTES);
    for transaction in transactions {
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&transaction.producer_id.to_be_bytes());
        out.extend_from_slice(&transaction.first_offset.to_be_bytes());
        out.extend_from_slice(&transaction.last_offset.to_be_bytes());
        out.extend_from_slice(&transaction.last_stable_offset.to_be_bytes());
    }
    out
}

/// The entries of a file; a torn last one is left out.
pub(crate) fn decode(bytes: &[u8]) -> Vec<AbortedTransaction> {
    let number = |entry: &[u8], at: usize| {
        entry.get(at..).and_then(|rest| rest.first_chunk()).map_or(-1, |b| i64::from_be_bytes(*b))
    };
    let entry = |entry: &[u8]| AbortedTransaction {
        producer_id: number(entry, 2),
        first_offset: number(entry, 10),
        last_offset: number(entry, 18),
        last_stable_offset: number(entry, 26),
    };
    bytes.chunks_exact(ENTRY_BYTES).map(entry).collect()
}

fn of_segment(disk: &dyn Disk, segment: &Segment) -> io::Result<Vec<AbortedTransaction>> {
    let path = segment.path(TXN_INDEX_SUFFIX);
    if !disk.exists(&path) {
        return Ok(Vec::new());
    }
    Ok(decode(&disk::read_file(disk, &path, INDEX_BYTES_MAX)?))
}

impl Log {
    /// The aborted transactions that overlap `from..to`.
    ///
    /// # Errors
    /// An index cannot be read.
    pub(crate) fn aborted_between(
        &self,
        from: i64,
        to: i64,
    ) -> io::Result<Vec<AbortedTransaction>> {
        let segments = self.segments.load();
        let mut found = Vec::new();
        for segment in &segments[Self::segment_index(&segments, from)..] {
            for transaction in of_segment(&*self.place.disk, segment)? {
                if transaction.last_offset >= from && transaction.first_offset < to {
                    found.push(transaction);
                }
                if transaction.last_stable_offset >= to {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}
