//! ShareGroupHeartbeat, version 1 (KIP-932): the one request with which a member joins, stays and
//! hears what it is to have. With epoch -1 it leaves.
//!
//! Partitions that the group has not read before first get their state in the store. Kafka answers
//! a member meanwhile that it has nothing; here the heartbeat is decided again once that is done,
//! so that a new group starts at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::share_group_heartbeat_response as response;
use klamm_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use klamm_protocol::wire::Uuid;

use super::assignor::{self, MemberSpec};
use super::draft::{Draft, Scene};
use super::group::ShareGroup;
use super::member::{Current, Member, Subscription};
use super::record::Record;
use super::topics::ByTopic;
use crate::api::Context;
use crate::modern::{Assignment, LEAVE_EPOCH, Refusal, hash, topics};
use crate::name::{Name, opt_name};

/// Checks what needs no group.
///
/// # Errors
/// INVALID_REQUEST, with Kafka's texts.
pub(crate) fn check(request: &ShareGroupHeartbeatRequest<'_>) -> Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::new(ErrorCode::InvalidRequest, text));
    let is_blank = |field: &str| field.trim().is_empty();
    if is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.rack_id.as_deref().is_some_and(is_blank) {
        return invalid("RackId can't be empty.");
    }
    let names = request.subscribed_topic_names.as_ref();
    match request.member_epoch {
        0 if names.is_none_or(Vec::is_empty) => {
            invalid("SubscribedTopicNames must be set in first request.")
        }
        LEAVE_EPOCH.. => Ok(()),
        _ => invalid("MemberEpoch is invalid."),
    }
}

/// The interval of heartbeats while partitions get their state, milliseconds.
const PREPARING_MS: i32 = 1_000;

/// A heartbeat, as far as groups are concerned.
#[derive(Debug)]
pub(crate) struct Beat<'a> {
    pub(crate) context: &'a Context,
    pub(crate) request: &'a ShareGroupHeartbeatRequest<'a>,
    pub(crate) id: Name,
}

