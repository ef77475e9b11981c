//! The way of a member from the tasks it has to those it is to have: it gives up tasks first,
//! confirms that, and gets the others as soon as nobody stands in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::ErrorCode;

use super::group::StreamsGroup;
use super::member::{Current, Member};
use super::tasks::{self, OwnedSet, Role, Task, TaskSet, Tasks};
use crate::modern::{MemberState, Refusal};
use crate::name::Name;

/// Where a member is to go.
#[derive(Debug)]
pub(super) struct Goal<'a> {
    pub(super) epoch: i32,
    pub(super) target: TaskSet,
    /// What the member says that it still has, if it says so.
    pub(super) reported: Option<&'a TaskSet>,
}

/// The next step of a member of `group`; the same as now if it cannot go further.
///
/// # Errors
/// FENCED_MEMBER_EPOCH for a member in a state that a later release wrote.
pub(super) fn next(
    group: &StreamsGroup,
    member: &Member,
    goal: &Goal<'_>,
) -> Result<Current, Refusal> {
    let has = &member.has;
    let step = Step { group, member, goal };
    Ok(match has.state {
        MemberState::Stable if has.epoch == goal.epoch => has.clone(),
        MemberState::Unrevoked if still_has(goal.reported, &has.revoking) => has.clone(),
        MemberState::Stable | MemberState::Unrevoked | MemberState::Unreleased => {
            step.towards_target()
        }
        MemberState::Unknown if goal.reported.is_some_and(TaskSet::is_empty) => {
            step.towards_target()
        }
        MemberState::Unknown => {
            let text = "The streams group member is in a unknown state. \
                        The member must abandon all its tasks and rejoin.";
            return Err(Refusal::new(ErrorCode::FencedMemberEpoch, text));
        }
    })
}

/// Whether a member has any of these tasks; if it does not say, it may.
fn still_has(reported: Option<&TaskSet>, tasks: &OwnedSet) -> bool {
    reported.is_none_or(|reported| reported.has_any_of(tasks))
}

struct Step<'a> {
    group: &'a StreamsGroup,
    member: &'a Member,
    goal: &'a Goal<'a>,
}

/// What becomes of the tasks of one role.
struct Parted {
    kept: BTreeSet<Task>,
    revoked: BTreeSet<Task>,
    /// Can be had now.
    free: BTreeSet<Task>,
    /// Some cannot be had yet.
    waits: bool,
}

impl Step<'_> {
    fn towards_target(&self) -> Current {
        let assigned = &self.member.has.assigned;
        let own = assigned.tasks();
        let target = &self.goal.target;
        let active = self.part(Role::Active, &own.active, &target.active);
        let standby = self.part(Role::Standby, &own.standby, &target.standby);
        let warmup = self.part(Role::Warmup, &own.warmup, &target.warmup);
        let owned =
            |active: &BTreeSet<Task>, standby: &BTreeSet<Task>, warmup: &BTreeSet<Task>| OwnedSet {
                active: self.dated(active),
                standby: tasks::collect(standby.iter().cloned()),
                warmup: tasks::collect(warmup.iter().cloned()),
            };
        let revoking = owned(&active.revoked, &standby.revoked, &warmup.revoked);
        if !revoking.is_empty() && still_has(self.goal.reported, &revoking) {
            let kept = owned(&active.kept, &standby.kept, &warmup.kept);
            return self.at(self.member.has.epoch, MemberState::Unrevoked, kept, revoking);
        }
        let all = |parted: &Parted| -> BTreeSet<Task> { &parted.kept | &parted.free };
        let waits = active.waits || standby.waits || warmup.waits;
        let state = if waits { MemberState::Unreleased } else { MemberState::Stable };
        let has = owned(&all(&active), &all(&standby), &all(&warmup));
        self.at(self.goal.epoch, state, has, OwnedSet::default())
    }

    fn part(&self, role: Role, own: &Tasks, target: &Tasks) -> Parted {
        let (kept, revoked) = tasks::each(own).partition(|task| tasks::has(target, task));
        let wanted = tasks::each(target).filter(|task| !tasks::has(own, task));
        let (free, held): (BTreeSet<Task>, BTreeSet<Task>) =
            wanted.partition(|task| self.is_free(role, task));
        Parted { kept, revoked, free, waits: !held.is_empty() }
    }

    /// An active task must have no owner, and of one process only one member has a task, in
    /// whatever role. As in Kafka, what the member itself is giving up is held until that is in
    /// the log: it gets it back, or a copy of it, with its next heartbeat.
    fn is_free(&self, role: Role, task: &Task) -> bool {
        let process = &self.member.said.process_id;
        let in_process = |role: Role| self.group.is_held_by_process(role, task, process);
        let active_elsewhere = match role {
            Role::Active => self.group.is_held(Role::Active, task),
            Role::Standby | Role::Warmup => in_process(Role::Active),
        };
        !active_elsewhere && !in_process(Role::Standby) && !in_process(Role::Warmup)
    }

    /// Active tasks with their epochs: those that are new have the epoch of the target.
    fn dated(&self, active: &BTreeSet<Task>) -> Arc<BTreeMap<Name, BTreeMap<i32, i32>>> {
        let has = &self.member.has;
        let mut dated: BTreeMap<Name, BTreeMap<i32, i32>> = BTreeMap::new();
        for (subtopology, partition) in active {
            let since = has.assigned.active_since(subtopology, *partition);
            let since = since.unwrap_or(self.goal.epoch);
            dated.entry(subtopology.clone()).or_default().insert(*partition, since);
        }
        Arc::new(dated)
    }

    fn at(
        &self,
        epoch: i32,
        state: MemberState,
        assigned: OwnedSet,
        revoking: OwnedSet,
    ) -> Current {
        let previous_epoch = self.member.has.epoch;
        Current { epoch, previous_epoch, state, assigned, revoking }
    }
}
