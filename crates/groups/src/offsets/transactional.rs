//! TxnOffsetCommit, versions 0 to 5, and the end of the transaction that makes what was committed
//! in it visible or forgotten (KIP-98, KIP-447).
//!
//! That the transaction is open, and that the group takes part in it, is found out before.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use klamm_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use klamm_protocol::wire::Uuid;
use klamm_transactions::Guard;

use super::store::{Committed, OffsetKey};
use crate::api::{EndTransaction, InTransaction, Response, Token, told_of_append};
use crate::appends::{Changes, Then, What};
use crate::classic::{Group, State};
use crate::consumer;
use crate::coordinator::Coordinator;
use crate::name::Name;
use crate::records;
use crate::registry::AnyGroup;
use crate::streams::offsets::Committer;
use crate::streams::{self, StreamsGroup};

/// Clients before this version stumble over COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING_FROM: i16 = 2;

impl Coordinator {
    pub(crate) fn commit_in_transaction(
        &mut self,
        token: Token,
        version: i16,
        request: TxnOffsetCommitRequest<'_>,
        guard: Guard,
    ) {
        let name = Name::from(request.group_id.as_ref());
        let allowed = match self.registry.live(&name) {
            Some(AnyGroup::Classic(group)) => check(group, &request),
            Some(AnyGroup::Consumer(group)) => {
                consumer::offsets::check_transactional(group, &request, &self.image)
            }
            Some(AnyGroup::Streams(group)) => check_streams(group, &request),
            Some(AnyGroup::Share(_)) => Err(ErrorCode::GroupIdNotFound),
            None if request.generation_id < 0 => Ok(()),
            None => Err(ErrorCode::IllegalGeneration),
        };
        match allowed {
            Ok(()) => self.commit_pending(token, version, &name, request, guard),
            Err(error) => {
                let response = failed(response_to(&request), error.code());
                self.respond(token, Response::TxnCommit(response));
            }
        }
    }

    fn commit_pending(
        &mut self,
        token: Token,
        version: i16,
        name: &Name,
        request: TxnOffsetCommitRequest<'_>,
        guard: Guard,
    ) {
        let mut pending = Vec::new();
        let mut records = Vec::new();
        let mut response = response_to(&request);
        for (topic, told) in request.topics.iter().zip(&mut response.topics) {
            for (partition, told) in topic.partitions.iter().zip(&mut told.partitions) {
                let text = partition.committed_metadata.as_deref().unwrap_or_default();
                if text.encode_utf16().count() > self.settings.offset_metadata_max {
                    told.error_code = ErrorCode::OffsetMetadataTooLarge.code();
                    continue;
                }
                let key = OffsetKey::new(name, &topic.name, partition.partition_index);
                let committed = committed(partition, self.now_ms);
                records.push(records::offset_commit(&key, &committed));
                pending.push((key, committed));
            }
        }
        let response = Response::TxnCommit(response);
        if records.is_empty() {
            return self.answer_when_durable(token, version, response);
        }
        let TxnOffsetCommitRequest { producer_id, producer_epoch: epoch, .. } = request;
        let mut changes = Changes { pending: Some((producer_id, pending)), ..Changes::default() };
        if self.registry.live(name).is_none() {
            self.registry.put(Box::new(Group::new(name.clone(), self.now_ms)));
            changes.created = Some(name.clone());
        }
        let transaction = InTransaction { producer_id, epoch, guard };
        let then = Then::Answer { token, version, response };
        self.append_what(What::InTransaction(records, transaction), changes, Some(then));
    }

    /// What the transaction committed becomes visible with its marker, or is forgotten.
    pub(crate) fn end_transaction(&mut self, token: Token, end: EndTransaction) {
        let mut changes = Changes { ended: Some(end.producer_id), ..Changes::default() };
        let mut orders = Vec::new();
        if end.committed {
            for (key, value, order) in self.offsets.committed_by(end.producer_id) {
                orders.push((key.clone(), order));
                changes.offsets.push((key, Some(value)));
            }
        }
        let response = Response::EndTransaction(ErrorCode::None);
        let then = Then::Answer { token, version: 0, response };
        self.append_what(What::Marker(end), changes, Some(then));
        for (key, order) in orders {
            self.offsets.set_order(&key, order);
        }
    }
}

/// Members commit in their generation; clients that do not tell it may always commit.
fn check(group: &Group, request: &TxnOffsetCommitRequest<'_>) -> Result<(), ErrorCode> {
    let instance_id = request.group_instance_id.as_deref();
    if request.generation_id < 0 && group.state == State::Empty {
        return Ok(());
    }
    if request.generation_id >= 0 || !request.member_id.is_empty() || instance_id.is_some() {
        group.check_member(&request.member_id, instance_id)?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
    }
    Ok(())
}

fn check_streams(
    group: &StreamsGroup,
    request: &TxnOffsetCommitRequest<'_>,
) -> Result<(), ErrorCode> {
    let by = Committer { member_id: &request.member_id, epoch: request.generation_id };
    let each = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (&*topic.name, partition.partition_index))
    });
    streams::offsets::check_transactional(group, by, each)
}

fn committed(partition: &TxnOffsetCommitRequestPartition<'_>, now_ms: i64) -> Committed {
    Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_deref().unwrap_or_default().into(),
        commit_ms: now_ms,
        expire_ms: None,
        topic_id: Uuid::ZERO,
    }
}

fn response_to(request: &TxnOffsetCommitRequest<'_>) -> TxnOffsetCommitResponse<'static> {
    let topics = request.topics.iter().map(topic_response).collect();
    TxnOffsetCommitResponse { topics, ..TxnOffsetCommitResponse::default() }
}

fn topic_response(
    topic: &TxnOffsetCommitRequestTopic<'_>,
) -> TxnOffsetCommitResponseTopic<'static> {
    let partition = |p: &TxnOffsetCommitRequestPartition<'_>| TxnOffsetCommitResponsePartition {
        partition_index: p.partition_index,
        ..TxnOffsetCommitResponsePartition::default()
    };
    TxnOffsetCommitResponseTopic {
        name: topic.name.to_string().into(),
        partitions: topic.partitions.iter().map(partition).collect(),
        ..TxnOffsetCommitResponseTopic::default()
    }
}

fn failed(
    mut response: TxnOffsetCommitResponse<'static>,
    error_code: i16,
) -> TxnOffsetCommitResponse<'static> {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.error_code = error_code;
    }
    response
}

/// The response in place of this one when the append it waited for failed.
pub(crate) fn transactional_error(
    response: TxnOffsetCommitResponse<'static>,
    error: ErrorCode,
    version: i16,
) -> TxnOffsetCommitResponse<'static> {
    let told = match told_of_append(error) {
        ErrorCode::CoordinatorLoadInProgress if version < LOADING_FROM => {
            ErrorCode::CoordinatorNotAvailable
        }
        told => told,
    };
    failed(response, told.code())
}