/// What the member is told, and what has to have its state made before it can be told more.
pub(crate) type Beaten = (ShareGroupHeartbeatResponse<'static>, ByTopic);

/// Decides on a heartbeat to the draft's group, which exists or is about to.
///
/// # Errors
/// The member is told; nothing changes.
pub(crate) fn decide(
    draft: &mut Draft,
    scene: Scene<'_>,
    beat: &Beat<'_>,
) -> Result<Beaten, Refusal> {
    if beat.request.member_epoch == LEAVE_EPOCH {
        return Ok((leave(draft, scene, &beat.id)?, ByTopic::new()));
    }
    stay(draft, scene, beat)
}

fn stay(draft: &mut Draft, scene: Scene<'_>, beat: &Beat<'_>) -> Result<Beaten, Refusal> {
    let (request, id) = (beat.request, &beat.id);
    check_room(&draft.group, scene, id)?;
    let joins = request.member_epoch == 0;
    if !joins && draft.group.member(id).is_none() {
        return Err(unknown_member(&draft.group.id, id));
    }
    let before = draft.member(id);
    check_epoch(&before, request.member_epoch)?;
    draft.say(id, said(&before.said, beat));
    let changed = draft.member(id).said.topics != before.said.topics;
    let is_assigned = draft.group.target_epoch >= draft.group.epoch;
    let bump = changed || (is_assigned && draft.group.awaits_assignment());
    if bump || scene.is_stale {
        update_epoch(draft, scene.image, bump);
    }
    draft.session_from(scene.now_ms, id, scene.settings.times.session_timeout_ms);
    let missing = begin_missing(draft, scene);
    update_target(draft, scene);
    advance(draft, scene.image, id, changed);
    let member = draft.member(id);
    let is_full = request.subscribed_topic_names.is_some();
    let hears = joins || is_full || member.has.assigned != before.has.assigned;
    let told = ShareGroupHeartbeatResponse {
        member_id: Some(id.to_string().into()),
        member_epoch: member.has.epoch,
        heartbeat_interval_ms: interval_ms(draft, scene, !missing.is_empty()),
        assignment: hears.then(|| told(&member.has.assigned)),
        ..ShareGroupHeartbeatResponse::default()
    };
    Ok((told, missing))
}

/// When the member is to be heard of again, milliseconds: soon, if there will be more for it than it
/// has been told. Members that come in the meantime get their part.
fn interval_ms(draft: &Draft, scene: Scene<'_>, is_missing: bool) -> i32 {
    let interval_ms = scene.settings.times.heartbeat_interval_ms;
    let is_preparing = is_missing || scene.is_initializing || draft.group.awaits_assignment();
    if is_preparing { interval_ms.min(PREPARING_MS) } else { interval_ms }
}

/// # Errors
/// GROUP_MAX_SIZE_REACHED.
fn check_room(group: &ShareGroup, scene: Scene<'_>, id: &Name) -> Result<(), Refusal> {
    let max = scene.settings.size_max;
    if group.members.size() < max || group.member(id).is_some() {
        return Ok(());
    }
    let text = format!("The share group has reached its maximum capacity of {max} members.");
    Err(Refusal::new(ErrorCode::GroupMaxSizeReached, text))
}

fn unknown_member(group: &str, id: &str) -> Refusal {
    let text = format!("Member {id} is not a member of group {group}.");
    Refusal::new(ErrorCode::UnknownMemberId, text)
}

/// A member may begin anew at any time, and be behind by the one epoch whose answer it missed.
///
/// # Errors
/// FENCED_MEMBER_EPOCH.
fn check_epoch(member: &Member, epoch: i32) -> Result<(), Refusal> {
    let (known, previous) = (member.has.epoch, member.has.previous_epoch);
    let fenced = |text: String| Err(Refusal::new(ErrorCode::FencedMemberEpoch, text));
    match epoch {
        0 => Ok(()),
        epoch if epoch > known => fenced(format!(
            "The share group member has a greater member epoch ({epoch}) than the one known by \
             the group coordinator ({known}). The member must abandon all its partitions and \
             rejoin."
        )),
        epoch if epoch < known && epoch != previous => fenced(format!(
            "The share group member has a smaller member epoch ({epoch}) than the one known by \
             the group coordinator ({known}), and it does not match the previous member epoch \
             ({previous}). The member must abandon all its partitions and rejoin."
        )),
        _ => Ok(()),
    }
}

fn said(before: &Subscription, beat: &Beat<'_>) -> Subscription {
    let request = beat.request;
    let names = request.subscribed_topic_names.as_ref().map(|names| {
        Arc::new(names.iter().map(|name| Name::from(name.as_ref())).collect::<BTreeSet<Name>>())
    });
    Subscription {
        rack_id: opt_name(request.rack_id.as_ref()).or_else(|| before.rack_id.clone()),
        client_id: beat.context.client_id.as_str().into(),
        client_host: beat.context.client_host.as_str().into(),
        topics: names.unwrap_or_else(|| Arc::clone(&before.topics)),
    }
}

/// Brings epoch and fingerprint up to date; `bump` says that there is another reason for it.
pub(crate) fn update_epoch(draft: &mut Draft, image: &Image, bump: bool) {
    draft.looked_at_topics = true;
    let hash = hash::of_topics(image, &draft.group.subscribed());
    if bump || hash != draft.group.metadata_hash {
        draft.push(Record::Group(Some((draft.group.epoch + 1, hash))));
    }
}

/// Notes the partitions whose state has to be made in the store, unless that is going on.
fn begin_missing(draft: &mut Draft, scene: Scene<'_>) -> ByTopic {
    if scene.is_initializing {
        return ByTopic::new();
    }
    let missing = draft.group.topics.missing(scene.image, &draft.group.subscribed());
    if !missing.is_empty() {
        draft.topics(draft.group.topics.begun(&missing));
    }
    missing
}

/// Makes a new target assignment if the group has a newer epoch, unless the last one is younger
/// than `group.share.assignment.interval.ms`.
fn update_target(draft: &mut Draft, scene: Scene<'_>) {
    let group = &draft.group;
    let interval_ms = i64::from(scene.settings.times.assignment_interval_ms);
    let is_due = group.target_ms == 0 || scene.now_ms >= group.target_ms + interval_ms;
    if group.epoch <= group.target_epoch || !is_due {
        return;
    }
    let spec = |member: &Arc<Member>| MemberSpec {
        id: member.id.clone(),
        topics: Arc::new(topics::ids_of(scene.image, member.said.topics.iter())),
        assigned: group.target(&member.id),
    };
    let specs: Vec<MemberSpec> = group.members.values().map(spec).collect();
    let offered = group.topics.initialized.iter();
    let partitions: BTreeMap<Uuid, BTreeSet<i32>> =
        offered.map(|(topic, of)| (*topic, of.indexes.clone())).collect();
    for (member, assignment) in assignor::assign(&specs, &partitions) {
        draft.target(&member, assignment);
    }
    // What has nothing to give holds up nothing.
    let made_ms = if partitions.is_empty() { 0 } else { scene.now_ms };
    draft.push(Record::TargetEpoch(Some((draft.group.epoch, made_ms))));
}

/// Gives the member what it is to have: others may have it as well, so that nobody need be waited
/// for.
fn advance(draft: &mut Draft, image: &Image, id: &Name, subscription_changed: bool) {
    let member = draft.member(id);
    let epoch = draft.group.target_epoch;
    if member.has.epoch == epoch && !subscription_changed {
        return;
    }
    let wanted = topics::ids_of(image, member.said.topics.iter());
    let target = draft.group.target(id);
    let assigned = target.iter().filter(|(topic, _)| wanted.contains(topic));
    let assigned = Arc::new(assigned.map(|(topic, set)| (*topic, set.clone())).collect());
    let previous_epoch = match member.has.epoch == epoch {
        true => member.has.previous_epoch,
        false => member.has.epoch,
    };
    draft.give(id, Current { epoch, previous_epoch, assigned });
}

fn leave(
    draft: &mut Draft,
    scene: Scene<'_>,
    id: &Name,
) -> Result<ShareGroupHeartbeatResponse<'static>, Refusal> {
    if draft.group.member(id).is_none() {
        return Err(unknown_member(&draft.group.id, id));
    }
    fence(draft, scene.image, id);
    Ok(ShareGroupHeartbeatResponse {
        member_id: Some(id.to_string().into()),
        member_epoch: LEAVE_EPOCH,
        ..ShareGroupHeartbeatResponse::default()
    })
}

/// Takes a member out; the others get a new epoch.
pub(crate) fn fence(draft: &mut Draft, image: &Image, id: &Name) {
    draft.remove(id);
    update_epoch(draft, image, true);
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
