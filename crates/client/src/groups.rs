//! Listing, describing and deleting groups.

use klamm_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerProtocolAssignment,
        DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
        ListGroupsRequest, ListGroupsResponse, consumer_group_describe_response as modern,
        describe_groups_response as classic,
    },
    wire::{Message, Reader, VersionRange},
};

use crate::{
    Client, ClientError, TopicPartition,
    client::{Lane, Target},
};

const LIST_GROUPS: VersionRange = VersionRange::new(0, 5);
const DESCRIBE_GROUPS: VersionRange = VersionRange::new(0, 6);
const CONSUMER_GROUP_DESCRIBE: VersionRange = VersionRange::new(0, 1);
const DELETE_GROUPS: VersionRange = VersionRange::new(0, 2);

/// One line of a list of groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// The group's id.
    pub group: String,
    /// Such as `consumer`; empty for a group that only commits.
    pub protocol_type: String,
    /// Such as `Stable`; empty where the broker does not tell.
    pub state: String,
    /// `classic`, `consumer`, `share` or `streams`; empty where the broker does not tell.
    pub kind: String,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group's id.
    pub group: String,
    /// Such as `Stable`.
    pub state: String,
    /// Such as `consumer`.
    pub protocol_type: String,
    /// The assignor, such as `range`.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// The members by id.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The coordinator's name for it.
    pub member_id: String,
    /// Its own name, if it is a static member (KIP-345).
    pub instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub host: String,
    /// Its partitions.
    pub partitions: Vec<TopicPartition>,
}

impl Client {
    /// The groups of all brokers, by id.
    ///
    /// # Errors
    /// [`ClientError`]; one broker that does not answer fails the whole.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        let cluster = self.metadata(Some(&[])).await?;
        let mut groups = Vec::new();
        for &id in cluster.brokers.keys() {
            groups.extend(self.groups_of(id).await?);
        }
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    async fn groups_of(&self, broker: i32) -> Result<Vec<GroupListing>, ClientError> {
        let mut retry = self.retry();
        loop {
            let request = ListGroupsRequest::default();
            let sent = self.call(Target::Broker(broker), Lane::Main, LIST_GROUPS, &request).await;
            let result = sent.and_then(|reply| {
                let answer = reply.decode::<ListGroupsResponse<'_>>()?;
                ClientError::check(answer.error_code, None, || format!("broker {broker}"))?;
                let listing =
                    |group: &klamm_protocol::messages::list_groups_response::ListedGroup<'_>| {
                        GroupListing {
                            group: group.group_id.to_string(),
                            protocol_type: group.protocol_type.to_string(),
                            state: group.group_state.to_string(),
                            kind: group.group_type.to_string(),
                        }
                    };
                Ok(answer.groups.iter().map(listing).collect())
            });
            match result {
                Err(error) => retry.after(error).await?,
                Ok(groups) => return Ok(groups),
            }
        }
    }

    /// A group and its members, of the classic or of the consumer protocol (KIP-848).
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` with `GROUP_ID_NOT_FOUND` where there is no such group.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.try_describe_group(group).await {
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(description) => return Ok(description),
            }
        }
    }

    async fn try_describe_group(&self, group: &str) -> Result<GroupDescription, ClientError> {
        let coordinator = self.coordinator(group).await?;
        let modern = self.describe_modern(group, coordinator).await;
        let is_other_kind = |error: &ClientError| {
            matches!(error, ClientError::Unsupported { .. })
                || error.code() == Some(ErrorCode::GroupIdNotFound)
                || error.code() == Some(ErrorCode::UnsupportedVersion)
        };
        match modern {
            Err(error) if is_other_kind(&error) => self.describe_classic(group, coordinator).await,
            result => result,
        }
    }

    async fn describe_classic(
        &self,
        group: &str,
        coordinator: i32,
    ) -> Result<GroupDescription, ClientError> {
        let request = DescribeGroupsRequest {
            groups: vec![group.into()],
            ..DescribeGroupsRequest::default()
        };
        let target = Target::Broker(coordinator);
        let reply = self.call(target, Lane::Main, DESCRIBE_GROUPS, &request).await?;
        let answer = reply.decode::<DescribeGroupsResponse<'_>>()?;
        let found = answer.groups.first().ok_or_else(|| not_found(group))?;
        let message = found.error_message.as_deref();
        ClientError::check(found.error_code, message, || format!("group {group}"))?;
        // Before version 6 a group that does not exist is said to be dead.
        if found.group_state == "Dead" {
            return Err(not_found(group));
        }
        let mut members: Vec<_> = found.members.iter().map(classic_member).collect();
        members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
        Ok(GroupDescription {
            group: group.to_owned(),
            state: found.group_state.to_string(),
            protocol_type: found.protocol_type.to_string(),
            assignor: found.protocol_data.to_string(),
            coordinator,
            members,
        })
    }

    async fn describe_modern(
        &self,
        group: &str,
        coordinator: i32,
    ) -> Result<GroupDescription, ClientError> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![group.into()],
            ..ConsumerGroupDescribeRequest::default()
        };
        let target = Target::Broker(coordinator);
        let reply = self.call(target, Lane::Main, CONSUMER_GROUP_DESCRIBE, &request).await?;
        let answer = reply.decode::<ConsumerGroupDescribeResponse<'_>>()?;
        let found = answer.groups.first().ok_or_else(|| not_found(group))?;
        let message = found.error_message.as_deref();
        ClientError::check(found.error_code, message, || format!("group {group}"))?;
        let mut members: Vec<_> = found.members.iter().map(modern_member).collect();
        members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
        Ok(GroupDescription {
            group: group.to_owned(),
            state: found.group_state.to_string(),
            protocol_type: "consumer".to_owned(),
            assignor: found.assignor_name.to_string(),
            coordinator,
            members,
        })
    }

    /// Deletes a group with its committed offsets.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` with `NON_EMPTY_GROUP` while it has members.
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest {
            groups_names: vec![group.into()],
            ..DeleteGroupsRequest::default()
        };
        let mut retry = self.retry();
        loop {
            let target = Target::Coordinator(group);
            let sent = self.call(target, Lane::Main, DELETE_GROUPS, &request).await;
            let result = sent.and_then(|reply| {
                let answer = reply.decode::<DeleteGroupsResponse<'_>>()?;
                let code = answer.results.first().map_or(0, |result| result.error_code);
                ClientError::check(code, None, || format!("group {group}"))
            });
            match result {
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(()) => return Ok(()),
            }
        }
    }
}

