//! What a partition's leader knows of its replicas: the in-sync set and the high watermark.
//!
//! *Architecture invariant:* an event-driven state machine. Time is an argument, effects are
//! values; it does no I/O.

use std::collections::{BTreeMap, BTreeSet};

/// A change of a partition's leadership as the controller decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Leader epoch.
    pub epoch: i32,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The leader's own copy now counts up to this offset: appended or, if every append must be
    /// durable, synced.
    LocalEnd(i64),
    /// A follower asked for records from this offset on, so it has everything before.
    FollowerFetch {
        /// Broker id of the follower.
        replica: i32,
        /// Offset it fetches from.
        offset: i64,
    },
}

/// The leader of one partition.
///
/// Invariants:
/// - The high watermark never goes back within a leader epoch.
/// - It is at most the smallest end offset of the in-sync replicas.
#[derive(Debug, Clone)]
pub struct Leader {
    local: i32,
    epoch: i32,
    isr: BTreeSet<i32>,
    ends: BTreeMap<i32, i64>,
    high_watermark: i64,
}

impl Leader {
    /// The broker `local` begins to lead with a log that counts up to `local_end`, of which
    /// everything before `high_watermark` was committed before.
    pub fn new(local: i32, leadership: &Leadership, local_end: i64, high_watermark: i64) -> Self {
        let mut leader = Self {
            local,
            epoch: leadership.epoch,
            isr: BTreeSet::new(),
            ends: BTreeMap::from([(local, local_end)]),
            high_watermark: high_watermark.min(local_end),
        };
        leader.change(leadership);
        leader
    }

    /// Takes over a change of replicas or in-sync replicas. Returns the high watermark if that
    /// moved it.
    pub fn change(&mut self, leadership: &Leadership) -> Option<i64> {
        self.epoch = leadership.epoch;
        self.isr = leadership.isr.iter().copied().collect();
        self.ends.retain(|id, _| *id == self.local || leadership.replicas.contains(id));
        for id in &leadership.replicas {
            self.ends.entry(*id).or_insert(0);
        }
        self.advance()
    }

    /// Notes what happened. Returns the new high watermark if it moved.
    pub fn handle(&mut self, event: Event) -> Option<i64> {
        match event {
            Event::LocalEnd(end) => {
                let known = self.ends.entry(self.local).or_insert(0);
                *known = end.max(*known);
            }
            Event::FollowerFetch { replica, offset } => {
                *self.ends.get_mut(&replica)? = offset;
            }
        }
        self.advance()
    }

    /// Everything before this offset is committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Leader epoch.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Number of in-sync replicas.
    pub fn isr_len(&self) -> usize {
        self.isr.len()
    }

    fn advance(&mut self) -> Option<i64> {
        let of = |id: &i32| self.ends.get(id).copied().unwrap_or(0);
        let end = self.isr.iter().map(of).min()?;
        (end > self.high_watermark).then(|| {
            self.high_watermark = end;
            end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leadership(isr: &[i32]) -> Leadership {
        Leadership { epoch: 1, replicas: vec![1, 2, 3], isr: isr.to_vec() }
    }

    #[test]
    fn the_high_watermark_is_the_smallest_end_of_the_in_sync_replicas() {
        let mut leader = Leader::new(1, &leadership(&[1, 2]), 10, 4);
        assert_eq!(leader.high_watermark(), 4);
        assert_eq!(leader.handle(Event::LocalEnd(12)), None);
        assert_eq!(leader.handle(Event::FollowerFetch { replica: 3, offset: 12 }), None);
        assert_eq!(leader.handle(Event::FollowerFetch { replica: 2, offset: 8 }), Some(8));
        assert_eq!(leader.change(&leadership(&[1])), Some(12));
        assert_eq!(leader.handle(Event::FollowerFetch { replica: 9, offset: 99 }), None);
    }

    #[test]
    fn a_sole_replica_commits_at_once() {
        let alone = Leadership { epoch: 0, replicas: vec![1], isr: vec![1] };
        let mut leader = Leader::new(1, &alone, 0, 0);
        assert_eq!(leader.handle(Event::LocalEnd(3)), Some(3));
        assert_eq!(leader.handle(Event::LocalEnd(3)), None);
    }
}
