//! Membership in a group of the classic protocol: join, sync, heartbeat, leave.

use std::{collections::BTreeMap, time::Duration};

use klamm_protocol::{
    ErrorCode,
    messages::{
        ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest,
        HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
        consumer_protocol_assignment::TopicPartition as AssignedTopic,
        join_group_request::JoinGroupRequestProtocol, join_group_response::JoinGroupResponseMember,
        leave_group_request::MemberIdentity, sync_group_request::SyncGroupRequestAssignment,
    },
    wire::{Message, Reader, VersionRange, Writer},
};

use crate::{
    Client, ClientError, GroupOptions, TopicPartition,
    client::{Lane, Target},
    groups::assigned,
    range_assignor::{Subscriber, assign},
};

const JOIN_GROUP: VersionRange = VersionRange::new(2, 9);
const SYNC_GROUP: VersionRange = VersionRange::new(1, 5);
const HEARTBEAT: VersionRange = VersionRange::new(1, 4);
const LEAVE_GROUP: VersionRange = VersionRange::new(0, 5);
/// The first version that can remove several members.
const LEAVE_GROUP_BATCHED: i16 = 3;

const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";
/// What this client can write of the subscription; the fields added later are for cooperation.
const SUBSCRIPTION_VERSION: i16 = 0;
/// How long the coordinator may take with its answer beyond the rebalance.
const SLACK: Duration = Duration::from_secs(5);

/// Who a commit or heartbeat comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
}

impl Membership {
    /// Not a member.
    pub(crate) const NONE: Self = Self { id: String::new(), instance_id: None, generation: -1 };
}

