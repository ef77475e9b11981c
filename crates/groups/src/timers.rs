//! Deadlines, ordered, one per key: setting a key again replaces its deadline.
//!
//! *Cost:* each change and each expiry is O(log n) in the number of deadlines.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::AppendId;
use crate::name::Name;

/// What a deadline is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// A member's session, or the patience with a member that is joining.
    Heartbeat { group: Name, member: Name },
    /// The patience with a member of a consumer group that is to give up partitions.
    Revoke { group: Name, member: Name },
    /// The patience with a classic member of a consumer group that is to join again.
    Rejoin { group: Name, member: Name },
    /// The patience with a classic member of a consumer group that is to sync.
    Resync { group: Name, member: Name },
    /// The end of a streams group's wait for its first members.
    InitialDelay { group: Name },
    /// The end of a group's join phase.
    Join { group: Name },
    /// The end of a group's sync phase.
    Sync { group: Name },
    /// The patience with an append.
    Append(AppendId),
    /// The next search for expired offsets.
    Sweep,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_key: BTreeMap<TimerKey, i64>,
    by_deadline: BTreeSet<(i64, TimerKey)>,
}

impl Timers {
    pub(crate) fn set(&mut self, key: TimerKey, deadline_ms: i64) {
        if let Some(old) = self.by_key.insert(key.clone(), deadline_ms) {
            self.by_deadline.remove(&(old, key.clone()));
        }
        self.by_deadline.insert((deadline_ms, key));
    }

    /// Sets a deadline that is not set yet.
    pub(crate) fn set_if_absent(&mut self, key: TimerKey, deadline_ms: i64) {
        if !self.is_set(&key) {
            self.set(key, deadline_ms);
        }
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(old) = self.by_key.remove(&key) {
            self.by_deadline.remove(&(old, key));
        }
    }

    pub(crate) fn is_set(&self, key: &TimerKey) -> bool {
        self.by_key.contains_key(key)
    }

    pub(crate) fn next(&self) -> Option<i64> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// The keys that are due now. Each is to be claimed before it is acted on: what an earlier
    /// one does may cancel or move a later one.
    pub(crate) fn due(&self, now_ms: i64) -> Vec<(i64, TimerKey)> {
        self.by_deadline.iter().take_while(|(at, _)| *at <= now_ms).cloned().collect()
    }

    /// Takes a deadline out if it is still set to this time.
    pub(crate) fn claim(&mut self, deadline_ms: i64, key: &TimerKey) -> bool {
        let entry = (deadline_ms, key.clone());
        self.by_deadline.remove(&entry) && self.by_key.remove(key).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.by_key.clear();
        self.by_deadline.clear();
    }
}
