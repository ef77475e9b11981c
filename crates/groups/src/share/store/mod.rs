//! What `__share_group_state` keeps: how far each share group got with each partition.
//!
//! One [`Store`] holds the state of one partition of that topic. It is replayed: a decision reads
//! it and returns records, and only [`Store::apply`] changes it. The records are Kafka's: a
//! snapshot, and updates to it of which there are at most
//! `share.coordinator.snapshot.update.records.per.snapshot` before the next snapshot.
//!
//! *Invariants*
//! - State is written only where it was initialized before.
//! - The epochs of a state never go down: who comes with a lower one is fenced.
//! - Batches of records do not overlap, and none begins before the start offset.

mod batches;
mod decide;
mod record;

use std::collections::BTreeMap;
use std::fmt;

use klamm_protocol::ErrorCode;
use klamm_protocol::wire::{DecodeError, Uuid};

use crate::api::CoordinatorRecord;

/// No start offset yet: the first fetch of a partition finds out by `share.auto.offset.reset`.
pub const NO_START_OFFSET: i64 = -1;
/// In a request: no epoch is compared.
pub const ANY_EPOCH: i32 = -1;

/// A partition as a share group reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Group id.
    pub group: String,
    /// Topic id.
    pub topic: Uuid,
    /// Index of the partition.
    pub partition: i32,
}

impl fmt::Display for Key {
    /// What FindCoordinator is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.group, self.topic, self.partition)
    }
}

/// Records that have been delivered at least once and are before the end of what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// Kafka's number of their state: 0 available, 2 acknowledged, 4 archived.
    pub state: i8,
    /// How often they were delivered.
    pub deliveries: i16,
}

/// What is known of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Counts the snapshots.
    pub snapshot_epoch: i32,
    /// The group's epoch when the state was initialized.
    pub state_epoch: i32,
    /// The highest leader epoch of the partition that the state was read with.
    pub leader_epoch: i32,
    /// Everything before this offset is done; [`NO_START_OFFSET`].
    pub start_offset: i64,
    /// Records from the start offset on that are done; -1 if it is not known.
    pub complete_count: i32,
    /// When the state was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When the last snapshot was made, milliseconds since 1970.
    pub written_ms: i64,
    /// In the order of offsets.
    pub batches: Vec<Batch>,
    /// Updates since the last snapshot.
    updates: i32,
    /// Offset of the last snapshot.
    snapshot_at: i64,
}

/// A change that the leader of a partition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The state's epoch, or [`ANY_EPOCH`].
    pub state_epoch: i32,
    /// The partition's leader epoch, or [`ANY_EPOCH`].
    pub leader_epoch: i32,
    /// The start offset; [`NO_START_OFFSET`] leaves it.
    pub start_offset: i64,
    /// Records from the start offset on that are done; -1 if it is not known.
    pub complete_count: i32,
    /// What has become of records.
    pub batches: Vec<Batch>,
}

/// What the store is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begins a state; leaves one that is there.
    Begin {
        /// Its epoch.
        state_epoch: i32,
    },
    /// Begins a state, or begins it anew.
    Initialize {
        /// Its epoch, or [`ANY_EPOCH`].
        state_epoch: i32,
        /// Where to start, or [`NO_START_OFFSET`].
        start_offset: i64,
    },
    /// Reads a state, for the leader of this epoch.
    Read {
        /// The partition's leader epoch, or [`ANY_EPOCH`].
        leader_epoch: i32,
    },
    /// Changes a state.
    Write(Write),
    /// Deletes a state.
    Delete,
    /// Reads a state without its batches; one that is not there has no start offset.
    Summary,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done once the records are durable.
    Done,
    /// The state.
    State(Box<State>),
    /// There is no state.
    Nothing,
}

/// What is to be appended, and then answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Perhaps none.
    pub records: Vec<CoordinatorRecord>,
    /// The answer.
    pub answer: Answer,
}

/// Why a command is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub error: ErrorCode,
    /// What to tell besides.
    pub text: String,
}

impl From<ErrorCode> for Refused {
    /// With the text of the code.
    fn from(error: ErrorCode) -> Self {
        Self { error, text: error.message().to_owned() }
    }
}

/// The state of the partitions that have their place in one partition of the topic.
#[derive(Debug, Default)]
pub struct Store {
    states: BTreeMap<Key, State>,
}

impl Store {
    /// Replays a record, which has this offset in the log.
    ///
    /// # Errors
    /// The record cannot be read; the state is as before it.
    pub fn apply(
        &mut self,
        offset: i64,
        key: &[u8],
        value: Option<&[u8]>,
        updates_per_snapshot: i32,
    ) -> Result<(), DecodeError> {
        match record::read(key, value)? {
            (key, record::Change::Gone) => drop(self.states.remove(&key)),
            (key, record::Change::Snapshot(mut state)) => {
                let before = self.states.get(&key);
                state.snapshot_at = offset;
                if let Some(before) = before {
                    state.leader_epoch = state.leader_epoch.max(before.leader_epoch);
                    state.state_epoch = state.state_epoch.max(before.state_epoch);
                    if before.updates < updates_per_snapshot {
                        state.updates = before.updates;
                    }
                }
                self.states.insert(key, state);
            }
            (key, record::Change::Update(update)) => match self.states.get_mut(&key) {
                Some(state) => state.update(update),
                None => {
                    let mut state = update;
                    state.snapshot_at = offset;
                    self.states.insert(key, state);
                }
            },
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.states.clear();
    }

    /// What is known of a partition.
    pub fn get(&self, key: &Key) -> Option<&State> {
        self.states.get(key)
    }

    /// Records before this offset are not needed to know the state; none if nothing is kept.
    pub fn needed_from(&self) -> Option<i64> {
        self.states.values().map(|state| state.snapshot_at).min()
    }
}

impl State {
    fn update(&mut self, update: Self) {
        if update.start_offset != NO_START_OFFSET {
            self.start_offset = update.start_offset;
        }
        self.leader_epoch = self.leader_epoch.max(update.leader_epoch);
        self.complete_count = update.complete_count;
        self.batches = batches::combined(&self.batches, &update.batches, self.start_offset);
        self.updates += 1;
    }
}

#[cfg(test)]
mod tests;
