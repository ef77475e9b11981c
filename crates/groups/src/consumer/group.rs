//! A consumer group as its records tell it. Only [`ConsumerGroup::apply`] changes it, and what is
//! counted beside members, targets and patterns follows from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_protocol::wire::Uuid;

use super::member::{Current, Member, Subscription};
use super::record::{Record, Resolved};
use crate::modern::{Assignment, Map, Owned, assignment, count_in, count_out};
use crate::name::Name;

/// The epoch of a new group and of its target assignment, in which nobody has anything. 0 is that
/// of a member that has not joined yet.
const INITIAL_EPOCH: i32 = 1;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Some members do not have their target assignment yet.
    Reconciling,
    /// All members have it.
    Stable,
}

impl State {
    /// The name in ConsumerGroupDescribe and ListGroups.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// A clone costs a few reference counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConsumerGroup {
    pub(crate) id: Name,
    pub(crate) epoch: i32,
    /// Fingerprint of the topics subscribed to; 0 if it is not known.
    pub(crate) metadata_hash: i64,
    pub(crate) has_partition_metadata: bool,
    pub(crate) target_epoch: i32,
    /// When the target assignment was made, milliseconds since 1970; 0 if it is not known.
    pub(crate) target_ms: i64,
    pub(crate) members: Map<Name, Arc<Member>>,
    targets: Map<Name, Assignment>,
    patterns: Map<Name, Arc<Resolved>>,
    /// Members by static instance id.
    instances: Map<Name, Name>,
    /// Who has a partition, be it only that it has not confirmed to have given it up.
    owners: Map<(Uuid, i32), Name>,
    /// Members by the topics that they name.
    topic_counts: Map<Name, usize>,
    /// Members by pattern.
    pattern_counts: Map<Name, usize>,
    assignor_counts: Map<Name, usize>,
    /// Members of the classic protocol, and how many of them support each of its protocols.
    classic_count: usize,
    classic_protocol_counts: Map<Name, usize>,
}

impl ConsumerGroup {
    pub(crate) fn new(id: Name) -> Self {
        Self {
            id,
            epoch: INITIAL_EPOCH,
            metadata_hash: 0,
            has_partition_metadata: false,
            target_epoch: INITIAL_EPOCH,
            target_ms: 0,
            members: Map::new_sync(),
            targets: Map::new_sync(),
            patterns: Map::new_sync(),
            instances: Map::new_sync(),
            owners: Map::new_sync(),
            topic_counts: Map::new_sync(),
            pattern_counts: Map::new_sync(),
            assignor_counts: Map::new_sync(),
            classic_count: 0,
            classic_protocol_counts: Map::new_sync(),
        }
    }

