//! A decision in the making: the group as it will be, and the records that make it so.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_config::ShareGroupSettings;
use klamm_metadata::Image;

use super::group::ShareGroup;
use super::member::{Current, Member, Subscription};
use super::record::Record;
use super::topics::StateTopics;
use crate::api::CoordinatorRecord;
use crate::modern::Assignment;
use crate::name::Name;
use crate::timers::TimerKey;

/// What a decision may look at besides the group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) now_ms: i64,
    /// The group's topics may have changed since its epoch was last looked at.
    pub(crate) is_stale: bool,
    /// State of the group is being made in the store.
    pub(crate) is_initializing: bool,
    pub(crate) image: &'a Arc<Image>,
    /// Those of this group.
    pub(crate) settings: &'a ShareGroupSettings,
}

/// Each record is applied as it is added, so that what is decided next sees it. Dropping the
/// draft leaves everything as it was.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) group: ShareGroup,
    pub(crate) records: Vec<CoordinatorRecord>,
    /// Deadlines to set, in milliseconds since 1970, or to cancel.
    pub(crate) timers: BTreeMap<TimerKey, Option<i64>>,
    /// The epoch was compared with the topics as they are.
    pub(crate) looked_at_topics: bool,
}

impl Draft {
    pub(crate) fn new(group: ShareGroup) -> Self {
        Self { group, records: Vec::new(), timers: BTreeMap::new(), looked_at_topics: false }
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.records.push(record.write(&self.group.id));
        self.group.apply(record);
    }

    /// Stores what a member says, if that is new.
    pub(crate) fn say(&mut self, id: &Name, said: Subscription) {
        if self.group.member(id).is_none_or(|member| member.said != said) {
            self.push(Record::Member(id.clone(), Some(said)));
        }
    }

    /// Stores what a member has, if that is new.
    pub(crate) fn give(&mut self, id: &Name, has: Current) {
        if self.group.member(id).is_none_or(|member| member.has != has) {
            self.push(Record::Current(id.clone(), Some(has)));
        }
    }

    /// Stores what a member is to have, if that is new.
    pub(crate) fn target(&mut self, id: &Name, target: Assignment) {
        if !self.group.has_target(id) || self.group.target(id) != target {
            self.push(Record::Target(id.clone(), Some(target)));
        }
    }

    /// Stores how far the state of topics is, if that is new.
    pub(crate) fn topics(&mut self, topics: StateTopics) {
        if *self.group.topics != topics {
            self.push(Record::Topics(Some(Arc::new(topics))));
        }
    }

    /// A member as the draft has it; one that is not there has said and has nothing.
    pub(crate) fn member(&self, id: &Name) -> Arc<Member> {
        let found = self.group.member(id).cloned();
        found.unwrap_or_else(|| Arc::new(Member::new(id.clone())))
    }

    /// Takes a member out, with its deadline.
    pub(crate) fn remove(&mut self, id: &Name) {
        self.push(Record::Current(id.clone(), None));
        self.push(Record::Target(id.clone(), None));
        self.push(Record::Member(id.clone(), None));
        self.timers.insert(session(&self.group.id, id), None);
    }

    /// Takes away everything that the log says of the group.
    pub(crate) fn remove_all(&mut self) {
        let members: Vec<Name> = self.group.members.keys().cloned().collect();
        let targets: Vec<Name> = self.group.targets().map(|(id, _)| id.clone()).collect();
        members.iter().for_each(|id| self.push(Record::Current(id.clone(), None)));
        targets.into_iter().for_each(|id| self.push(Record::Target(id, None)));
        self.push(Record::TargetEpoch(None));
        members.iter().for_each(|id| self.push(Record::Member(id.clone(), None)));
        self.push(Record::Topics(None));
        self.push(Record::Group(None));
        for id in members {
            self.timers.insert(session(&self.group.id, &id), None);
        }
    }

    pub(crate) fn session_from(&mut self, now_ms: i64, id: &Name, timeout_ms: i32) {
        let deadline_ms = now_ms + i64::from(timeout_ms);
        self.timers.insert(session(&self.group.id, id), Some(deadline_ms));
    }
}

/// The deadline of a member's session.
fn session(group: &Name, member: &Name) -> TimerKey {
    TimerKey::Heartbeat { group: group.clone(), member: member.clone() }
}
