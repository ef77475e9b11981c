//! Server-side assignors: who gets which partitions. They decide from their arguments alone, and
//! the order of members never depends on chance.

mod mixed;
mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::wire::Uuid;

use super::Assignment;
use crate::name::Name;

/// The name of the assignor that balances and keeps what members have.
pub(crate) const UNIFORM: &str = "uniform";
/// The name of the assignor that gives ranges, the same ones of each topic.
pub(crate) const RANGE: &str = "range";

/// A member as assignors see it.
#[derive(Debug, Clone)]
pub(crate) struct MemberSpec {
    pub(crate) id: Name,
    pub(crate) instance_id: Option<Name>,
    /// The topics it subscribes to, all of which exist.
    pub(crate) topics: Arc<BTreeSet<Uuid>>,
    /// What it was to have so far.
    pub(crate) assigned: Assignment,
}

/// What there is to assign, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    /// In the order of their ids.
    pub(crate) members: Vec<MemberSpec>,
    /// The number of partitions of each topic that is subscribed to.
    pub(crate) partitions: BTreeMap<Uuid, i32>,
}

impl Spec {
    /// Whether all members subscribe to the same topics.
    fn is_homogeneous(&self) -> bool {
        self.members.windows(2).all(|pair| pair[0].topics == pair[1].topics)
    }

    fn count(&self, topic: Uuid) -> i32 {
        self.partitions.get(&topic).copied().unwrap_or(0)
    }

    /// What of a member's partitions it may keep: those of topics that it still subscribes to.
    fn kept(&self, member: &MemberSpec) -> BTreeMap<Uuid, BTreeSet<i32>> {
        let keep = |(topic, set): (&Uuid, &BTreeSet<i32>)| {
            let count = self.count(*topic);
            let exists = set.iter().copied().filter(|p| (0..count).contains(p));
            let kept: BTreeSet<i32> = exists.collect();
            (member.topics.contains(topic) && !kept.is_empty()).then_some((*topic, kept))
        };
        member.assigned.iter().filter_map(keep).collect()
    }
}

/// Assigns with the assignor of this name; a name that is not known means the first.
pub(crate) fn assign(assignor: &str, spec: &Spec) -> BTreeMap<Name, Assignment> {
    let assigned = match assignor {
        RANGE => range::assign(spec),
        _ if spec.is_homogeneous() => uniform::assign(spec),
        _ => mixed::assign(spec),
    };
    let members = spec.members.iter().map(|member| member.id.clone());
    members.zip(assigned.into_iter().map(Arc::new)).collect()
}

#[cfg(test)]
mod tests;
