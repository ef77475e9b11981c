//! The way of a member from what it has to what it is to have: it gives up partitions first,
//! confirms that, and gets the others as soon as nobody else has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use klamm_protocol::wire::Uuid;

use super::group::ConsumerGroup;
use super::member::{Current, Member};
use crate::modern::{Assignment, MemberState, Owned, Refusal, assignment};

/// What a member says that it still has, if it says so.
pub(crate) type Reported<'a> = Option<&'a [(Uuid, Vec<i32>)]>;

/// Where a member is to go.
#[derive(Debug)]
pub(crate) struct Goal<'a> {
    pub(crate) epoch: i32,
    pub(crate) target: Assignment,
    /// The member's subscription has just changed: what it no longer subscribes to goes even if
    /// the target assignment is not made anew yet.
    pub(crate) subscription_changed: bool,
    pub(crate) reported: Reported<'a>,
}

/// The next step of a member of `group`; the same as now if it cannot go further.
///
/// # Errors
/// FENCED_MEMBER_EPOCH for a member in a state that a later release wrote.
pub(crate) fn next(
    group: &ConsumerGroup,
    image: &Image,
    member: &Member,
    goal: &Goal<'_>,
) -> Result<Current, Refusal> {
    let has = &member.has;
    if !goal.subscription_changed && member.has.is_reconciled_to(goal.epoch) {
        return Ok(has.clone());
    }
    let step = Step { group, member, goal, subscribed: member.topic_ids(group, image) };
    Ok(match has.state {
        MemberState::Stable if has.epoch != goal.epoch => step.towards_target(),
        MemberState::Stable if goal.subscription_changed => step.drop_unsubscribed(),
        MemberState::Stable => has.clone(),
        MemberState::Unrevoked if still_has(goal.reported, &has.revoking) => {
            if goal.subscription_changed { step.drop_unsubscribed() } else { has.clone() }
        }
        MemberState::Unrevoked | MemberState::Unreleased => step.towards_target(),
        MemberState::Unknown if goal.reported.is_some_and(|reported| reported.is_empty()) => {
            step.towards_target()
        }
        MemberState::Unknown => {
            let text = "The consumer group member is in a unknown state. \
                        The member must abandon all its partitions and rejoin.";
            return Err(Refusal::new(ErrorCode::FencedMemberEpoch, text));
        }
    })
}

/// Whether a member has any of these partitions; if it does not say, it may.
fn still_has(reported: Reported<'_>, partitions: &Owned) -> bool {
    let Some(reported) = reported else { return true };
    let is_among = |(topic, list): &(Uuid, Vec<i32>)| {
        list.iter().any(|partition| assignment::owns(partitions, *topic, *partition))
    };
    reported.iter().any(is_among)
}

struct Step<'a> {
    group: &'a ConsumerGroup,
    member: &'a Member,
    goal: &'a Goal<'a>,
    subscribed: BTreeSet<Uuid>,
}

impl Step<'_> {
    fn towards_target(&self) -> Current {
        let has = &self.member.has;
        let mut kept: BTreeMap<Uuid, BTreeMap<i32, i32>> = BTreeMap::new();
        let mut revoking: BTreeMap<Uuid, BTreeMap<i32, i32>> = BTreeMap::new();
        for (topic, partitions) in has.assigned.iter() {
            for (partition, epoch) in partitions {
                let stays = self.is_target(*topic, *partition);
                let side = if stays { &mut kept } else { &mut revoking };
                side.entry(*topic).or_default().insert(*partition, *epoch);
            }
        }
        let revoking = Arc::new(revoking);
        if !revoking.is_empty() && still_has(self.goal.reported, &revoking) {
            return self.at(has.epoch, MemberState::Unrevoked, Arc::new(kept), revoking);
        }
        let mut waits = false;
        for (topic, partitions) in
            self.goal.target.iter().filter(|(t, _)| self.subscribed.contains(t))
        {
            for partition in partitions {
                if assignment::owns(&has.assigned, *topic, *partition) {
                    continue;
                }
                if self.is_free(*topic, *partition) {
                    kept.entry(*topic).or_default().insert(*partition, self.goal.epoch);
                } else {
                    waits = true;
                }
            }
        }
        let state = if waits { MemberState::Unreleased } else { MemberState::Stable };
        self.at(self.goal.epoch, state, Arc::new(kept), Owned::default())
    }

    /// What a member is giving up itself it may as well have back.
    fn is_free(&self, topic: Uuid, partition: i32) -> bool {
        self.group.owner(topic, partition).is_none()
            || assignment::owns(&self.member.has.revoking, topic, partition)
    }

    fn is_target(&self, topic: Uuid, partition: i32) -> bool {
        let target = self.goal.target.get(&topic);
        self.subscribed.contains(&topic) && target.is_some_and(|set| set.contains(&partition))
    }

    fn drop_unsubscribed(&self) -> Current {
        let has = &self.member.has;
        if has.assigned.keys().all(|topic| self.subscribed.contains(topic)) {
            return has.clone();
        }
        let mut kept = (*has.assigned).clone();
        let mut revoking = (*has.revoking).clone();
        kept.retain(|topic, partitions| {
            let stays = self.subscribed.contains(topic);
            if !stays {
                revoking.entry(*topic).or_default().append(partitions);
            }
            stays
        });
        let (kept, revoking) = (Arc::new(kept), Arc::new(revoking));
        if still_has(self.goal.reported, &revoking) {
            self.at(has.epoch, MemberState::Unrevoked, kept, revoking)
        } else {
            // It has given them up already.
            self.at(has.epoch, has.state, kept, Arc::clone(&has.revoking))
        }
    }

    fn at(&self, epoch: i32, state: MemberState, assigned: Owned, revoking: Owned) -> Current {
        let has = &self.member.has;
        Current { epoch, previous_epoch: has.epoch, state, assigned, revoking }
    }
}
