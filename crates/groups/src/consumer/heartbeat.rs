//! ConsumerGroupHeartbeat, versions 0 and 1 (KIP-848): the one request with which a member joins,
//! stays, reports what it has and hears what it is to have. With epoch -1 or -2 it leaves.
//!
//! From version 1 on members choose their ids themselves and may subscribe to a pattern.

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::consumer_group_heartbeat_response as response;
use klamm_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use klamm_protocol::wire::Uuid;

use super::calls::Becomes;
use super::draft::{Draft, Scene};
use super::group::ConsumerGroup;
use super::leave;
use super::member::{Current, Member, Subscription};
use super::reconcile::{self, Goal, Reported};
use super::{patterns, target};
use crate::api::Context;
use crate::modern::{Assignment, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, MemberState, Refusal};
use crate::name::{Name, opt_name};
use crate::timers::TimerKey;

/// From this version on a member brings its id.
const MEMBER_ID_REQUIRED_FROM: i16 = 1;

/// Checks what needs no group.
///
/// # Errors
/// INVALID_REQUEST or UNSUPPORTED_ASSIGNOR, with Kafka's texts.
pub(crate) fn check(
    request: &ConsumerGroupHeartbeatRequest<'_>,
    version: i16,
    assignors: &[String],
) -> Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::new(ErrorCode::InvalidRequest, text));
    let is_blank = |field: Option<&str>| field.is_some_and(|text| text.trim().is_empty());
    let epoch = request.member_epoch;
    let needs_id = version >= MEMBER_ID_REQUIRED_FROM || epoch > 0 || epoch == LEAVE_EPOCH;
    if needs_id && is_blank(Some(&request.member_id)) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(Some(&request.group_id)) {
        return invalid("GroupId can't be empty.");
    }
    if is_blank(request.instance_id.as_deref()) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank(request.rack_id.as_deref()) {
        return invalid("RackId can't be empty.");
    }
    match epoch {
        0 if request.rebalance_timeout_ms == -1 => {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        0 if request.topic_partitions.as_ref().is_none_or(|has| !has.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        0 if request.subscribed_topic_names.is_none()
            && request.subscribed_topic_regex.is_none() =>
        {
            return invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
                 (re-)joining.",
            );
        }
        LEAVE_STATIC_EPOCH if request.instance_id.is_none() => {
            return invalid("InstanceId can't be null.");
        }
        ..LEAVE_STATIC_EPOCH => return invalid("MemberEpoch is invalid."),
        _ => {}
    }
    match request.server_assignor.as_deref() {
        Some(asked) if assignors.iter().all(|known| known != asked) => {
            let known = assignors.join(", ");
            let text =
                format!("ServerAssignor {asked} is not supported. Supported assignors: {known}.");
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, text))
        }
        _ => Ok(()),
    }
}

/// A heartbeat, as far as groups are concerned.
pub(crate) struct Beat<'a> {
    pub(crate) context: &'a Context,
    pub(crate) request: &'a ConsumerGroupHeartbeatRequest<'a>,
    /// The id of the member, chosen by it or for it.
    pub(crate) id: Name,
}

/// What becomes of the group, and what the member is told.
pub(crate) type Beaten = (Becomes, ConsumerGroupHeartbeatResponse<'static>);

/// Decides on a heartbeat to the draft's group, which exists or is about to.
///
/// # Errors
/// The member is told; nothing changes.
pub(crate) fn decide(
    draft: &mut Draft,
    scene: Scene<'_>,
    beat: &Beat<'_>,
) -> Result<Beaten, Refusal> {
    match beat.request.member_epoch {
        LEAVE_EPOCH | LEAVE_STATIC_EPOCH => leave::heartbeat(draft, scene, beat),
        _ => Ok((Becomes::Consumer, stay(draft, scene, beat)?)),
    }
}

fn stay(
    draft: &mut Draft,
    scene: Scene<'_>,
    beat: &Beat<'_>,
) -> Result<ConsumerGroupHeartbeatResponse<'static>, Refusal> {
    let (request, id) = (beat.request, &beat.id);
    check_room(&draft.group, scene, id)?;
    let reported = reported(request);
    let reported: Reported<'_> = reported.as_deref();
    let joins = request.member_epoch == 0;
    let speaker = Speaker { id, instance_id: request.instance_id.as_deref(), is_classic: false };
    let before = member_or_new(draft, &speaker, joins)?;
    check_epoch(&before, request.member_epoch, reported)?;
    draft.say(id, said(&before.said, beat));
    let changed = subscribe(draft, scene, &before)?;
    target::update_target(draft, scene);
    let member = advance(draft, scene, id, changed, reported)?;
    draft.session_from(scene.now_ms, id, scene.settings.times.session_timeout_ms);
    let is_full = request.rebalance_timeout_ms != -1
        && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
        && request.topic_partitions.is_some();
    let hears = joins || is_full || member.has.assigned != before.has.assigned;
    Ok(ConsumerGroupHeartbeatResponse {
        member_id: Some(id.to_string().into()),
        member_epoch: member.has.epoch,
        heartbeat_interval_ms: scene.settings.times.heartbeat_interval_ms,
        assignment: hears.then(|| told(&member.assigned())),
        ..ConsumerGroupHeartbeatResponse::default()
    })
}

