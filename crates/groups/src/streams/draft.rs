//! A decision in the making: the group as it will be, and the records that make it so.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_metadata::Image;

use super::group::StreamsGroup;
use super::member::{Current, Member, Said};
use super::record::{Facts, Record};
use super::tasks::TaskSet;
use crate::api::CoordinatorRecord;
use crate::name::Name;
use crate::timers::TimerKey;
use klamm_config::StreamsGroupSettings;

/// What a decision may look at besides the group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) now_ms: i64,
    /// The topics may have changed since the group's epoch was last looked at.
    pub(super) is_stale: bool,
    /// The group was empty until lately, and waits for more members.
    pub(super) waits_for_members: bool,
    pub(super) image: &'a Arc<Image>,
    /// Those of this group.
    pub(super) settings: &'a StreamsGroupSettings,
}

/// Each record is applied as it is added, so that what is decided next sees it. Dropping the
/// draft leaves everything as it was.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) group: StreamsGroup,
    pub(super) records: Vec<CoordinatorRecord>,
    /// Deadlines to set, in milliseconds since 1970, or to cancel.
    pub(super) timers: BTreeMap<TimerKey, Option<i64>>,
    /// The epoch was compared with the topics as they are.
    pub(super) looked_at_topics: bool,
}

impl Draft {
    pub(super) fn new(group: StreamsGroup) -> Self {
        Self { group, records: Vec::new(), timers: BTreeMap::new(), looked_at_topics: false }
    }

    pub(super) fn push(&mut self, record: Record) {
        self.records.push(record.write(&self.group.id));
        self.group.apply(record);
    }

    /// Stores what a member says, if that is new, and says whether it is.
    pub(super) fn say(&mut self, id: &Name, said: Said) -> bool {
        let is_new = self.group.member(id).is_none_or(|member| member.said != said);
        if is_new {
            self.push(Record::Member(id.clone(), Some(said)));
        }
        is_new
    }

    /// Stores what a member has, if that is new.
    pub(super) fn give(&mut self, id: &Name, has: Current) {
        if self.group.member(id).is_none_or(|member| member.has != has) {
            self.push(Record::Current(id.clone(), Some(has)));
        }
    }

    pub(super) fn target(&mut self, id: &Name, target: TaskSet) {
        self.push(Record::Target(id.clone(), Some(target)));
    }

    /// The next epoch of the group.
    pub(super) fn bump(&mut self, facts: Facts) {
        let epoch = self.group.facts.epoch + 1;
        self.push(Record::Group(Some(Facts { epoch, ..facts })));
    }

    /// A member as the draft has it; one that is not there has said and has nothing.
    pub(super) fn member(&self, id: &Name) -> Arc<Member> {
        let found = self.group.member(id).cloned();
        found.unwrap_or_else(|| Arc::new(Member::new(id.clone())))
    }

    /// Takes a member out, with its deadlines.
    pub(super) fn remove(&mut self, id: &Name) {
        self.push(Record::Current(id.clone(), None));
        self.push(Record::Target(id.clone(), None));
        self.push(Record::Member(id.clone(), None));
        for key in member_timers(&self.group.id, id) {
            self.timers.insert(key, None);
        }
    }

    pub(super) fn session_from(&mut self, now_ms: i64, id: &Name, timeout_ms: i32) {
        let key = TimerKey::Heartbeat { group: self.group.id.clone(), member: id.clone() };
        self.timers.insert(key, Some(now_ms + i64::from(timeout_ms)));
    }
}

fn member_timers(group: &Name, member: &Name) -> [TimerKey; 2] {
    let (group, member) = (group.clone(), member.clone());
    [
        TimerKey::Heartbeat { group: group.clone(), member: member.clone() },
        TimerKey::Revoke { group, member },
    ]
}

/// Takes away everything that the log says of a group.
pub(crate) fn tombstones(group: &StreamsGroup) -> Vec<CoordinatorRecord> {
    let mut draft = Draft::new(group.clone());
    let members: Vec<Name> = group.members.keys().cloned().collect();
    let targets: Vec<Name> = group.targeted().cloned().collect();
    members.iter().for_each(|id| draft.push(Record::Current(id.clone(), None)));
    targets.into_iter().for_each(|id| draft.push(Record::Target(id, None)));
    draft.push(Record::TargetEpoch(None));
    members.into_iter().for_each(|id| draft.push(Record::Member(id, None)));
    draft.push(Record::Group(None));
    draft.push(Record::Topology(None));
    draft.records
}
