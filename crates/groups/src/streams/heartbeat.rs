//! StreamsGroupHeartbeat, version 0 (KIP-1071): the one request with which a member joins, brings
//! the topology, stays, reports the tasks it has and hears those it is to have. With epoch -1 it
//! leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::streams_group_heartbeat_request::{KeyValue, TaskIds};
use klamm_protocol::messages::streams_group_heartbeat_response as response;
use klamm_protocol::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};

use super::configure::{self, Configured, Problem, STALE_TOPOLOGY};
use super::draft::{Draft, Scene};
use super::group::StreamsGroup;
use super::member::{Member, Said};
use super::reconcile::{self, Goal};
use super::record::Record;
use super::target;
use super::tasks::{TaskSet, Tasks};
use super::topology::Topology;
use crate::api::Context;
use crate::modern::{MemberState, Refusal};
use crate::name::{Name, opt_name, text};
use crate::timers::TimerKey;

/// A heartbeat, as far as groups are concerned.
pub(super) struct Beat<'a> {
    pub(super) context: &'a Context,
    pub(super) request: &'a StreamsGroupHeartbeatRequest<'a>,
    pub(super) id: Name,
}

/// What a member is told, before what is not in the log is added.
pub(super) struct Beaten {
    pub(super) response: StreamsGroupHeartbeatResponse<'static>,
    pub(super) statuses: Vec<Problem>,
    /// The tasks of the member are other ones now.
    pub(super) has_changed: bool,
    /// Internal topics to be made.
    pub(super) missing: Vec<CreatableTopic<'static>>,
}

/// Decides on a heartbeat of a member that stays, to the draft's group, which exists or is about
/// to.
///
/// # Errors
/// The member is told; nothing changes.
pub(super) fn stay(
    draft: &mut Draft,
    scene: Scene<'_>,
    beat: &Beat<'_>,
) -> Result<Beaten, Refusal> {
    let (request, id) = (beat.request, &beat.id);
    let joins = request.member_epoch == 0;
    check_room(&draft.group, scene, id)?;
    let before = draft.group.member(id).cloned();
    if !joins && before.is_none() {
        return Err(unknown_member(&draft.group.id, id));
    }
    let before = before.unwrap_or_else(|| Arc::new(Member::new(id.clone())));
    let reported = reported(request);
    check_epoch(&before, request.member_epoch, reported.as_ref())?;
    let bump = draft.say(id, said(&before.said, beat));
    let topology = follow_topology(draft, request)?;
    let mut statuses = stale(&draft.member(id), &topology);
    let configured = configure::configure(&topology, scene.image)?;
    if configured.is_ready() {
        check_tasks(&configured, reported.as_ref())?;
    }
    target::update_epoch(draft, scene, &topology, &configured, bump);
    statuses.extend(target::update_target(draft, scene, &configured));
    let member = advance(draft, scene, id, reported.as_ref())?;
    draft.session_from(scene.now_ms, id, scene.settings.times.session_timeout_ms);
    let has_changed = member.has.assigned != before.has.assigned;
    let mut response = StreamsGroupHeartbeatResponse {
        member_id: text(id),
        member_epoch: member.has.epoch,
        heartbeat_interval_ms: scene.settings.times.heartbeat_interval_ms,
        ..StreamsGroupHeartbeatResponse::default()
    };
    if joins || has_changed {
        tell(&mut response, &member.has.assigned.tasks());
    }
    let Configured { problem, missing, .. } = configured;
    statuses.extend(problem);
    Ok(Beaten { response, statuses, has_changed, missing })
}

fn check_room(group: &StreamsGroup, scene: Scene<'_>, id: &Name) -> Result<(), Refusal> {
    let max = scene.settings.size_max;
    if group.members.size() < max || group.member(id).is_some() {
        return Ok(());
    }
    let text = format!("The streams group has reached its maximum capacity of {max} members.");
    Err(Refusal::new(ErrorCode::GroupMaxSizeReached, text))
}

pub(super) fn unknown_member(group: &str, id: &str) -> Refusal {
    let text = format!("Member {id} is not a member of group {group}.");
    Refusal::new(ErrorCode::UnknownMemberId, text)
}

/// A member may begin anew at any time. It may be behind by the one epoch whose answer it missed,
/// if it has nothing that it is not to have.
fn check_epoch(member: &Member, epoch: i32, reported: Option<&TaskSet>) -> Result<(), Refusal> {
    let known = member.has.epoch;
    let has_only = || reported.is_some_and(|reported| reported.is_within(&member.has.assigned));
    let than = match epoch {
        _ if epoch == known || epoch == 0 => return Ok(()),
        _ if epoch > known => "greater",
        _ if epoch == member.has.previous_epoch && has_only() => return Ok(()),
        _ => "smaller",
    };
    let text = format!(
        "The streams group member has a {than} member epoch ({epoch}) than the one known by the \
         group coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, text))
}

/// What a member says now: what is absent from the request is as before.
fn said(before: &Said, beat: &Beat<'_>) -> Said {
    let request = beat.request;
    let keep = |new: Option<Name>, old: &Option<Name>| new.or_else(|| old.clone());
    let tags = |tags: &Vec<KeyValue<'_>>| -> Arc<BTreeMap<Name, Name>> {
        let tag = |tag: &KeyValue<'_>| (Name::from(&*tag.key), Name::from(&*tag.value));
        Arc::new(tags.iter().map(tag).collect())
    };
    let endpoint = request.user_endpoint.as_ref().map(|at| (Name::from(&*at.host), at.port));
    Said {
        instance_id: None,
        rack_id: keep(opt_name(request.rack_id.as_ref()), &before.rack_id),
        client_id: beat.context.client_id.as_str().into(),
        client_host: beat.context.client_host.as_str().into(),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        topology_epoch: request.topology.as_ref().map_or(before.topology_epoch, |t| t.epoch),
        process_id: opt_name(request.process_id.as_ref())
            .unwrap_or_else(|| before.process_id.clone()),
        endpoint: endpoint.or_else(|| before.endpoint.clone()),
        tags: request.client_tags.as_ref().map_or_else(|| Arc::clone(&before.tags), tags),
    }
}

