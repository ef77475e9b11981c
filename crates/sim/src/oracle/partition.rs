//! What is known of one partition.
//!
//! Invariants of the model:
//! - `known` holds what was acknowledged or seen at an offset. An entry that may have been lost is
//!   soft, until it is seen again. A log only loses its end: if one soft entry is lost, so are all
//!   above it.
//! - An entry is durable if no power loss can take it.

use std::collections::{BTreeMap, BTreeSet};

/// A record: the batch it was sent in, and its place there.
pub(crate) type RecordId = (u64, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: RecordId,
    pub(crate) durable: bool,
    pub(crate) soft: bool,
}

/// The format of a batch on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    /// Messages without timestamps and headers.
    V0,
    /// Messages without headers.
    V1,
    V2,
}

impl Format {
    pub(crate) fn magic(self) -> i8 {
        self as i8
    }
}

/// A batch as it was sent, perhaps more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) id: u64,
    pub(crate) count: u32,
    /// Producer id, epoch and first sequence number.
    pub(crate) producer: Option<(i64, i16, i32)>,
    pub(crate) format: Format,
    /// Milliseconds since the epoch, of every record.
    pub(crate) timestamp: i64,
}

/// Whether every append is synced before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    No,
    /// Since the change of this number.
    Since(u64),
    Always,
}

/// What was known of a partition when something was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// How often a topic of this name had been made.
    pub(crate) era: u64,
    pub(crate) high_watermark: i64,
    pub(crate) start: i64,
    pub(crate) sync: Sync,
}

#[derive(Debug)]
pub(crate) struct PartitionModel {
    pub(crate) sync: Sync,
    /// Whether old records may go by themselves.
    pub(crate) retention: bool,
    pub(crate) known: BTreeMap<i64, Known>,
    pub(crate) sent: BTreeMap<u64, Batch>,
    /// How many requests that name the topic, not its id, may still append a batch.
    pub(crate) open: BTreeMap<u64, u32>,
    /// Batches that were sent once and refused.
    pub(crate) refused: BTreeSet<u64>,
    /// The largest high watermark that was shown and cannot have been lost.
    pub(crate) high_watermark: i64,
    /// The largest log start offset that was shown and cannot have been lost.
    pub(crate) start: i64,
    /// The largest offset that deletion was asked up to.
    pub(crate) start_asked: i64,
}

impl PartitionModel {
    pub(crate) fn new(sync: Sync, retention: bool) -> Self {
        Self {
            sync,
            retention,
            known: BTreeMap::new(),
            sent: BTreeMap::new(),
            open: BTreeMap::new(),
            refused: BTreeSet::new(),
            high_watermark: 0,
            start: 0,
            start_asked: 0,
        }
    }

    /// Notes that a record is at an offset. Gives the record that must be there instead, if so.
    pub(crate) fn note(&mut self, offset: i64, id: RecordId) -> Option<RecordId> {
        match self.known.get(&offset) {
            Some(known) if known.id != id && !known.soft => return Some(known.id),
            Some(known) if known.id != id => self.lose_from(offset),
            _ => {}
        }
        // Nothing follows for what is below: the same batch may have been sent again and have come
        // to the same place, after everything was lost.
        let known = self.known.entry(offset).or_insert(Known { id, durable: false, soft: false });
        known.soft = false;
        known.durable |= self.sync == Sync::Always;
        None
    }

    /// What was appended at the end was synced, and so was all before it.
    pub(crate) fn synced_to(&mut self, end: i64) {
        self.known.range_mut(..end).for_each(|(_, known)| known.durable |= !known.soft);
    }

    /// Everything that may have been lost, from `offset` on, was.
    pub(crate) fn lose_from(&mut self, offset: i64) {
        self.known.retain(|at, known| *at < offset || !known.soft);
    }

    /// The offset after the last record that must be there.
    pub(crate) fn hard_end(&self) -> i64 {
        let last = self.known.iter().rev().find(|(_, known)| !known.soft);
        last.map_or(0, |(offset, _)| offset + 1)
    }

    pub(super) fn stopped(&mut self) {
        self.known.values_mut().filter(|known| !known.soft).for_each(|known| known.durable = true);
    }

    pub(super) fn killed(&mut self) {
        // As in Kafka, what DeleteRecords did is durable with the next checkpoint.
        self.start = 0;
        self.open.clear();
    }

    pub(super) fn crashed(&mut self) {
        self.killed();
        self.known.values_mut().for_each(|known| known.soft |= !known.durable);
        if self.sync != Sync::Always {
            self.high_watermark = self.high_watermark.min(self.hard_end());
        }
    }
}