impl Client {
    /// Joins, or joins again, and returns the partitions that are this member's.
    ///
    /// # Errors
    /// [`ClientError`]; `member` then says what is known, and the call can be made again.
    pub(crate) async fn join_group(
        &self,
        options: &GroupOptions,
        member: &mut Membership,
    ) -> Result<Vec<TopicPartition>, ClientError> {
        let mut retry = self.retry();
        loop {
            let error = match self.try_join(options, member).await {
                Ok(partitions) => return Ok(partitions),
                Err(error) => error,
            };
            match error.code() {
                // The id to join with was given (KIP-394).
                Some(ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress) => {}
                Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                    member.id.clear();
                    member.generation = -1;
                }
                _ if self.is_hopeless(&error) => return Err(error),
                _ => retry.after(error).await?,
            }
        }
    }

    async fn try_join(
        &self,
        options: &GroupOptions,
        member: &mut Membership,
    ) -> Result<Vec<TopicPartition>, ClientError> {
        let subscription = ConsumerProtocolSubscription {
            topics: options.topics.iter().map(|topic| topic.as_str().into()).collect(),
            ..ConsumerProtocolSubscription::default()
        };
        let protocol = JoinGroupRequestProtocol {
            name: ASSIGNOR.into(),
            metadata: versioned(&subscription, SUBSCRIPTION_VERSION).into(),
            ..JoinGroupRequestProtocol::default()
        };
        let request = JoinGroupRequest {
            group_id: options.group.as_str().into(),
            session_timeout_ms: millis(options.session_timeout),
            rebalance_timeout_ms: millis(options.rebalance_timeout),
            member_id: member.id.clone().into(),
            group_instance_id: options.instance_id.as_deref().map(Into::into),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        let target = Target::Coordinator(&options.group);
        let wait = options.rebalance_timeout + SLACK;
        let reply = self.call_patiently(target, Lane::Group, JOIN_GROUP, wait, &request).await?;
        let answer = reply.decode::<JoinGroupResponse<'_>>()?;
        if !answer.member_id.is_empty() {
            member.id = answer.member_id.to_string();
        }
        ClientError::check(answer.error_code, None, || format!("group {}", options.group))?;
        member.generation = answer.generation_id;
        member.instance_id.clone_from(&options.instance_id);
        let is_leader = answer.leader == answer.member_id && !answer.skip_assignment;
        let assignments = match is_leader {
            true => self.assign(&answer.members).await?,
            false => Vec::new(),
        };
        self.sync_group(options, member, assignments).await
    }

    /// The leader's part: shares out the partitions of all topics that members want.
    async fn assign(
        &self,
        members: &[JoinGroupResponseMember<'_>],
    ) -> Result<Vec<SyncGroupRequestAssignment<'static>>, ClientError> {
        let subscribers: Vec<Subscriber> = members.iter().map(subscriber).collect();
        let mut wanted: Vec<&str> =
            subscribers.iter().flat_map(|one| &one.topics).map(String::as_str).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let cluster = self.metadata(Some(&wanted)).await?;
        let count = |name: &&str| {
            let topic = cluster.topics.get(*name)?;
            (topic.error == 0).then(|| ((*name).to_owned(), topic.partitions.len()))
        };
        let partitions: BTreeMap<String, usize> = wanted.iter().filter_map(count).collect();
        let shares = assign(subscribers, &partitions);
        Ok(shares.into_iter().map(|(id, share)| assignment(id, share)).collect())
    }

    async fn sync_group(
        &self,
        options: &GroupOptions,
        member: &Membership,
        assignments: Vec<SyncGroupRequestAssignment<'static>>,
    ) -> Result<Vec<TopicPartition>, ClientError> {
        let request = SyncGroupRequest {
            group_id: options.group.as_str().into(),
            generation_id: member.generation,
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.as_deref().map(Into::into),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: Some(ASSIGNOR.into()),
            assignments,
            ..SyncGroupRequest::default()
        };
        let target = Target::Coordinator(&options.group);
        let wait = options.rebalance_timeout + SLACK;
        let reply = self.call_patiently(target, Lane::Group, SYNC_GROUP, wait, &request).await?;
        let answer = reply.decode::<SyncGroupResponse<'_>>()?;
        ClientError::check(answer.error_code, None, || format!("group {}", options.group))?;
        Ok(assigned(&answer.assignment).unwrap_or_default())
    }

    /// Tells the coordinator that the member lives.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` with `REBALANCE_IN_PROGRESS` where the member must join again.
    pub(crate) async fn heartbeat(
        &self,
        group: &str,
        member: &Membership,
    ) -> Result<(), ClientError> {
        let request = HeartbeatRequest {
            group_id: group.into(),
            generation_id: member.generation,
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.as_deref().map(Into::into),
            ..HeartbeatRequest::default()
        };
        let target = Target::Coordinator(group);
        let reply = self.call(target, Lane::Group, HEARTBEAT, &request).await?;
        let answer = reply.decode::<HeartbeatResponse<'_>>()?;
        ClientError::check(answer.error_code, None, || format!("group {group}"))
    }

    /// Leaves the group, so that others take over at once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn leave_group(
        &self,
        group: &str,
        member: &Membership,
    ) -> Result<(), ClientError> {
        let identity = MemberIdentity {
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.as_deref().map(Into::into),
            ..MemberIdentity::default()
        };
        let request = LeaveGroupRequest {
            group_id: group.into(),
            member_id: member.id.as_str().into(),
            members: vec![identity],
            ..LeaveGroupRequest::default()
        };
        let target = Target::Coordinator(group);
        let reply = self.call(target, Lane::Group, LEAVE_GROUP, &request).await?;
        let answer = reply.decode::<LeaveGroupResponse<'_>>()?;
        let subject = || format!("group {group}");
        ClientError::check(answer.error_code, None, subject)?;
        match answer.members.first() {
            Some(one) if reply.version() >= LEAVE_GROUP_BATCHED => {
                ClientError::check(one.error_code, None, subject)
            }
            _ => Ok(()),
        }
    }
}

/// A message of the consumer protocol behind its version.
fn versioned<'a>(message: &impl Message<'a>, version: i16) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.i16(version);
    message.encode(&mut writer, version);
    writer.into_parts().0
}

fn assignment(id: String, share: Vec<TopicPartition>) -> SyncGroupRequestAssignment<'static> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for at in share {
        topics.entry(at.topic.to_string()).or_default().push(at.partition);
    }
    let topic =
        |(topic, partitions): (String, Vec<i32>)| AssignedTopic { topic: topic.into(), partitions };
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics.into_iter().map(topic).collect(),
        ..ConsumerProtocolAssignment::default()
    };
    SyncGroupRequestAssignment {
        member_id: id.into(),
        assignment: versioned(&assignment, SUBSCRIPTION_VERSION).into(),
        ..SyncGroupRequestAssignment::default()
    }
}

/// A member and its topics; one whose subscription cannot be read wants nothing.
fn subscriber(member: &JoinGroupResponseMember<'_>) -> Subscriber {
    Subscriber {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_deref().map(str::to_owned),
        topics: subscribed(&member.metadata).unwrap_or_default(),
    }
}

fn subscribed(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok()?.clamp(0, ConsumerProtocolSubscription::VERSIONS.max);
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, version).ok()?;
    Some(subscription.topics.iter().map(ToString::to_string).collect())
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
