//! OffsetCommit, versions 0 to 10: by members, and by consumers that assign themselves.
//!
//! Version 1 dates each offset itself, versions 2 to 4 ask for a retention, both honoured.
//! Version 0, which Kafka kept in ZooKeeper, commits like a consumer without a group.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use klamm_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::store::{Committed, OffsetKey};
use crate::api::{Response, Token};
use crate::appends::{Changes, Then};
use crate::classic::{Group, State};
use crate::consumer;
use crate::coordinator::Coordinator;
use crate::name::Name;
use crate::records;
use crate::registry::AnyGroup;
use crate::streams::offsets::Committer;
use crate::streams::{self, StreamsGroup};

/// From this version on a client is told that a group does not exist.
const GROUP_ID_NOT_FOUND_FROM: i16 = 9;

impl Coordinator {
    pub(crate) fn commit(&mut self, token: Token, version: i16, request: OffsetCommitRequest<'_>) {
        let name = Name::from(request.group_id.as_ref());
        let is_member_or_simple = |shard: &mut Self, group: &mut Group| {
            check_commit(group, &request)?;
            if matches!(group.state, State::Stable | State::PreparingRebalance) {
                shard.renew_session(group, &request.member_id);
            }
            Ok(())
        };
        let of_modern = match self.registry.live(&name) {
            Some(AnyGroup::Consumer(group)) => {
                Some(consumer::offsets::check_commit(group, &request, version))
            }
            Some(AnyGroup::Streams(group)) => Some(check_streams(group, &request, version)),
            _ => None,
        };
        let allowed = match of_modern.or_else(|| self.with_group(&name, is_member_or_simple)) {
            Some(allowed) => allowed,
            None if self.registry.is_share(&name) => Err(ErrorCode::GroupIdNotFound),
            None if request.generation_id_or_member_epoch < 0 => Ok(()),
            None if version >= GROUP_ID_NOT_FOUND_FROM => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::IllegalGeneration),
        };
        match allowed {
            Ok(()) => self.commit_allowed(token, version, &name, request),
            Err(error) => {
                let response = commit_error(response_to(request), error.code());
                self.respond(token, Response::Commit(response));
            }
        }
    }

    fn commit_allowed(
        &mut self,
        token: Token,
        version: i16,
        name: &Name,
        request: OffsetCommitRequest<'_>,
    ) {
        let mut changes = Changes::default();
        let mut records = Vec::new();
        let expire_ms = match request.retention_time_ms {
            -1 => None,
            // A retention beyond all time is for ever.
            retention_ms => Some(self.now_ms.saturating_add(retention_ms)),
        };
        let mut response = OffsetCommitResponse::default();
        for topic in request.topics {
            let topic_name = Name::from(topic.name.as_ref());
            let mut told = topic_response(&topic);
            for (partition, told) in topic.partitions.into_iter().zip(&mut told.partitions) {
                if self.is_metadata_too_large(&partition) {
                    told.error_code = ErrorCode::OffsetMetadataTooLarge.code();
                    continue;
                }
                let (group, topic_name) = (name.clone(), topic_name.clone());
                let partition_index = partition.partition_index;
                let key = OffsetKey { group, topic: topic_name, partition: partition_index };
                let mut committed = committed(partition, self.now_ms, expire_ms);
                committed.topic_id = topic.topic_id;
                records.push(records::offset_commit(&key, &committed));
                changes.offsets.push((key, Some(committed)));
            }
            response.topics.push(told);
        }
        let response = Response::Commit(response);
        if records.is_empty() {
            return self.answer_when_durable(token, version, response);
        }
        if self.registry.live(name).is_none() {
            self.registry.put(Box::new(Group::new(name.clone(), self.now_ms)));
            changes.created = Some(name.clone());
        }
        self.append(records, changes, Some(Then::Answer { token, version, response }));
    }

    fn is_metadata_too_large(&self, partition: &OffsetCommitRequestPartition<'_>) -> bool {
        let text = partition.committed_metadata.as_deref().unwrap_or_default();
        text.encode_utf16().count() > self.settings.offset_metadata_max
    }
}

fn check_streams(
    group: &StreamsGroup,
    request: &OffsetCommitRequest<'_>,
    version: i16,
) -> Result<(), ErrorCode> {
    let epoch = request.generation_id_or_member_epoch;
    let by = Committer { member_id: &request.member_id, epoch };
    let each = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (&*topic.name, partition.partition_index))
    });
    streams::offsets::check_commit(group, by, version, each)
}

/// Members commit in their generation, and not while its assignment is being made; others only
/// to a group without members.
fn check_commit(group: &Group, request: &OffsetCommitRequest<'_>) -> Result<(), ErrorCode> {
    let generation = request.generation_id_or_member_epoch;
    let instance_id = request.group_instance_id.as_deref();
    let is_empty = group.state == State::Empty;
    if generation < 0 && is_empty {
        return Ok(());
    }
    if generation >= 0 || !request.member_id.is_empty() || instance_id.is_some() {
        group.check_member(&request.member_id, instance_id)?;
        if generation != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
    } else if !is_empty {
        return Err(ErrorCode::UnknownMemberId);
    }
    match group.state {
        State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
        _ => Ok(()),
    }
}

fn committed(
    partition: OffsetCommitRequestPartition<'_>,
    now_ms: i64,
    expire_ms: Option<i64>,
) -> Committed {
    let commit_ms = match partition.commit_timestamp {
        -1 => now_ms,
        asked_ms => asked_ms,
    };
    Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_deref().unwrap_or_default().into(),
        commit_ms,
        expire_ms,
        topic_id: klamm_protocol::wire::Uuid::ZERO,
    }
}

fn response_to(request: OffsetCommitRequest<'_>) -> OffsetCommitResponse<'static> {
    let topics = request.topics.iter().map(topic_response).collect();
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

fn topic_response(topic: &OffsetCommitRequestTopic<'_>) -> OffsetCommitResponseTopic<'static> {
    let partition = |p: &OffsetCommitRequestPartition<'_>| OffsetCommitResponsePartition {
        partition_index: p.partition_index,
        ..OffsetCommitResponsePartition::default()
    };
    OffsetCommitResponseTopic {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(partition).collect(),
        ..OffsetCommitResponseTopic::default()
    }
}

/// The same response with one error for all partitions.
pub(crate) fn commit_error(
    mut response: OffsetCommitResponse<'static>,
    error_code: i16,
) -> OffsetCommitResponse<'static> {
    for partition in response.topics.iter_mut().flat_map(|t| &mut t.partitions) {
        partition.error_code = error_code;
    }
    response
}
