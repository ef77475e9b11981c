//! What is asked of the coordinator without changing anything: what it knows of an id, which
//! transactions there are, which must be ended.

use super::{Change, Coordinator, Partitions, State, Transaction};

/// What ListTransactions filters by; what is empty or none lets everything pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Producer ids.
    pub producer_ids: Vec<i64>,
    /// States.
    pub states: Vec<State>,
    /// Only those that have run for longer, milliseconds.
    pub running_ms: Option<i64>,
}

/// A transaction that is decided and whose partitions must get their markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The transactional id.
    pub id: String,
    /// Producer id of the markers.
    pub producer_id: i64,
    /// Epoch of the markers.
    pub epoch: i16,
    /// Committed, or else aborted.
    pub committed: bool,
    /// The transactions version that its client kept to.
    pub version: i16,
    /// Where markers are to be written.
    pub partitions: Partitions,
}

impl Coordinator {
    /// What is known of an id.
    pub fn get(&self, id: &str) -> Option<&Transaction> {
        self.transactions.get(id)
    }

    /// The ids that pass, in their order.
    pub fn list(
        &self,
        now_ms: i64,
        filters: &Filters,
    ) -> impl Iterator<Item = (&str, &Transaction)> {
        let passes = move |of: &Transaction| {
            (filters.producer_ids.is_empty() || filters.producer_ids.contains(&of.producer_id))
                && (filters.states.is_empty() || filters.states.contains(&of.state))
                && filters.running_ms.is_none_or(|ms| now_ms.saturating_sub(of.start_ms) > ms)
        };
        let all = self.transactions.iter().map(|(id, of)| (id.as_str(), of));
        all.filter(move |(_, of)| passes(of))
    }

    /// The end of an id's transaction, if it is decided and not complete.
    pub fn ending(&self, id: &str) -> Option<Ending> {
        let of = self.transactions.get(id).filter(|of| of.state.is_prepared())?;
        Some(Ending {
            id: id.to_owned(),
            producer_id: of.producer_id,
            epoch: of.epoch,
            committed: of.state == State::PrepareCommit,
            version: of.client_version,
            partitions: of.partitions.clone(),
        })
    }

    /// All ends that are decided and not complete: what a coordinator takes up when it is loaded.
    pub fn endings(&self) -> Vec<Ending> {
        self.transactions.keys().filter_map(|id| self.ending(id)).collect()
    }

    /// The ids whose transactions have been open for too long.
    pub fn late(&self, now_ms: i64) -> Vec<String> {
        let late = self.transactions.iter().filter(|(_, of)| of.is_late(now_ms));
        late.map(|(id, _)| id.clone()).collect()
    }

    /// The ids that nobody has used for `expiration_ms`, as the changes that forget them.
    pub fn expired(&self, now_ms: i64, expiration_ms: i64) -> Vec<Change> {
        let expired = self.transactions.iter();
        let expired = expired.filter(|(_, of)| of.is_expired(now_ms, expiration_ms));
        expired.map(|(id, _)| Change { id: id.clone(), value: None }).collect()
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether no id is known.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }
}
