//! From the store's state to the machine.

use std::collections::BTreeMap;

use super::{End, NEVER_MS, Run, RunState, SharePartition};
use crate::share::store::{Batch, State};

/// Kafka's numbers of the states that are stored.
pub(super) const AVAILABLE: i8 = 0;
pub(super) const ACKNOWLEDGED: i8 = 2;
/// On the way to being archived.
const ARCHIVING: i8 = 3;
pub(super) const ARCHIVED: i8 = 4;

impl SharePartition {
    /// The partition as the store has it. `start` is the state's start offset, or where the group
    /// starts if it has none; `leader_epoch` is the partition's.
    pub fn load(state: &State, start: i64, leader_epoch: i32) -> Self {
        let mut partition = Self {
            start,
            end: start,
            runs: BTreeMap::new(),
            state_epoch: state.state_epoch,
            leader_epoch,
            last_change: 0,
            next_deadline_ms: NEVER_MS,
        };
        for batch in &state.batches {
            partition.load_batch(batch);
        }
        partition.join(start, partition.end);
        partition.advance();
        partition
    }

    /// What lies between batches was never delivered, or never acknowledged.
    fn load_batch(&mut self, batch: &Batch) {
        let first = batch.first.max(self.end);
        if batch.last < first {
            return;
        }
        if first > self.end {
            let state = RunState::Available;
            let gap = Run { last: first - 1, batch: self.end, deliveries: 0, state };
            self.runs.insert(self.end, gap);
        }
        let state = match batch.state {
            ACKNOWLEDGED => RunState::Done(End::Acknowledged),
            ARCHIVING | ARCHIVED => RunState::Done(End::Archived),
            _ => RunState::Available,
        };
        let (last, deliveries) = (batch.last, batch.deliveries);
        self.runs.insert(first, Run { last, batch: first, deliveries, state });
        self.end = last + 1;
    }
}
