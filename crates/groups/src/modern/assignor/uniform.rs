//! Uniform, for members that all subscribe to the same topics: no two differ by more than one
//! partition, and as few partitions as possible move.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::wire::Uuid;

use super::Spec;

pub(super) fn assign(spec: &Spec) -> Vec<BTreeMap<Uuid, BTreeSet<i32>>> {
    let Some(first) = spec.members.first() else { return Vec::new() };
    let mut free: BTreeSet<(Uuid, i32)> = first
        .topics
        .iter()
        .flat_map(|topic| (0..spec.count(*topic)).map(|partition| (*topic, partition)))
        .collect();
    let quotas = Quotas::new(free.len(), spec);
    let mut assigned = Vec::with_capacity(spec.members.len());
    for (member, quota) in spec.members.iter().zip(&quotas.0) {
        let mut left = *quota;
        let mut kept: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (topic, partitions) in spec.kept(member) {
            for partition in partitions {
                if left > 0 && free.remove(&(topic, partition)) {
                    kept.entry(topic).or_default().insert(partition);
                    left -= 1;
                }
            }
        }
        assigned.push((kept, left));
    }
    let mut free = free.into_iter();
    let fill = |(mut kept, left): (BTreeMap<Uuid, BTreeSet<i32>>, usize)| {
        for (topic, partition) in free.by_ref().take(left) {
            kept.entry(topic).or_default().insert(partition);
        }
        kept
    };
    assigned.into_iter().map(fill).collect()
}

/// How many partitions each member is to have. Where they do not divide evenly, those members
/// have one more that have most, so that it need not move.
struct Quotas(Vec<usize>);

impl Quotas {
    fn new(partitions: usize, spec: &Spec) -> Self {
        let members = spec.members.len();
        let (least, extra) = (partitions / members, partitions % members);
        let has = |member| spec.kept(member).values().map(BTreeSet::len).sum::<usize>();
        let mut by_size: Vec<(usize, usize)> =
            spec.members.iter().map(has).enumerate().map(|(at, has)| (has, at)).collect();
        by_size.sort_by_key(|(has, at)| (std::cmp::Reverse(*has), *at));
        let mut quotas = vec![least; members];
        for (_, at) in by_size.into_iter().take(extra) {
            quotas[at] += 1;
        }
        Self(quotas)
    }
}
