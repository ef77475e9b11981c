//! The producer state of one partition (Kafka's idempotent producer, KIP-98 and KIP-360).
//!
//! Invariants:
//! - An entry remembers at most [`REMEMBERED_MAX`] batches, all of its current epoch, in the order
//!   of their offsets.
//! - `check` changes nothing; `apply` is total. Applying the batches of a log in order gives the
//!   state that the leader had when it appended them.

use std::collections::{BTreeMap, VecDeque};

/// How many batches per producer are remembered to recognise a retry: an idempotent producer has
/// at most five requests in flight.
pub const REMEMBERED_MAX: usize = 5;

const NO_SEQUENCE: i32 = -1;
const NO_EPOCH: i16 = -1;

/// The facts of one record batch that carries a producer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Producer id, not negative.
    pub producer_id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence number of the first record.
    pub first_sequence: i32,
    /// Number of records minus one.
    pub offset_delta: i32,
    /// Offset of the last record; not looked at by [`Producers::check`].
    pub last_offset: i64,
    /// Largest timestamp, milliseconds since the epoch.
    pub timestamp: i64,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
}

impl Batch {
    fn last_sequence(&self) -> i32 {
        increment(self.first_sequence, self.offset_delta)
    }
}

/// The end of a transaction as its marker in the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers {
    /// Producer id.
    pub producer_id: i64,
    /// Producer epoch the coordinator wrote with.
    pub epoch: i16,
    /// Epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
    /// Timestamp of the marker.
    pub timestamp: i64,
}

/// A batch that was appended and is still remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Number of records minus one.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: i64,
}

impl Remembered {
    /// Sequence number of its first record.
    pub fn first_sequence(&self) -> i32 {
        decrement(self.last_sequence, self.offset_delta)
    }

    /// Offset of its first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// What a partition knows of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Current epoch; -1 if only unknown.
    pub epoch: i16,
    /// The last batches of this epoch, oldest first.
    pub batches: VecDeque<Remembered>,
    /// When it last wrote, milliseconds since the epoch.
    pub last_timestamp: i64,
    /// Epoch of the coordinator whose marker came last; -1 if none.
    pub coordinator_epoch: i32,
    /// Where its open transaction began in this partition.
    pub transaction_start: Option<i64>,
}

impl Entry {
    /// Sequence number of the last record, -1 if none is remembered.
    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn new() -> Self {
        Self {
            epoch: NO_EPOCH,
            batches: VecDeque::new(),
            last_timestamp: -1,
            coordinator_epoch: -1,
            transaction_start: None,
        }
    }

    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Append,
    /// It is a retry of this batch: answer as then, append nothing.
    Duplicate(Remembered),
}

/// Why a batch must not be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Kafka's `INVALID_PRODUCER_EPOCH`: the producer is fenced and must ask for a new epoch.
    #[error("epoch {given} of producer {producer_id} is older than its last seen epoch {current}")]
    Fenced {
        /// Producer id.
        producer_id: i64,
        /// Epoch of the batch.
        given: i16,
        /// Epoch last seen.
        current: i16,
    },
    /// Kafka's `OUT_OF_ORDER_SEQUENCE_NUMBER`: records before this batch are missing.
    #[error(
        "out of order sequence number for producer {producer_id}: {given} incoming, \
         {last} current end sequence"
    )]
    OutOfOrder {
        /// Producer id.
        producer_id: i64,
        /// First sequence of the batch.
        given: i32,
        /// Last sequence appended, -1 if none.
        last: i32,
    },
    /// Kafka's `INVALID_TXN_STATE`: a batch outside of the producer's open transaction.
    #[error("expected a transactional write from producer {producer_id}")]
    NotInTransaction {
        /// Producer id.
        producer_id: i64,
    },
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    entries: BTreeMap<i64, Entry>,
    /// Open transactions by where they began.
    open: BTreeMap<i64, i64>,
}

impl Producers {
    /// Decides about a batch that a client sent.
    ///
    /// # Errors
    /// The batch must be refused with the Kafka error that the [`Refusal`] names.
    pub fn check(&self, batch: &Batch) -> Result<Verdict, Refusal> {
        let Some(entry) = self.entries.get(&batch.producer_id) else {
            return Ok(Verdict::Append);
        };
        if let Some(same) = entry.duplicate_of(batch) {
            return Ok(Verdict::Duplicate(same));
        }
        entry.check_epoch(batch)?;
        entry.check_sequence(batch)?;
        if entry.transaction_start.is_some() && !batch.transactional {
            return Err(Refusal::NotInTransaction { producer_id: batch.producer_id });
        }
        Ok(Verdict::Append)
    }

    /// Notes a batch that is in the log.
    pub fn apply(&mut self, batch: &Batch) {
        let entry = self.entries.entry(batch.producer_id).or_insert_with(Entry::new);
        entry.enter_epoch(batch.epoch);
        if entry.batches.len() == REMEMBERED_MAX {
            entry.batches.pop_front();
        }
        entry.batches.push_back(Remembered {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset,
            offset_delta: batch.offset_delta,
            timestamp: batch.timestamp,
        });
        entry.last_timestamp = batch.timestamp;
        if batch.transactional && entry.transaction_start.is_none() {
            let start = batch.last_offset - i64::from(batch.offset_delta);
            entry.transaction_start = Some(start);
            self.open.insert(start, batch.producer_id);
        }
    }

