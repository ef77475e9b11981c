//! One transactional id: its producer, and the transaction that is open or was the last.

use std::collections::{BTreeMap, BTreeSet};

/// Topics and their partitions.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// Where a transaction stands. The numbers are those of Kafka's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum State {
    /// None was begun since the producer id or epoch was given out.
    Empty = 0,
    /// Partitions take part; its end is open.
    Ongoing = 1,
    /// It is decided that it is committed; the markers are being written.
    PrepareCommit = 2,
    /// It is decided that it is aborted; the markers are being written.
    PrepareAbort = 3,
    /// Committed, and every partition knows.
    CompleteCommit = 4,
    /// Aborted, and every partition knows.
    CompleteAbort = 5,
    /// Kafka's state of an id that is about to be forgotten; never written.
    Dead = 6,
    /// Kafka's state while a producer is fenced; never written.
    PrepareEpochFence = 7,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// The state of this number.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i8 == id)
    }

    /// The state of this name, as ListTransactions filters by it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Its name for tools.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// Whether the end is decided and the markers are not all written.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// What the coordinator knows of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The producer id that the id writes with.
    pub producer_id: i64,
    /// The producer id before the last change of state, most often the same.
    pub previous_producer_id: i64,
    /// The producer id that follows when the markers are written, as the epochs are used up; -1
    /// for none.
    pub next_producer_id: i64,
    /// The epoch in which the producer may write.
    pub epoch: i16,
    /// The epoch before, whose holder may ask again for what it was given; -1 for none. Records do
    /// not have it, nor has Kafka after a restart.
    pub last_epoch: i16,
    /// How long a transaction may take, milliseconds; the largest number for one whose end another
    /// system decides (KIP-939).
    pub timeout_ms: i32,
    /// Where the transaction stands.
    pub state: State,
    /// The partitions that take part.
    pub partitions: Partitions,
    /// When the transaction began, milliseconds since the epoch; -1 for none.
    pub start_ms: i64,
    /// When something last changed, milliseconds since the epoch.
    pub update_ms: i64,
    /// The transactions version that its client keeps to (KIP-890).
    pub client_version: i16,
}

/// The last epoch that a producer may be given: the next one only fences it.
pub const LAST_EPOCH: i16 = i16::MAX - 1;

impl Transaction {
    /// Whether no further epoch may be given out with this producer id.
    pub fn is_exhausted(&self) -> bool {
        is_exhausted(self.epoch)
    }

    /// Whether all these partitions take part already.
    pub fn has_all(&self, partitions: &Partitions) -> bool {
        partitions.iter().all(|(topic, indexes)| {
            self.partitions.get(topic).is_some_and(|known| indexes.is_subset(known))
        })
    }

    /// Whether this partition takes part.
    pub fn has(&self, topic: &str, partition: i32) -> bool {
        self.partitions.get(topic).is_some_and(|known| known.contains(&partition))
    }

    /// Whether it has been open for longer than it may.
    pub fn is_late(&self, now_ms: i64) -> bool {
        self.state == State::Ongoing
            && self.timeout_ms != i32::MAX
            && self.start_ms.saturating_add(self.timeout_ms.into()) < now_ms
    }

    /// Whether it was not used for `expiration_ms`, and has nothing open.
    pub fn is_expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        let at_rest =
            matches!(self.state, State::Empty | State::CompleteCommit | State::CompleteAbort);
        at_rest && self.update_ms.saturating_add(expiration_ms) <= now_ms
    }
}

/// Whether no epoch that a producer may use follows this one.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= LAST_EPOCH
}
