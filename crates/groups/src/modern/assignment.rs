//! Assignments: which partitions of which topics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::wire::Uuid;

/// Partitions by topic. Shared: a member's target is also part of what the assignor starts from.
pub(crate) type Assignment = Arc<BTreeMap<Uuid, BTreeSet<i32>>>;

/// Partitions that a member has, each with the member epoch at which it was given to it
/// (KIP-1251).
pub(crate) type Owned = Arc<BTreeMap<Uuid, BTreeMap<i32, i32>>>;

/// The same partitions without their epochs.
pub(crate) fn partitions_of(owned: &Owned) -> Assignment {
    Arc::new(owned.iter().map(|(topic, at)| (*topic, at.keys().copied().collect())).collect())
}

/// Each topic and partition.
pub(crate) fn each(owned: &Owned) -> impl Iterator<Item = (Uuid, i32)> {
    owned.iter().flat_map(|(topic, partitions)| partitions.keys().map(|p| (*topic, *p)))
}

/// Whether a partition is among those owned.
pub(crate) fn owns(owned: &Owned, topic: Uuid, partition: i32) -> bool {
    owned.get(&topic).is_some_and(|partitions| partitions.contains_key(&partition))
}
