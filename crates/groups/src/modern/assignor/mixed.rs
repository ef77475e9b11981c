//! Uniform, for members with different subscriptions: members keep what they may, free
//! partitions go to the least loaded subscribers, and then partitions move from the most to the
//! least loaded subscriber of a topic while that makes the two more equal.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::wire::Uuid;

use super::Spec;

/// Rounds of balancing. One is mostly enough; a bound keeps odd subscriptions from running on.
const ROUNDS_MAX: usize = 16;

struct Mixed {
    assigned: Vec<BTreeMap<Uuid, BTreeSet<i32>>>,
    loads: Vec<usize>,
    /// Members by the topics that they subscribe to.
    subscribers: BTreeMap<Uuid, Vec<usize>>,
    /// The topics, those first whose subscribers have the least choice.
    topics: Vec<Uuid>,
}

pub(super) fn assign(spec: &Spec) -> Vec<BTreeMap<Uuid, BTreeSet<i32>>> {
    let mut mixed = Mixed::new(spec);
    mixed.assign_free(spec);
    for _ in 0..ROUNDS_MAX {
        let topics = mixed.topics.clone();
        let moved: usize = topics.into_iter().map(|topic| mixed.balance(topic)).sum();
        if moved == 0 {
            break;
        }
    }
    mixed.assigned
}

impl Mixed {
    fn new(spec: &Spec) -> Self {
        let mut subscribers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (at, member) in spec.members.iter().enumerate() {
            for topic in member.topics.iter() {
                subscribers.entry(*topic).or_default().push(at);
            }
        }
        let mut taken = BTreeSet::new();
        let mut assigned = Vec::with_capacity(spec.members.len());
        for member in &spec.members {
            let mut kept = spec.kept(member);
            for (topic, partitions) in &mut kept {
                partitions.retain(|partition| taken.insert((*topic, *partition)));
            }
            kept.retain(|_, partitions| !partitions.is_empty());
            assigned.push(kept);
        }
        let load = |kept: &BTreeMap<Uuid, BTreeSet<i32>>| kept.values().map(BTreeSet::len).sum();
        let loads = assigned.iter().map(load).collect();
        let mut topics: Vec<Uuid> = subscribers.keys().copied().collect();
        let scarcity = |topic: &Uuid| {
            let members = subscribers.get(topic).map_or(0, Vec::len);
            // Partitions per subscriber, as a fraction that compares without rounding.
            let per_member = u64::from(spec.count(*topic).unsigned_abs()) << 32;
            let share = per_member / u64::try_from(members.max(1)).unwrap_or(u64::MAX);
            (std::cmp::Reverse(share), members, *topic)
        };
        topics.sort_by_key(scarcity);
        Self { assigned, loads, subscribers, topics }
    }

    fn assign_free(&mut self, spec: &Spec) {
        for topic in self.topics.clone() {
            let members = self.subscribers.get(&topic).cloned().unwrap_or_default();
            let owned: BTreeSet<i32> = members
                .iter()
                .filter_map(|at| self.assigned[*at].get(&topic))
                .flatten()
                .copied()
                .collect();
            let mut by_load: BTreeSet<(usize, usize)> =
                members.iter().map(|at| (self.loads[*at], *at)).collect();
            for partition in (0..spec.count(topic)).filter(|p| !owned.contains(p)) {
                let Some((_, least)) = by_load.pop_first() else { break };
                self.give(topic, partition, least);
                by_load.insert((self.loads[least], least));
            }
        }
    }

    /// Returns how many partitions moved.
    fn balance(&mut self, topic: Uuid) -> usize {
        let members = self.subscribers.get(&topic).cloned().unwrap_or_default();
        let mut takers: BTreeSet<(usize, usize)> =
            members.iter().map(|at| (self.loads[*at], *at)).collect();
        let owns = |(_, at): &(usize, usize)| self.assigned[*at].contains_key(&topic);
        let mut givers: BTreeSet<(usize, usize)> = takers.iter().copied().filter(owns).collect();
        let mut moved = 0;
        while let (Some(least), Some(most)) = (takers.first().copied(), givers.last().copied()) {
            if most.0 <= least.0 + 1 {
                break;
            }
            for member in [least, most] {
                takers.remove(&member);
                givers.remove(&member);
            }
            if let Some(partition) = self.take(topic, most.1) {
                self.give(topic, partition, least.1);
                moved += 1;
            }
            for at in [least.1, most.1] {
                takers.insert((self.loads[at], at));
                if self.assigned[at].contains_key(&topic) {
                    givers.insert((self.loads[at], at));
                }
            }
        }
        moved
    }

    fn give(&mut self, topic: Uuid, partition: i32, member: usize) {
        self.assigned[member].entry(topic).or_default().insert(partition);
        self.loads[member] += 1;
    }

    fn take(&mut self, topic: Uuid, member: usize) -> Option<i32> {
        let partitions = self.assigned[member].get_mut(&topic)?;
        let partition = partitions.pop_last();
        if partitions.is_empty() {
            self.assigned[member].remove(&topic);
        }
        self.loads[member] -= usize::from(partition.is_some());
        partition
    }
}