/// Who asks to be a member.
pub(crate) struct Speaker<'a> {
    pub(crate) id: &'a Name,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) is_classic: bool,
}

/// # Errors
/// GROUP_MAX_SIZE_REACHED.
pub(crate) fn check_room(
    group: &ConsumerGroup,
    scene: Scene<'_>,
    id: &Name,
) -> Result<(), Refusal> {
    let max = scene.settings.size_max;
    if group.members.size() < max || group.member(id).is_some() {
        return Ok(());
    }
    let text = format!("The consumer group has reached its maximum capacity of {max} members.");
    Err(Refusal::new(ErrorCode::GroupMaxSizeReached, text))
}

/// The member that speaks, as it was before; a new one if it may join. A static member that comes
/// back takes over what the one before it had.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID.
pub(crate) fn member_or_new(
    draft: &mut Draft,
    speaker: &Speaker<'_>,
    may_join: bool,
) -> Result<Arc<Member>, Refusal> {
    let id = speaker.id;
    let Some(instance_id) = speaker.instance_id else {
        let found = draft.group.member(id).cloned();
        return match found {
            None if may_join => Ok(Arc::new(Member::new(id.clone()))),
            found => found.ok_or_else(|| unknown_member(&draft.group.id, id)),
        };
    };
    let holder = draft.group.static_member(instance_id).cloned();
    match holder {
        None if may_join => Ok(draft.member(id)),
        None => {
            let text = format!("Instance id {instance_id} is unknown.");
            Err(Refusal::new(ErrorCode::UnknownMemberId, text))
        }
        Some(holder) if may_join => {
            let speaks_consumer = !speaker.is_classic && !holder.is_classic();
            if speaks_consumer && holder.has.epoch != LEAVE_STATIC_EPOCH {
                let text = format!(
                    "Static member {id} with instance id {instance_id} cannot join the group \
                     because the instance id is owned by {} member.",
                    holder.id
                );
                return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, text));
            }
            Ok(replace(draft, &holder, id))
        }
        Some(holder) => {
            check_instance(&holder, id, instance_id)?;
            Ok(holder)
        }
    }
}

pub(crate) fn unknown_member(group: &str, id: &str) -> Refusal {
    let text = format!("Member {id} is not a member of group {group}.");
    Refusal::new(ErrorCode::UnknownMemberId, text)
}

/// # Errors
/// FENCED_INSTANCE_ID if another member has the instance id.
pub(crate) fn check_instance(holder: &Member, id: &str, instance_id: &str) -> Result<(), Refusal> {
    if *holder.id == *id {
        return Ok(());
    }
    let text = format!(
        "Static member {id} with instance id {instance_id} was fenced by member {}.",
        holder.id
    );
    Err(Refusal::new(ErrorCode::FencedInstanceId, text))
}

/// Hands everything of a static member to its successor, who begins at epoch 0.
fn replace(draft: &mut Draft, old: &Member, id: &Name) -> Arc<Member> {
    let target = draft.group.target(&old.id);
    draft.remove(&old.id);
    draft.say(id, old.said.clone());
    draft.target(id, target);
    draft.give(id, Current { epoch: 0, previous_epoch: 0, ..old.has.clone() });
    draft.member(id)
}

