//! Decisions of the store: what is refused, and which records a change takes.

use std::collections::BTreeSet;

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use klamm_protocol::wire::Uuid;

use super::{
    ANY_EPOCH, Answer, Command, Decision, Key, NO_START_OFFSET, Refused, State, Store, Write,
    batches, record,
};
use crate::api::CoordinatorRecord;
use crate::modern::topics;

/// The epoch of a leader that has not read the state yet.
const NO_LEADER_EPOCH: i32 = 0;

impl Store {
    /// Decides on a command. `updates_per_snapshot` is
    /// `share.coordinator.snapshot.update.records.per.snapshot`.
    ///
    /// # Errors
    /// INVALID_REQUEST for a partition without state or with a negative index,
    /// FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION.
    pub fn decide(
        &self,
        now_ms: i64,
        image: &Image,
        key: &Key,
        command: &Command,
        updates_per_snapshot: i32,
    ) -> Result<Decision, Refused> {
        if key.partition < 0 {
            return Err(invalid("The partition id cannot be a negative number."));
        }
        let state = self.get(key);
        self.check(image, key, command)?;
        let only = |record| vec![record];
        let (records, answer) = match (command, state) {
            (Command::Initialize { state_epoch, start_offset }, _) => {
                let record = initialized(now_ms, key, state, *state_epoch, *start_offset);
                (only(record), Answer::Done)
            }
            (Command::Begin { state_epoch }, None) => {
                let record = initialized(now_ms, key, None, *state_epoch, NO_START_OFFSET);
                (only(record), Answer::Done)
            }
            (Command::Begin { .. }, Some(_)) => (Vec::new(), Answer::Done),
            (Command::Write(write), Some(state)) => {
                let write = Write { leader_epoch: state.leader_epoch, ..write.clone() };
                (only(written(now_ms, key, state, &write, updates_per_snapshot)), Answer::Done)
            }
            (Command::Read { leader_epoch }, Some(state)) => {
                let record = led(now_ms, key, state, *leader_epoch, updates_per_snapshot);
                (record.into_iter().collect(), Answer::State(Box::new(state.clone())))
            }
            (Command::Delete, Some(_)) => (only(record::tombstone(key)), Answer::Done),
            (Command::Summary, Some(state)) => (Vec::new(), Answer::State(Box::new(state.clone()))),
            (Command::Delete, None) => (Vec::new(), Answer::Done),
            (_, None) => (Vec::new(), Answer::Nothing),
        };
        Ok(Decision { records, answer })
    }

    fn check(&self, image: &Image, key: &Key, command: &Command) -> Result<(), Refused> {
        let state = self.get(key);
        let what = match command {
            Command::Write(_) => Some("Write"),
            Command::Read { .. } => Some("Read"),
            _ => None,
        };
        if let Some(what) = what.filter(|_| state.is_none()) {
            let text = format!("{what} operation on uninitialized share partition not allowed.");
            return Err(invalid(&text));
        }
        let (leader_epoch, state_epoch) = match command {
            Command::Write(write) => (write.leader_epoch, write.state_epoch),
            Command::Read { leader_epoch } => (*leader_epoch, ANY_EPOCH),
            Command::Initialize { state_epoch, .. } => (ANY_EPOCH, *state_epoch),
            Command::Begin { .. } | Command::Delete | Command::Summary => (ANY_EPOCH, ANY_EPOCH),
        };
        let (known_leader, known_state) =
            state.map_or((ANY_EPOCH, ANY_EPOCH), |state| (state.leader_epoch, state.state_epoch));
        if leader_epoch != ANY_EPOCH && leader_epoch < known_leader {
            return Err(ErrorCode::FencedLeaderEpoch.into());
        }
        if state_epoch != ANY_EPOCH && state_epoch < known_state {
            return Err(ErrorCode::FencedStateEpoch.into());
        }
        if topics::partition_count(image, key.topic) <= key.partition {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        }
        Ok(())
    }

    /// What takes away the state of topics that are gone.
    pub fn forget_topics(&self, topics: &BTreeSet<Uuid>) -> Vec<CoordinatorRecord> {
        let gone = self.states.keys().filter(|key| topics.contains(&key.topic));
        gone.map(record::tombstone).collect()
    }

    /// Snapshots of states that were not written for at least `interval_ms`
    /// (`share.coordinator.cold.partition.snapshot.interval.ms`), so that the log need not be kept
    /// for their sake; none if all are such snapshots already.
    pub fn cold_snapshots(&self, now_ms: i64, interval_ms: i64) -> Vec<CoordinatorRecord> {
        if self.states.values().all(|state| state.created_ms < state.written_ms) {
            return Vec::new();
        }
        let is_cold = |state: &State| now_ms - state.written_ms >= interval_ms;
        let cold = self.states.iter().filter(|(_, state)| is_cold(state));
        let snapshot = |(key, state): (&Key, &State)| {
            let snapshot_epoch = state.snapshot_epoch + 1;
            record::snapshot(key, &State { snapshot_epoch, written_ms: now_ms, ..state.clone() })
        };
        cold.map(snapshot).collect()
    }
}

fn initialized(
    now_ms: i64,
    key: &Key,
    before: Option<&State>,
    state_epoch: i32,
    start_offset: i64,
) -> CoordinatorRecord {
    let state = State {
        snapshot_epoch: before.map_or(0, |before| before.snapshot_epoch + 1),
        state_epoch,
        leader_epoch: NO_LEADER_EPOCH,
        start_offset,
        complete_count: if start_offset == NO_START_OFFSET { -1 } else { 0 },
        created_ms: now_ms,
        written_ms: now_ms,
        batches: Vec::new(),
        updates: 0,
        snapshot_at: 0,
    };
    record::snapshot(key, &state)
}

/// The record of a change, with the leader epoch that it is to leave.
fn written(
    now_ms: i64,
    key: &Key,
    state: &State,
    write: &Write,
    updates_per_snapshot: i32,
) -> CoordinatorRecord {
    if state.updates < updates_per_snapshot {
        let batches = batches::combined(&[], &write.batches, write.start_offset);
        return record::update(key, state.snapshot_epoch, &Write { batches, ..write.clone() });
    }
    let start_offset = match write.start_offset {
        NO_START_OFFSET => state.start_offset,
        start_offset => start_offset,
    };
    let next = State {
        snapshot_epoch: state.snapshot_epoch + 1,
        state_epoch: state.state_epoch,
        leader_epoch: write.leader_epoch,
        start_offset,
        complete_count: write.complete_count,
        created_ms: now_ms,
        written_ms: now_ms,
        batches: batches::combined(&state.batches, &write.batches, start_offset),
        updates: 0,
        snapshot_at: 0,
    };
    record::snapshot(key, &next)
}

/// Notes that a leader of a higher epoch has read the state.
fn led(
    now_ms: i64,
    key: &Key,
    state: &State,
    leader_epoch: i32,
    updates_per_snapshot: i32,
) -> Option<CoordinatorRecord> {
    if leader_epoch == ANY_EPOCH || leader_epoch == state.leader_epoch {
        return None;
    }
    let write = Write {
        state_epoch: state.state_epoch,
        leader_epoch,
        start_offset: state.start_offset,
        complete_count: state.complete_count,
        batches: Vec::new(),
    };
    Some(written(now_ms, key, state, &write, updates_per_snapshot))
}

fn invalid(text: &str) -> Refused {
    Refused { error: ErrorCode::InvalidRequest, text: text.to_owned() }
}