fn not_found(group: &str) -> ClientError {
    ClientError::Refused {
        subject: format!("group {group}"),
        code: ErrorCode::GroupIdNotFound.code(),
        message: None,
    }
}

fn classic_member(member: &classic::DescribedGroupMember<'_>) -> GroupMember {
    GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        host: member.client_host.trim_start_matches('/').to_owned(),
        partitions: assigned(&member.member_assignment).unwrap_or_default(),
    }
}

/// The partitions in a member's assignment; none where it is not of the consumer protocol.
pub(crate) fn assigned(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok()?;
    // A newer version only adds at the end (KIP-429), which is then left unread.
    let version = version.clamp(0, ConsumerProtocolAssignment::VERSIONS.max);
    let assignment = ConsumerProtocolAssignment::decode(&mut reader, version).ok()?;
    let mut partitions = Vec::new();
    for topic in &assignment.assigned_partitions {
        let name: std::sync::Arc<str> = topic.topic.as_ref().into();
        let of = |&partition: &i32| TopicPartition { topic: name.clone(), partition };
        partitions.extend(topic.partitions.iter().map(of));
    }
    partitions.sort();
    Some(partitions)
}

fn modern_member(member: &modern::Member<'_>) -> GroupMember {
    let mut partitions = Vec::new();
    for topic in &member.assignment.topic_partitions {
        let name: std::sync::Arc<str> = topic.topic_name.as_ref().into();
        let of = |&partition: &i32| TopicPartition { topic: name.clone(), partition };
        partitions.extend(topic.partitions.iter().map(of));
    }
    partitions.sort();
    GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        host: member.client_host.trim_start_matches('/').to_owned(),
        partitions,
    }
}