/// A member may begin anew at any time. It may be behind by the one epoch whose answer it missed,
/// if it has nothing that it is not to have.
fn check_epoch(member: &Member, epoch: i32, reported: Reported<'_>) -> Result<(), Refusal> {
    let known = member.has.epoch;
    let than = match epoch {
        _ if epoch == known || epoch == 0 => return Ok(()),
        _ if epoch > known => "greater",
        _ if epoch == member.has.previous_epoch && has_only(reported, member) => return Ok(()),
        _ => "smaller",
    };
    let text = format!(
        "The consumer group member has a {than} member epoch ({epoch}) than the one known by the \
         group coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, text))
}

fn has_only(reported: Reported<'_>, member: &Member) -> bool {
    let owns = |topic: Uuid, p: &i32| {
        member.has.assigned.get(&topic).is_some_and(|partitions| partitions.contains_key(p))
    };
    let is_owned = |(topic, list): &(Uuid, Vec<i32>)| {
        member.has.assigned.contains_key(topic) && list.iter().all(|p| owns(*topic, p))
    };
    reported.is_some_and(|reported| reported.iter().all(is_owned))
}

/// What a member says now: what is absent from the request is as before.
fn said(before: &Subscription, beat: &Beat<'_>) -> Subscription {
    let request = beat.request;
    let names = request.subscribed_topic_names.as_ref().map(|names| {
        Arc::new(names.iter().map(|name| Name::from(name.as_ref())).collect::<BTreeSet<Name>>())
    });
    let keep = |new: Option<Name>, old: &Option<Name>| new.or_else(|| old.clone());
    Subscription {
        instance_id: keep(opt_name(request.instance_id.as_ref()), &before.instance_id),
        rack_id: keep(opt_name(request.rack_id.as_ref()), &before.rack_id),
        client_id: beat.context.client_id.as_str().into(),
        client_host: beat.context.client_host.as_str().into(),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        topics: names.unwrap_or_else(|| Arc::clone(&before.topics)),
        pattern: opt_name(request.subscribed_topic_regex.as_ref())
            .unwrap_or_else(|| before.pattern.clone()),
        assignor: keep(opt_name(request.server_assignor.as_ref()), &before.assignor),
        classic: None,
    }
}

/// Follows what the member subscribes to, and what of it exists, in patterns and group epoch.
/// Returns whether the member's own subscription changed.
///
/// # Errors
/// INVALID_REGULAR_EXPRESSION.
pub(crate) fn subscribe(
    draft: &mut Draft,
    scene: Scene<'_>,
    before: &Member,
) -> Result<bool, Refusal> {
    let is_new_pattern = patterns::follow(draft, scene, before)?;
    let changed = is_new_pattern || draft.member(&before.id).said.topics != before.said.topics;
    let others = patterns::refresh(draft, scene);
    let bump = changed || others;
    if bump || scene.is_stale {
        target::update_epoch(draft, scene, bump);
    }
    Ok(changed)
}

/// Takes a member a step towards the target assignment.
///
/// # Errors
/// FENCED_MEMBER_EPOCH.
pub(crate) fn advance(
    draft: &mut Draft,
    scene: Scene<'_>,
    id: &Name,
    subscription_changed: bool,
    reported: Reported<'_>,
) -> Result<Arc<Member>, Refusal> {
    let member = draft.member(id);
    let epoch = draft.group.target_epoch;
    let goal = Goal { epoch, target: draft.group.target(id), subscription_changed, reported };
    let next = reconcile::next(&draft.group, scene.image, &member, &goal)?;
    if next != member.has {
        draft.give(id, next);
        let key = TimerKey::Revoke { group: draft.group.id.clone(), member: id.clone() };
        let timer = revoke_timer(&draft.group.id, scene.now_ms, &draft.member(id));
        draft.timers.insert(key, timer.map(|(_, deadline_ms)| deadline_ms));
    }
    Ok(draft.member(id))
}

/// The deadline of a member that is to give up partitions. Members of the classic protocol have
/// deadlines of their own.
pub(super) fn revoke_timer(group: &Name, now_ms: i64, member: &Member) -> Option<(TimerKey, i64)> {
    let waits = member.has.state == MemberState::Unrevoked && !member.is_classic();
    let key = TimerKey::Revoke { group: group.clone(), member: member.id.clone() };
    let patience_ms = i64::from(member.said.rebalance_timeout_ms.max(0));
    waits.then_some((key, now_ms + patience_ms))
}

fn reported(request: &ConsumerGroupHeartbeatRequest<'_>) -> Option<Vec<(Uuid, Vec<i32>)>> {
    let list = request.topic_partitions.as_ref()?;
    Some(list.iter().map(|topic| (topic.topic_id, topic.partitions.clone())).collect())
}

fn told(assignment: &Assignment) -> response::Assignment<'static> {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| response::TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..<_>::default()
    };
    response::Assignment {
        topic_partitions: assignment.iter().map(topic).collect(),
        ..<_>::default()
    }
}
