//! A share group as its records tell it. Only [`ShareGroup::apply`] changes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::member::{Current, Member, Subscription};
use super::record::Record;
use super::topics::StateTopics;
use crate::modern::{Assignment, Map, count_in, count_out};
use crate::name::Name;

/// The epoch of a new group and of its target assignment, in which nobody has anything.
const INITIAL_EPOCH: i32 = 1;

/// A clone costs a few reference counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShareGroup {
    pub(crate) id: Name,
    pub(crate) epoch: i32,
    /// Fingerprint of the topics subscribed to; 0 if it is not known.
    pub(crate) metadata_hash: i64,
    pub(crate) target_epoch: i32,
    /// When the target assignment was made, milliseconds since 1970; 0 if it is not known.
    pub(crate) target_ms: i64,
    pub(crate) members: Map<Name, Arc<Member>>,
    targets: Map<Name, Assignment>,
    /// Members by the topics that they name.
    topic_counts: Map<Name, usize>,
    /// The topics of which there is state in the store.
    pub(crate) topics: Arc<StateTopics>,
}

impl ShareGroup {
    pub(crate) fn new(id: Name) -> Self {
        Self {
            id,
            epoch: INITIAL_EPOCH,
            metadata_hash: 0,
            target_epoch: INITIAL_EPOCH,
            target_ms: 0,
            members: Map::new_sync(),
            targets: Map::new_sync(),
            topic_counts: Map::new_sync(),
            topics: Arc::default(),
        }
    }

    /// Total: a record that does not fit what is there changes what it can.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Group(value) => {
                (self.epoch, self.metadata_hash) = value.unwrap_or((INITIAL_EPOCH, 0));
            }
            Record::TargetEpoch(value) => {
                (self.target_epoch, self.target_ms) = value.unwrap_or((INITIAL_EPOCH, 0));
            }
            Record::Target(member, Some(target)) => self.targets.insert_mut(member, target),
            Record::Target(member, None) => drop(self.targets.remove_mut(&member)),
            Record::Member(id, Some(said)) => {
                let has = self.members.get(&id).map(|member| member.has.clone());
                self.set(Member { id, said, has: has.unwrap_or_default() });
            }
            Record::Member(id, None) => {
                if let Some(old) = self.members.get(&id).cloned() {
                    self.members.remove_mut(&id);
                    self.count_said(&old.said, &Subscription::default());
                }
            }
            Record::Current(id, has) => {
                let said = self.members.get(&id).map(|member| member.said.clone());
                match (said, has) {
                    (None, None) => {}
                    (said, has) => {
                        let (said, has): (_, Current) =
                            (said.unwrap_or_default(), has.unwrap_or_default());
                        self.set(Member { id, said, has });
                    }
                }
            }
            Record::Topics(topics) => self.topics = topics.unwrap_or_default(),
        }
    }

    fn set(&mut self, member: Member) {
        let old = self.members.get(&member.id).cloned();
        let unsaid = Subscription::default();
        self.count_said(old.as_ref().map_or(&unsaid, |old| &old.said), &member.said);
        self.members.insert_mut(member.id.clone(), Arc::new(member));
    }

    fn count_said(&mut self, old: &Subscription, new: &Subscription) {
        if old.topics != new.topics {
            old.topics.iter().for_each(|topic| count_out(&mut self.topic_counts, topic));
            new.topics.iter().for_each(|topic| count_in(&mut self.topic_counts, topic));
        }
    }

    pub(crate) fn state_name(&self) -> &'static str {
        if self.is_empty() { "Empty" } else { "Stable" }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.members.get(id)
    }

    /// What a member is to have.
    pub(crate) fn target(&self, member: &str) -> Assignment {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn targets(&self) -> impl Iterator<Item = (&Name, &Assignment)> {
        self.targets.iter()
    }

    pub(crate) fn has_target(&self, member: &str) -> bool {
        self.targets.contains_key(member)
    }

    /// The topics that members subscribe to.
    pub(crate) fn subscribed(&self) -> BTreeSet<Name> {
        self.topic_counts.keys().cloned().collect()
    }

    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        self.topic_counts.contains_key(topic)
    }

    /// Whether partitions have state by now that no member is to have yet.
    pub(crate) fn awaits_assignment(&self) -> bool {
        let targets = self.targets.values();
        !self.is_empty() && self.topics.has_more_than(&self.subscribed(), targets)
    }
}
