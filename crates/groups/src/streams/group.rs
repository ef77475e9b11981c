//! A streams group as its records tell it. Only [`StreamsGroup::apply`] changes it, and who holds
//! which task follows from the members.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::member::{Current, Member, Said};
use super::record::{Facts, Record};
use super::tasks::{Role, Task, TaskSet};
use super::topology::Topology;
use crate::modern::Map;
use crate::name::Name;

/// The epoch of a new group and of its target assignment, in which nobody has anything.
const INITIAL_EPOCH: i32 = 1;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Topics that the topology needs are missing or do not fit.
    NotReady,
    /// The target assignment is older than the group.
    Assigning,
    /// Some members do not have their target assignment yet.
    Reconciling,
    /// All members have it.
    Stable,
}

impl State {
    /// The name in StreamsGroupDescribe and ListGroups.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::NotReady => "NotReady",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// A clone costs a few reference counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamsGroup {
    pub(crate) id: Name,
    pub(crate) facts: Facts,
    pub(crate) target_epoch: i32,
    /// When the target assignment was made, milliseconds since 1970; 0 if it is not known.
    pub(crate) target_ms: i64,
    pub(crate) topology: Option<Arc<Topology>>,
    pub(crate) members: Map<Name, Arc<Member>>,
    targets: Map<Name, TaskSet>,
    /// Members by the tasks that they have, be it only that they have not confirmed to have given
    /// them up. An active task has one holder.
    holders: Map<(Role, Task), Arc<BTreeSet<Name>>>,
}

impl StreamsGroup {
    pub(crate) fn new(id: Name) -> Self {
        Self {
            id,
            facts: Facts::new(INITIAL_EPOCH),
            target_epoch: INITIAL_EPOCH,
            target_ms: 0,
            topology: None,
            members: Map::new_sync(),
            targets: Map::new_sync(),
            holders: Map::new_sync(),
        }
    }

    /// Total: a record that does not fit what is there changes what it can.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Group(facts) => self.facts = facts.unwrap_or(Facts::new(INITIAL_EPOCH)),
            Record::Topology(topology) => self.topology = topology,
            Record::TargetEpoch(value) => {
                (self.target_epoch, self.target_ms) = value.unwrap_or((INITIAL_EPOCH, 0));
            }
            Record::Target(member, Some(target)) => self.targets.insert_mut(member, target),
            Record::Target(member, None) => drop(self.targets.remove_mut(&member)),
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
                if let Some(member) = self.members.get(&id) {
                    let said: Said = member.said.clone();
                    self.set(Member { id, said, has: Current::default() });
                }
            }
        }
    }

    fn set(&mut self, member: Member) {
        let old = self.members.get(&member.id).cloned();
        let nothing = Current::default();
        self.move_held(&member.id, old.as_ref().map_or(&nothing, |old| &old.has), &member.has);
        self.members.insert_mut(member.id.clone(), Arc::new(member));
    }

    fn forget(&mut self, id: &Name) {
        let Some(old) = self.members.get(id).cloned() else { return };
        self.members.remove_mut(id);
        self.move_held(id, &old.has, &Current::default());
    }

    fn move_held(&mut self, member: &Name, old: &Current, new: &Current) {
        if old.assigned == new.assigned && old.revoking == new.revoking {
            return;
        }
        let all = |has: &Current| -> BTreeSet<(Role, Task)> {
            has.assigned.each().chain(has.revoking.each()).collect()
        };
        let (old, new) = (all(old), all(new));
        for task in old.difference(&new) {
            self.change_holders(task, |holders| {
                holders.remove(member);
            });
        }
        for task in new.difference(&old) {
            self.change_holders(task, |holders| {
                holders.insert(member.clone());
            });
        }
    }

    fn change_holders(&mut self, task: &(Role, Task), change: impl FnOnce(&mut BTreeSet<Name>)) {
        let mut holders = self.holders.get(task).map(|set| (**set).clone()).unwrap_or_default();
        change(&mut holders);
        if holders.is_empty() {
            self.holders.remove_mut(task);
        } else {
            self.holders.insert_mut(task.clone(), Arc::new(holders));
        }
    }

    pub(crate) fn state(&self) -> State {
        let topology_epoch = self.topology.as_ref().map(|topology| topology.epoch());
        if self.members.is_empty() {
            State::Empty
        } else if topology_epoch != Some(self.facts.validated_topology_epoch) {
            State::NotReady
        } else if self.facts.epoch > self.target_epoch {
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

    /// What a member is to have.
    pub(crate) fn target(&self, member: &str) -> TaskSet {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn targeted(&self) -> impl Iterator<Item = &Name> {
        self.targets.keys()
    }

    pub(crate) fn has_target(&self, member: &str) -> bool {
        self.targets.contains_key(member)
    }

    /// Whether anybody has the task in this role.
    pub(crate) fn is_held(&self, role: Role, task: &Task) -> bool {
        self.holders.contains_key(&(role, task.clone()))
    }

    /// Whether a member of the process has the task in this role.
    pub(crate) fn is_held_by_process(&self, role: Role, task: &Task, process_id: &str) -> bool {
        let holders = self.holders.get(&(role, task.clone()));
        let is_of_process = |member: &Name| {
            self.members.get(member).is_some_and(|member| *member.said.process_id == *process_id)
        };
        holders.is_some_and(|holders| holders.iter().any(is_of_process))
    }

    /// Whether members consume the topic now.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        let topology = self.topology.as_ref().filter(|_| !self.is_empty());
        topology.is_some_and(|topology| topology.subtopology_of(topic).is_some())
    }

    /// Whether the group looks at the topic: it reads it, or keeps state in it.
    pub(crate) fn needs(&self, topic: &str) -> bool {
        self.topology.as_ref().is_some_and(|topology| topology.needs(topic))
    }
}