/// The group's topology; the first that is brought becomes it.
///
/// # Errors
/// INVALID_REQUEST: the application changed, which Kafka 4.3 does not serve yet.
fn follow_topology(
    draft: &mut Draft,
    request: &StreamsGroupHeartbeatRequest<'_>,
) -> Result<Arc<Topology>, Refusal> {
    let brought = request.topology.as_ref().map(|topology| Arc::new(Topology::brought(topology)));
    match (draft.group.topology.clone(), brought) {
        (Some(known), None) => Ok(known),
        (Some(known), Some(brought)) if known.epoch() > brought.epoch() => Ok(known),
        (Some(known), Some(brought)) if known == brought => Ok(known),
        (Some(_), Some(_)) => {
            let text = "Topology updates are not supported yet.";
            Err(Refusal::new(ErrorCode::InvalidRequest, text))
        }
        (None, Some(brought)) => {
            draft.push(Record::Topology(Some(Arc::clone(&brought))));
            Ok(brought)
        }
        (None, None) => {
            let text = "The topology is null and the group topology is also null.";
            Err(Refusal::new(ErrorCode::UnknownServerError, text))
        }
    }
}

fn stale(member: &Member, topology: &Topology) -> Vec<Problem> {
    let (own, known) = (member.said.topology_epoch, topology.epoch());
    let detail =
        format!("The member's topology epoch {own} is behind the group's topology epoch {known}.");
    let status = STALE_TOPOLOGY;
    if own < known { vec![Problem { status, detail }] } else { Vec::new() }
}

fn check_tasks(configured: &Configured, reported: Option<&TaskSet>) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::new(ErrorCode::InvalidRequest, text));
    let Some(reported) = reported else { return Ok(()) };
    for tasks in [&reported.active, &reported.standby, &reported.warmup] {
        for (id, partitions) in tasks.iter() {
            let Some(size) = configured.sizes.get(id) else {
                return invalid(format!("Subtopology {id} does not exist in the topology."));
            };
            if let Some(task) = partitions.iter().find(|p| **p < 0 || **p >= size.tasks) {
                return invalid(format!(
                    "Task {task} for subtopology {id} is invalid. Number of tasks for this \
                     subtopology: {}",
                    size.tasks
                ));
            }
        }
    }
    Ok(())
}

/// Takes a member a step towards the target assignment.
fn advance(
    draft: &mut Draft,
    scene: Scene<'_>,
    id: &Name,
    reported: Option<&TaskSet>,
) -> Result<Arc<Member>, Refusal> {
    let member = draft.member(id);
    let target = if scene.waits_for_members { TaskSet::default() } else { draft.group.target(id) };
    let goal = Goal { epoch: draft.group.target_epoch, target, reported };
    let next = reconcile::next(&draft.group, &member, &goal)?;
    if next != member.has {
        draft.give(id, next);
        let member = draft.member(id);
        let key = TimerKey::Revoke { group: draft.group.id.clone(), member: id.clone() };
        draft.timers.insert(key, revoke_deadline(scene.now_ms, &member));
    }
    Ok(draft.member(id))
}

/// The deadline of a member that is to give up tasks.
pub(super) fn revoke_deadline(now_ms: i64, member: &Member) -> Option<i64> {
    let patience_ms = i64::from(member.said.rebalance_timeout_ms.max(0));
    (member.has.state == MemberState::Unrevoked).then_some(now_ms + patience_ms)
}

/// What a member says that it has, if it says so.
fn reported(request: &StreamsGroupHeartbeatRequest<'_>) -> Option<TaskSet> {
    let tasks = |list: &Vec<TaskIds<'_>>| -> Tasks {
        let ids = |ids: &TaskIds<'_>| {
            (Name::from(&*ids.subtopology_id), ids.partitions.iter().copied().collect())
        };
        Arc::new(list.iter().map(ids).collect())
    };
    Some(TaskSet {
        active: tasks(request.active_tasks.as_ref()?),
        standby: tasks(request.standby_tasks.as_ref()?),
        warmup: tasks(request.warmup_tasks.as_ref()?),
    })
}

fn tell(response: &mut StreamsGroupHeartbeatResponse<'static>, set: &TaskSet) {
    let told = |tasks: &Tasks| {
        let ids = tasks.iter().map(|(id, partitions)| response::TaskIds {
            subtopology_id: text(id),
            partitions: partitions.iter().copied().collect(),
            ..<_>::default()
        });
        Some(ids.collect())
    };
    response.active_tasks = told(&set.active);
    response.standby_tasks = told(&set.standby);
    response.warmup_tasks = told(&set.warmup);
}
