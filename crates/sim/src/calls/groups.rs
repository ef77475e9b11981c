//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup.

use std::borrow::Cow;

use klamm_protocol::{
    ErrorCode,
    messages::{
        HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
        LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
};

use crate::{client::Client, oracle::Assignments, world::World};

/// How long a member may be silent, and how long a rebalance may take, milliseconds.
const SESSION_MS: i32 = 2_000;
const REBALANCE_MS: i32 = 3_000;
const TIMEOUT_MS: u64 = 8_000;

/// The answer to a join.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    pub(crate) member: String,
    /// The name of a static member.
    pub(crate) instance: Option<String>,
    pub(crate) generation: i32,
    /// All members, if this is the leader.
    pub(crate) members: Vec<String>,
    pub(crate) is_leader: bool,
}

/// Joins, the second time with the member id that the broker asked for.
pub(crate) async fn join(
    world: &World,
    client: &mut Client,
    group: &str,
    member: &mut String,
    instance: Option<&str>,
) -> Option<Result<Joined, ErrorCode>> {
    let oldest = if instance.is_some() { 5 } else { 0 };
    let version = client.version_within::<JoinGroupRequest<'_>>(oldest, i16::MAX);
    let protocol = JoinGroupRequestProtocol { name: "spread".into(), ..Default::default() };
    let request = JoinGroupRequest {
        group_id: Cow::Borrowed(group),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        member_id: Cow::Owned(member.clone()),
        group_instance_id: instance.map(Cow::Borrowed),
        protocol_type: "sim".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let asked = world.oracle().generation(group);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: JoinGroupResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error == ErrorCode::MemberIdRequired {
        *member = response.member_id.into_owned();
        return Some(Err(error));
    }
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    *member = response.member_id.into_owned();
    let mut oracle = world.oracle();
    oracle.joined(group, asked, response.generation_id);
    if let Some(instance) = instance {
        oracle.came_back(group, instance, member);
    }
    Some(Ok(Joined {
        is_leader: response.leader == member.as_str() && !response.skip_assignment,
        member: member.clone(),
        instance: instance.map(str::to_owned),
        generation: response.generation_id,
        members: response.members.iter().map(|m| m.member_id.clone().into_owned()).collect(),
    }))
}

/// Asks for the assignment; a leader brings all of them.
pub(crate) async fn sync(
    world: &World,
    client: &mut Client,
    group: &str,
    joined: &Joined,
    assignments: &Assignments,
) -> Option<Result<String, ErrorCode>> {
    let version = client.version_within::<SyncGroupRequest<'_>>(joined.oldest(), i16::MAX);
    if joined.is_leader {
        world.oracle().assigning(group, joined.generation, assignments);
    }
    let assignment = |(member, given): (&String, &String)| SyncGroupRequestAssignment {
        member_id: Cow::Owned(member.clone()),
        assignment: Cow::Owned(given.clone().into_bytes()),
        ..Default::default()
    };
    let request = SyncGroupRequest {
        group_id: Cow::Borrowed(group),
        generation_id: joined.generation,
        member_id: Cow::Borrowed(&joined.member),
        group_instance_id: joined.instance.as_deref().map(Cow::Borrowed),
        protocol_type: Some("sim".into()),
        protocol_name: Some("spread".into()),
        assignments: assignments.iter().map(assignment).collect(),
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: SyncGroupResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    let given = String::from_utf8_lossy(&response.assignment).into_owned();
    let who = (joined.member.as_str(), joined.instance.as_deref());
    let mut oracle = world.oracle();
    oracle.assigned(group, joined.generation, who, &given);
    oracle.member_seen(group, world.elapsed_ms());
    drop(oracle);
    Some(Ok(given))
}

/// Says that a member lives.
pub(crate) async fn heartbeat(
    client: &mut Client,
    group: &str,
    joined: &Joined,
) -> Option<ErrorCode> {
    let request = HeartbeatRequest {
        group_id: Cow::Borrowed(group),
        generation_id: joined.generation,
        member_id: Cow::Borrowed(&joined.member),
        group_instance_id: joined.instance.as_deref().map(Cow::Borrowed),
        ..Default::default()
    };
    let version = client.version_within::<HeartbeatRequest<'_>>(joined.oldest(), i16::MAX);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: HeartbeatResponse = reply.decode().ok()?;
    ErrorCode::from_code(response.error_code)
}

/// Leaves.
pub(crate) async fn leave(
    client: &mut Client,
    group: &str,
    member: &str,
    instance: Option<&str>,
) -> Option<ErrorCode> {
    let oldest = if instance.is_some() { 3 } else { 0 };
    let version = client.version_within::<LeaveGroupRequest<'_>>(oldest, i16::MAX);
    let mut request = LeaveGroupRequest { group_id: Cow::Borrowed(group), ..Default::default() };
    match version {
        3.. => {
            let member = MemberIdentity {
                member_id: Cow::Borrowed(member),
                group_instance_id: instance.map(Cow::Borrowed),
                ..Default::default()
            };
            request.members = vec![member];
        }
        _ => request.member_id = Cow::Borrowed(member),
    }
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: LeaveGroupResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.error_code)
}

impl Joined {
    /// The oldest version of SyncGroup and Heartbeat that can name this member.
    fn oldest(&self) -> i16 {
        if self.instance.is_some() { 3 } else { 0 }
    }
}