    /// Total: a record that does not fit what is there changes what it can.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Group(value) => {
                (self.epoch, self.metadata_hash) = value.unwrap_or((INITIAL_EPOCH, 0));
            }
            Record::PartitionMetadata(is_there) => self.has_partition_metadata = is_there,
            Record::TargetEpoch(value) => {
                (self.target_epoch, self.target_ms) = value.unwrap_or((INITIAL_EPOCH, 0));
            }
            Record::Target(member, Some(target)) => self.targets.insert_mut(member, target),
            Record::Target(member, None) => drop(self.targets.remove_mut(&member)),
            Record::Pattern(pattern, Some(found)) => self.patterns.insert_mut(pattern, found),
            Record::Pattern(pattern, None) => drop(self.patterns.remove_mut(&pattern)),
            Record::Member(id, Some(said)) => {
                let has = self.members.get(&id).map(|member| member.has.clone());
                self.set(Member { id, said, has: has.unwrap_or_default() });
            }
            Record::Member(id, None) => self.forget(&id),
            Record::Current(id, Some(has)) => {
                let said = self.members.get(&id).map(|member| member.said.clone());
                self.set(Member { id, said: said.unwrap_or_default(), has });
            }
            Record::Current(id, None) => {
                if let Some(member) = self.members.get(&id).cloned() {
                    let said = member.said.clone();
                    self.set(Member { id, said, has: Current::default() });
                }
            }
        }
    }

    fn set(&mut self, member: Member) {
        let old = self.members.get(&member.id).cloned();
        let unsaid = Subscription::default();
        self.count_said(old.as_ref().map_or(&unsaid, |old| &old.said), &member.said);
        let nothing = Current::default();
        self.move_owned(&member.id, old.as_ref().map_or(&nothing, |old| &old.has), &member.has);
        if let Some(instance_id) = &member.said.instance_id {
            self.instances.insert_mut(instance_id.clone(), member.id.clone());
        }
        self.members.insert_mut(member.id.clone(), Arc::new(member));
    }

    fn forget(&mut self, id: &Name) {
        let Some(old) = self.members.get(id).cloned() else { return };
        self.members.remove_mut(id);
        self.count_said(&old.said, &Subscription::default());
        self.move_owned(id, &old.has, &Current::default());
        if let Some(instance_id) = &old.said.instance_id
            && self.instances.get(instance_id) == Some(id)
        {
            self.instances.remove_mut(instance_id);
        }
    }

    fn count_said(&mut self, old: &Subscription, new: &Subscription) {
        if old.topics != new.topics {
            old.topics.iter().for_each(|topic| count_out(&mut self.topic_counts, topic));
            new.topics.iter().for_each(|topic| count_in(&mut self.topic_counts, topic));
        }
        if old.pattern != new.pattern {
            if !old.pattern.is_empty() {
                count_out(&mut self.pattern_counts, &old.pattern);
            }
            if !new.pattern.is_empty() {
                count_in(&mut self.pattern_counts, &new.pattern);
            }
        }
        if old.assignor != new.assignor {
            old.assignor.iter().for_each(|name| count_out(&mut self.assignor_counts, name));
            new.assignor.iter().for_each(|name| count_in(&mut self.assignor_counts, name));
        }
        let protocols = |said: &Subscription| -> BTreeSet<Name> {
            let terms = said.classic.iter();
            terms.flat_map(|terms| terms.protocols.iter().map(|p| p.name.clone())).collect()
        };
        if old.classic != new.classic {
            self.classic_count += usize::from(new.classic.is_some());
            self.classic_count -= usize::from(old.classic.is_some());
            let counts = &mut self.classic_protocol_counts;
            protocols(old).iter().for_each(|name| count_out(counts, name));
            protocols(new).iter().for_each(|name| count_in(counts, name));
        }
    }

    fn move_owned(&mut self, member: &Name, old: &Current, new: &Current) {
        let same = |a: &Owned, b: &Owned| Arc::ptr_eq(a, b) || (a.is_empty() && b.is_empty());
        if same(&old.assigned, &new.assigned) && same(&old.revoking, &new.revoking) {
            return;
        }
        let all = |has: &Current| -> BTreeSet<(Uuid, i32)> {
            assignment::each(&has.assigned).chain(assignment::each(&has.revoking)).collect()
        };
        let (old, new) = (all(old), all(new));
        for partition in old.difference(&new) {
            if self.owners.get(partition) == Some(member) {
                self.owners.remove_mut(partition);
            }
        }
        for partition in new.difference(&old) {
            self.owners.insert_mut(*partition, member.clone());
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.target_epoch {
            State::Assigning
        } else if self.members.values().all(|m| m.has.is_reconciled_to(self.target_epoch)) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.members.get(id)
    }

    /// The member that a static instance id stands for.
    pub(crate) fn static_member(&self, instance_id: &str) -> Option<&Arc<Member>> {
        self.members.get(self.instances.get(instance_id)?)
    }

    /// What a member is to have.
    pub(crate) fn target(&self, member: &str) -> Assignment {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn targeted(&self) -> impl Iterator<Item = &Name> {
        self.targets.keys()
    }

    pub(crate) fn has_target(&self, member: &str) -> bool {
        self.targets.contains_key(member)
    }

    /// Who has a partition now.
    pub(crate) fn owner(&self, topic: Uuid, partition: i32) -> Option<&Name> {
        self.owners.get(&(topic, partition))
    }

    pub(crate) fn resolved(&self, pattern: &str) -> Option<&Arc<Resolved>> {
        self.patterns.get(pattern)
    }

    pub(crate) fn resolved_patterns(&self) -> impl Iterator<Item = (&Name, &Arc<Resolved>)> {
        self.patterns.iter()
    }

    /// The patterns that members subscribe to.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Name> {
        self.pattern_counts.keys()
    }

    pub(crate) fn subscribers_of_pattern(&self, pattern: &str) -> usize {
        self.pattern_counts.get(pattern).copied().unwrap_or(0)
    }

    /// The topics that members subscribe to, by name or by pattern.
    pub(crate) fn subscribed(&self) -> BTreeSet<Name> {
        let found = self.pattern_counts.keys().filter_map(|pattern| self.resolved(pattern));
        let matching = found.flat_map(|resolved| resolved.topics.iter());
        self.topic_counts.keys().chain(matching).cloned().collect()
    }

    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        let matches = |pattern| self.resolved(pattern).is_some_and(|r| r.topics.contains(topic));
        self.topic_counts.contains_key(topic) || self.pattern_counts.keys().any(|p| matches(p))
    }

    /// The assignor that most members ask for, if any does.
    pub(crate) fn preferred_assignor(&self) -> Option<&Name> {
        let votes = self.assignor_counts.iter();
        votes.max_by_key(|(name, count)| (**count, std::cmp::Reverse(*name))).map(|(name, _)| name)
    }

    pub(crate) fn classic_count(&self) -> usize {
        self.classic_count
    }

    /// Whether every member of the classic protocol supports one of these protocols.
    pub(crate) fn supports_classic<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        let count = |name| self.classic_protocol_counts.get(name).copied().unwrap_or(0);
        names.any(|name| count(name) == self.classic_count)
    }
}