    /// Notes the marker that ends a transaction; returns where the transaction began here.
    pub fn apply_marker(&mut self, marker: &Markers) -> Option<i64> {
        let entry = self.entries.entry(marker.producer_id).or_insert_with(Entry::new);
        entry.enter_epoch(marker.epoch);
        entry.coordinator_epoch = marker.coordinator_epoch;
        entry.last_timestamp = marker.timestamp;
        let start = entry.transaction_start.take();
        if let Some(start) = start {
            self.open.remove(&start);
        }
        start
    }

    /// Where the oldest open transaction began: the last stable offset may not pass it.
    pub fn first_open_transaction(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// Forgets producers that have not written for `expiration_ms` and have no open transaction
    /// (`producer.id.expiration.ms`).
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.entries.retain(|_, entry| {
            entry.transaction_start.is_some()
                || now_ms.saturating_sub(entry.last_timestamp) < expiration_ms
        });
    }

    /// All producers by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Number of producers known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn restore(&mut self, producer_id: i64, entry: Entry) {
        if let Some(start) = entry.transaction_start {
            self.open.insert(start, producer_id);
        }
        self.entries.insert(producer_id, entry);
    }
}

impl Entry {
    fn duplicate_of(&self, batch: &Batch) -> Option<Remembered> {
        if batch.epoch != self.epoch {
            return None;
        }
        let same = |known: &&Remembered| {
            known.first_sequence() == batch.first_sequence
                && known.last_sequence == batch.last_sequence()
        };
        self.batches.iter().find(same).copied()
    }

    fn check_epoch(&self, batch: &Batch) -> Result<(), Refusal> {
        if batch.epoch < self.epoch {
            let Batch { producer_id, epoch: given, .. } = *batch;
            return Err(Refusal::Fenced { producer_id, given, current: self.epoch });
        }
        Ok(())
    }

    fn check_sequence(&self, batch: &Batch) -> Result<(), Refusal> {
        let given = batch.first_sequence;
        let in_order = if self.epoch == NO_EPOCH {
            true
        } else if batch.epoch != self.epoch {
            given == 0
        } else {
            follows(self.last_sequence(), given)
        };
        if in_order {
            return Ok(());
        }
        let last = self.last_sequence();
        Err(Refusal::OutOfOrder { producer_id: batch.producer_id, given, last })
    }
}

/// Sequence numbers wrap from the largest to zero.
fn follows(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (next == 0 && last == i32::MAX)
}

fn increment(sequence: i32, by: i32) -> i32 {
    if sequence > i32::MAX - by { by - (i32::MAX - sequence) - 1 } else { sequence + by }
}

fn decrement(sequence: i32, by: i32) -> i32 {
    if sequence < by { i32::MAX - (by - sequence) + 1 } else { sequence - by }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script of `epoch first+count` steps for one producer; each line of the answer is
    /// what became of the step.
    fn check(script: &str) -> String {
        let mut producers = Producers::default();
        let mut end = 0;
        let mut out = Vec::new();
        for step in script.split_whitespace() {
            let (epoch, rest) = step.split_once(':').expect("epoch:first+count");
            let (first, count) = rest.split_once('+').expect("first+count");
            let offset_delta = count.parse::<i32>().expect("count") - 1;
            let batch = Batch {
                producer_id: 7,
                epoch: epoch.parse().expect("epoch"),
                first_sequence: first.parse().expect("first"),
                offset_delta,
                last_offset: end + i64::from(offset_delta),
                timestamp: 0,
                transactional: false,
            };
            out.push(match producers.check(&batch) {
                Ok(Verdict::Append) => {
                    producers.apply(&batch);
                    end = batch.last_offset + 1;
                    format!("append@{}", batch.last_offset - i64::from(offset_delta))
                }
                Ok(Verdict::Duplicate(known)) => format!("duplicate@{}", known.first_offset()),
                Err(Refusal::Fenced { .. }) => "fenced".to_owned(),
                Err(Refusal::OutOfOrder { last, .. }) => format!("gap-after-{last}"),
                Err(Refusal::NotInTransaction { .. }) => "no-transaction".to_owned(),
            });
        }
        out.join(" ")
    }

    #[test]
    fn sequences_as_kafka_judges_them() {
        assert_eq!(check("0:0+3 0:3+1 0:3+1 0:0+3"), "append@0 append@3 duplicate@3 duplicate@0");
        assert_eq!(check("0:0+3 0:4+1"), "append@0 gap-after-2");
        assert_eq!(
            check("0:5+3 0:8+1"),
            "append@0 append@3",
            "an unknown producer starts anywhere"
        );
        assert_eq!(
            check("1:0+1 0:1+1 2:0+1 2:1+1 3:1+1"),
            "append@0 fenced append@1 append@2 gap-after-1"
        );
        assert_eq!(check("0:2147483646+2 0:0+1"), "append@0 append@2", "sequences wrap");
        assert_eq!(check("0:2147483646+4 0:2147483646+4 0:2+1"), "append@0 duplicate@0 append@4");
    }

    #[test]
    fn only_the_last_five_batches_are_known_as_duplicates() {
        assert_eq!(
            check("0:0+1 0:1+1 0:2+1 0:3+1 0:4+1 0:5+1 0:1+1 0:0+1"),
            "append@0 append@1 append@2 append@3 append@4 append@5 duplicate@1 gap-after-5"
        );
    }
}
