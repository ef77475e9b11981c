//! What of a StreamsGroupHeartbeat can be judged without its group.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::StreamsGroupHeartbeatRequest;
use klamm_protocol::messages::streams_group_heartbeat_request::{TaskIds, Topology};

use crate::modern::{LEAVE_STATIC_EPOCH, Refusal};

/// Checks the request by itself.
///
/// # Errors
/// INVALID_REQUEST or STREAMS_INVALID_TOPOLOGY, with Kafka's texts.
pub(super) fn check(request: &StreamsGroupHeartbeatRequest<'_>) -> Result<(), Refusal> {
    check_features(request)?;
    check_names(request)?;
    match request.member_epoch {
        0 => check_join(request)?,
        LEAVE_STATIC_EPOCH if request.instance_id.is_none() => {
            return invalid("InstanceId can't be null.");
        }
        epoch @ ..LEAVE_STATIC_EPOCH => {
            let text = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
            return Err(Refusal::new(ErrorCode::InvalidRequest, text));
        }
        _ if request.topology.is_some() => {
            return invalid("Topology can only be provided when (re-)joining.");
        }
        _ => {}
    }
    let kinds = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    let told = kinds.iter().filter(|tasks| tasks.is_some()).count();
    if told != 0 && told != kinds.len() {
        return invalid("If one task-type is non-null, all must be non-null.");
    }
    Ok(())
}

/// What KIP-1071 has and Kafka 4.3 does not serve yet.
fn check_features(request: &StreamsGroupHeartbeatRequest<'_>) -> Result<(), Refusal> {
    if request.instance_id.is_some() {
        return invalid("Static membership is not yet supported.");
    }
    if request.task_offsets.is_some() {
        return invalid("TaskOffsets are not supported yet.");
    }
    if request.task_end_offsets.is_some() {
        return invalid("TaskEndOffsets are not supported yet.");
    }
    if !is_none_or_empty(request.warmup_tasks.as_ref()) {
        return invalid("WarmupTasks are not supported yet.");
    }
    let has_pattern = |topology: &Topology<'_>| {
        topology.subtopologies.iter().any(|s| !s.source_topic_regex.is_empty())
    };
    if request.topology.as_ref().is_some_and(has_pattern) {
        return invalid("Regular expressions for source topics are not supported yet.");
    }
    Ok(())
}

fn check_names(request: &StreamsGroupHeartbeatRequest<'_>) -> Result<(), Refusal> {
    if request.member_id.trim().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if request.rack_id.as_deref().is_some_and(|rack| rack.trim().is_empty()) {
        return invalid("RackId can't be empty.");
    }
    Ok(())
}

fn check_join(request: &StreamsGroupHeartbeatRequest<'_>) -> Result<(), Refusal> {
    if request.rebalance_timeout_ms == -1 {
        return invalid("RebalanceTimeoutMs must be provided in first request.");
    }
    let is_owned =
        |tasks: &Option<Vec<TaskIds<'_>>>| tasks.as_ref().is_none_or(|tasks| !tasks.is_empty());
    if is_owned(&request.active_tasks) {
        return invalid("ActiveTasks must be empty when (re-)joining.");
    }
    if is_owned(&request.standby_tasks) {
        return invalid("StandbyTasks must be empty when (re-)joining.");
    }
    if is_owned(&request.warmup_tasks) {
        return invalid("WarmupTasks must be empty when (re-)joining.");
    }
    let Some(topology) = &request.topology else {
        return invalid("Topology must be non-null when (re-)joining.");
    };
    if topology.epoch < 0 {
        return invalid("Topology epoch must be non-negative.");
    }
    let changelogs = topology.subtopologies.iter().flat_map(|sub| &sub.state_changelog_topics);
    match changelogs.clone().find(|info| info.partitions != 0) {
        None => Ok(()),
        Some(info) => {
            let text = format!(
                "Changelog topic {} must have an undefined partition count, but it is set to {}.",
                info.name, info.partitions
            );
            Err(Refusal::new(ErrorCode::StreamsInvalidTopology, text))
        }
    }
}

fn is_none_or_empty(tasks: Option<&Vec<TaskIds<'_>>>) -> bool {
    tasks.is_none_or(Vec::is_empty)
}

fn invalid(text: &str) -> Result<(), Refusal> {
    Err(Refusal::new(ErrorCode::InvalidRequest, text))
}
