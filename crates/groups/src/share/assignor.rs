//! Kafka's `simple` assignor: as many members as there are spread over the partitions, each
//! partition shared by the least number of members that leaves nobody without one, and members
//! keep what they have where that is balanced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::wire::Uuid;

use crate::modern::Assignment;
use crate::name::Name;

/// The assignor's name.
pub(crate) const SIMPLE: &str = "simple";

/// A member as the assignor sees it.
#[derive(Debug, Clone)]
pub(crate) struct MemberSpec {
    pub(crate) id: Name,
    /// The topics it subscribes to, all of which exist.
    pub(crate) topics: Arc<BTreeSet<Uuid>>,
    /// What it was to have so far.
    pub(crate) assigned: Assignment,
}

type Sets = Vec<BTreeSet<(Uuid, i32)>>;

/// Assigns partitions to members, in the order of their ids. Members that do not subscribe to the
/// same topics share each topic among those that want it.
pub(crate) fn assign(
    members: &[MemberSpec],
    partitions: &BTreeMap<Uuid, BTreeSet<i32>>,
) -> BTreeMap<Name, Assignment> {
    let mut sets: Sets = vec![BTreeSet::new(); members.len()];
    if members.windows(2).all(|pair| pair[0].topics == pair[1].topics) {
        let topics = members.first().map(|member| Arc::clone(&member.topics)).unwrap_or_default();
        let all: Vec<usize> = (0..members.len()).collect();
        share_out(members, &all, &targets(&topics, partitions), &mut sets);
    } else {
        let topics: BTreeSet<Uuid> =
            members.iter().flat_map(|member| member.topics.iter().copied()).collect();
        for topic in topics {
            let wants = |at: &usize| members[*at].topics.contains(&topic);
            let subscribers: Vec<usize> = (0..members.len()).filter(wants).collect();
            let of_it = targets(&BTreeSet::from([topic]), partitions);
            share_out(members, &subscribers, &of_it, &mut sets);
        }
    }
    let by_topic = |set: BTreeSet<(Uuid, i32)>| {
        let mut assignment: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (topic, partition) in set {
            assignment.entry(topic).or_default().insert(partition);
        }
        Arc::new(assignment)
    };
    let ids = members.iter().map(|member| member.id.clone());
    ids.zip(sets.into_iter().map(by_topic)).collect()
}

fn targets(
    topics: &BTreeSet<Uuid>,
    partitions: &BTreeMap<Uuid, BTreeSet<i32>>,
) -> BTreeSet<(Uuid, i32)> {
    let of = |topic: &Uuid| partitions.get(topic).map(|indexes| (*topic, indexes));
    let each = topics.iter().filter_map(of);
    each.flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic, *index))).collect()
}

/// Shares partitions out among the members at these places.
fn share_out(
    members: &[MemberSpec],
    places: &[usize],
    targets: &BTreeSet<(Uuid, i32)>,
    sets: &mut Sets,
) {
    if targets.is_empty() || places.is_empty() {
        return;
    }
    // So many members share a partition at most.
    let sharing = places.len().div_ceil(targets.len());
    let slots = sharing * targets.len();
    let up_to = |n: usize| (slots * n).div_ceil(places.len());
    let mut shared: BTreeMap<(Uuid, i32), usize> = targets.iter().map(|t| (*t, 0)).collect();
    let mut open = Vec::new();
    for (n, place) in places.iter().enumerate() {
        let quota = up_to(n + 1) - up_to(n);
        let had = members[*place].assigned.iter();
        let had = had.flat_map(|(topic, indexes)| indexes.iter().map(|index| (*topic, *index)));
        let mut left = quota;
        for target in had {
            if left > 0
                && let Some(count) = shared.get_mut(&target).filter(|count| **count < sharing)
            {
                *count += 1;
                left -= 1;
                sets[*place].insert(target);
            }
        }
        open.push((*place, left));
    }
    fill(&open, sharing, &shared, sets);
}

/// Gives members what they still lack, the partitions first that fewest have.
fn fill(
    open: &[(usize, usize)],
    sharing: usize,
    shared: &BTreeMap<(Uuid, i32), usize>,
    sets: &mut Sets,
) {
    let mut by_count: BTreeSet<(usize, (Uuid, i32))> =
        shared.iter().map(|(target, count)| (*count, *target)).collect();
    for (place, left) in open {
        for _ in 0..*left {
            let is_free = |(count, target): &&(usize, (Uuid, i32))| {
                *count < sharing && !sets[*place].contains(target)
            };
            let Some((count, target)) = by_count.iter().find(is_free).copied() else { break };
            by_count.remove(&(count, target));
            by_count.insert((count + 1, target));
            sets[*place].insert(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Uuid = Uuid::from_u128(7);

    fn member(id: &str, has: &[i32]) -> MemberSpec {
        let assigned = BTreeMap::from([(TOPIC, has.iter().copied().collect())]);
        let assigned = if has.is_empty() { Assignment::default() } else { Arc::new(assigned) };
        MemberSpec { id: id.into(), topics: Arc::new(BTreeSet::from([TOPIC])), assigned }
    }

    fn check(members: &[MemberSpec], partitions: i32, expected: &str) {
        let partitions = BTreeMap::from([(TOPIC, (0..partitions).collect())]);
        let assigned = assign(members, &partitions);
        let show = |(id, assignment): (&Name, &Assignment)| {
            let indexes = assignment.values().flatten().map(ToString::to_string);
            format!("{id}:{}", indexes.collect::<Vec<_>>().join(","))
        };
        assert_eq!(assigned.iter().map(show).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn partitions_are_shared_evenly_and_kept() {
        check(&[], 3, "");
        check(&[member("a", &[])], 3, "a:0,1,2");
        check(&[member("a", &[0, 1, 2]), member("b", &[])], 3, "a:0,1 b:2");
        check(&[member("a", &[]), member("b", &[0, 1, 2])], 3, "a:1,2 b:0");
        // More members than partitions: a partition has several.
        check(&[member("a", &[0]), member("b", &[])], 1, "a:0 b:0");
        check(&[member("a", &[1]), member("b", &[]), member("c", &[0])], 2, "a:0,1 b:1 c:0");
    }
}
