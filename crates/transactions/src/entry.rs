//! What a partition knows of one producer, and what it says to the producer's next batch.
//!
//! Invariant: an entry remembers at most [`REMEMBERED_MAX`] batches, all of its current epoch, in
//! the order of their offsets.

use std::collections::VecDeque;

use klamm_protocol::records::RecordBatchView;

/// How many batches per producer are remembered to recognise a retry: an idempotent producer has
/// at most five requests in flight.
pub const REMEMBERED_MAX: usize = 5;

const NO_SEQUENCE: i32 = -1;
const NO_EPOCH: i16 = -1;

/// The transactions version from which on a marker's epoch is above that of what it ends.
const MARKER_BUMPS_FROM: i16 = 2;

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
    /// The facts of a batch, if it carries a producer id; where it is in the log is not known.
    #[must_use]
    pub fn of(view: &RecordBatchView<'_>) -> Option<Self> {
        view.has_producer_id().then(|| Self {
            producer_id: view.producer_id(),
            epoch: view.producer_epoch(),
            first_sequence: view.base_sequence(),
            offset_delta: view.last_offset_delta(),
            last_offset: -1,
            timestamp: view.max_timestamp(),
            transactional: view.is_transactional(),
        })
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        increment(self.first_sequence, self.offset_delta)
    }
}

/// The end of a transaction as its marker in the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Producer id.
    pub producer_id: i64,
    /// Producer epoch the coordinator wrote with.
    pub epoch: i16,
    /// Committed, or else aborted.
    pub committed: bool,
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

    pub(crate) fn new() -> Self {
        Self {
            epoch: NO_EPOCH,
            batches: VecDeque::new(),
            last_timestamp: -1,
            coordinator_epoch: -1,
            transaction_start: None,
        }
    }

    pub(crate) fn enter_epoch(&mut self, epoch: i16) {
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
    /// Kafka's `INVALID_TXN_STATE`: the coordinator was not asked, or the transaction has ended
    /// since.
    #[error("the record was not part of an ongoing transaction of producer {producer_id}")]
    NotVerified {
        /// Producer id.
        producer_id: i64,
    },
    /// Kafka's `TRANSACTION_COORDINATOR_FENCED`: another coordinator has taken over.
    #[error(
        "coordinator epoch {given} of a marker for producer {producer_id} is older than the last \
         seen {current}"
    )]
    CoordinatorFenced {
        /// Producer id.
        producer_id: i64,
        /// Coordinator epoch of the marker.
        given: i32,
        /// Coordinator epoch last seen.
        current: i32,
    },
}

impl Entry {
    pub(crate) fn duplicate_of(&self, batch: &Batch) -> Option<Remembered> {
        if batch.epoch != self.epoch {
            return None;
        }
        let same = |known: &&Remembered| {
            known.first_sequence() == batch.first_sequence
                && known.last_sequence == batch.last_sequence()
        };
        self.batches.iter().find(same).copied()
    }

    pub(crate) fn check_epoch(&self, batch: &Batch) -> Result<(), Refusal> {
        if batch.epoch < self.epoch {
            let Batch { producer_id, epoch: given, .. } = *batch;
            return Err(Refusal::Fenced { producer_id, given, current: self.epoch });
        }
        Ok(())
    }

    pub(crate) fn check_sequence(&self, batch: &Batch) -> Result<(), Refusal> {
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

    /// Whether a marker that a coordinator of this transactions version writes may follow. One that
    /// was written before, by a coordinator that did not hear of it, is written again.
    pub(crate) fn check_marker(&self, marker: &Marker, version: i16) -> Result<(), Refusal> {
        let Marker { producer_id, epoch: given, coordinator_epoch, .. } = *marker;
        let is_repeated =
            given == self.epoch && (self.transaction_start.is_none() || given == i16::MAX);
        let is_late = match version {
            MARKER_BUMPS_FROM.. => given <= self.epoch && !is_repeated,
            _ => given < self.epoch,
        };
        if is_late {
            return Err(Refusal::Fenced { producer_id, given, current: self.epoch });
        }
        if coordinator_epoch < self.coordinator_epoch {
            let (given, current) = (coordinator_epoch, self.coordinator_epoch);
            return Err(Refusal::CoordinatorFenced { producer_id, given, current });
        }
        Ok(())
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
