//! A decision in the making: the group as it will be, and the records that make it so.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_config::ConsumerGroupSettings;
use klamm_metadata::Image;

use super::group::ConsumerGroup;
use super::member::{Current, Member, Subscription};
use super::record::Record;
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
    /// Rises when there are new topics.
    pub(crate) topics_version: i64,
    pub(crate) image: &'a Arc<Image>,
    /// Those of this group.
    pub(crate) settings: &'a ConsumerGroupSettings,
    /// `group.max.size`, which bounds what may go back to the classic protocol.
    pub(crate) classic_size_max: usize,
}

/// Each record is applied as it is added, so that what is decided next sees it. Dropping the
/// draft leaves everything as it was.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) group: ConsumerGroup,
    pub(crate) records: Vec<CoordinatorRecord>,
    /// Deadlines to set, in milliseconds since 1970, or to cancel.
    pub(crate) timers: BTreeMap<TimerKey, Option<i64>>,
    /// Deadlines to set if they are not set yet.
    pub(crate) timers_if_absent: BTreeMap<TimerKey, i64>,
    /// The epoch was compared with the topics as they are.
    pub(crate) looked_at_topics: bool,
}

impl Draft {
    pub(crate) fn new(group: ConsumerGroup) -> Self {
        let (timers, timers_if_absent) = (BTreeMap::new(), BTreeMap::new());
        Self { group, records: Vec::new(), timers, timers_if_absent, looked_at_topics: false }
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

    pub(crate) fn target(&mut self, id: &Name, target: Assignment) {
        self.push(Record::Target(id.clone(), Some(target)));
    }

    /// A member as the draft has it; one that is not there has said and has nothing.
    pub(crate) fn member(&self, id: &Name) -> Arc<Member> {
        let found = self.group.member(id).cloned();
        found.unwrap_or_else(|| Arc::new(Member::new(id.clone())))
    }

    /// Takes a member out, with its deadlines.
    pub(crate) fn remove(&mut self, id: &Name) {
        self.push(Record::Current(id.clone(), None));
        self.push(Record::Target(id.clone(), None));
        self.push(Record::Member(id.clone(), None));
        for key in member_timers(&self.group.id, id) {
            self.timers.insert(key, None);
        }
    }

    /// Takes away everything that the log says of the group.
    pub(crate) fn remove_all(&mut self) {
        let members: Vec<Name> = self.group.members.keys().cloned().collect();
        let targets: Vec<Name> = self.group.targeted().cloned().collect();
        let patterns: Vec<Name> =
            self.group.resolved_patterns().map(|(pattern, _)| pattern.clone()).collect();
        members.iter().for_each(|id| self.push(Record::Current(id.clone(), None)));
        targets.into_iter().for_each(|id| self.push(Record::Target(id, None)));
        self.push(Record::TargetEpoch(None));
        members.iter().for_each(|id| self.push(Record::Member(id.clone(), None)));
        if self.group.has_partition_metadata {
            self.push(Record::PartitionMetadata(false));
        }
        patterns.into_iter().for_each(|pattern| self.push(Record::Pattern(pattern, None)));
        self.push(Record::Group(None));
        for id in members {
            for key in member_timers(&self.group.id, &id) {
                self.timers.insert(key, None);
            }
        }
    }

    pub(crate) fn session_from(&mut self, now_ms: i64, id: &Name, timeout_ms: i32) {
        let key = TimerKey::Heartbeat { group: self.group.id.clone(), member: id.clone() };
        self.timers.insert(key, Some(now_ms + i64::from(timeout_ms)));
    }
}

/// The deadlines that a member of a consumer group may have.
pub(crate) fn member_timers(group: &Name, member: &Name) -> [TimerKey; 4] {
    let (group, member) = (group.clone(), member.clone());
    [
        TimerKey::Heartbeat { group: group.clone(), member: member.clone() },
        TimerKey::Revoke { group: group.clone(), member: member.clone() },
        TimerKey::Rejoin { group: group.clone(), member: member.clone() },
        TimerKey::Resync { group, member },
    ]
}
