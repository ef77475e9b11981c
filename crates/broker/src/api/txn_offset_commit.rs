//! TxnOffsetCommit (key 28), versions 0 to 5: a producer commits a consumer's offsets with its
//! transaction.
//!
//! Up to version 4 the producer has said so by AddOffsetsToTxn, and the coordinator is asked; from
//! version 5 on the first commit says it (KIP-890).

use std::{collections::BTreeSet, sync::Arc};

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        TxnOffsetCommitRequest, TxnOffsetCommitResponse,
        txn_offset_commit_request::TxnOffsetCommitRequestTopic,
        txn_offset_commit_response::{
            TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
        },
    },
};
use klamm_transactions::{Batch, Guard, Verified, coordinator::Partitions};

use super::{Api, Context, Permission, QuotaClass, group_call, txn_call};
use crate::{
    broker::Broker,
    groups::{Called, OFFSETS_TOPIC},
    request::{Answer, Envelope, Outcome, Request},
    transactions::{Enlisted, Operation, enlist},
};

pub(crate) const API: Api = Api {
    key: ApiKey::TxnOffsetCommit,
    permissions: &[Permission::TransactionalIdWrite, Permission::GroupRead, Permission::TopicRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// From this version on the commit itself adds the group to the transaction.
const ADDS_FROM: i16 = 5;

/// From this version on clients know TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 4;

/// Clients before this version stumble over COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING_FROM: i16 = 2;

type Topics = Vec<TxnOffsetCommitResponseTopic<'static>>;

/// A commit, independent of its request.
struct Commit {
    envelope: Envelope,
    caller: groups::Context,
    body: TxnOffsetCommitRequest<'static>,
    /// Partitions that do not exist.
    refused: Topics,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: TxnOffsetCommitRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let mut body = body.into_static();
    let refused = take_unknown(cx, &mut body);
    let (envelope, caller) = (request.envelope(), group_call::caller(cx, &request));
    let commit = Commit { envelope, caller, body, refused };
    if commit.body.topics.is_empty() && !commit.refused.is_empty() {
        return Outcome::Now(commit.answer(TxnOffsetCommitResponse::default()));
    }
    if commit.body.group_id.is_empty() {
        return Outcome::Now(commit.fail(ErrorCode::InvalidGroupId));
    }
    match verify(cx, &commit) {
        Err(error) => Outcome::Now(commit.fail(error)),
        Ok((guard, None)) => go_on(cx.broker, commit, guard),
        Ok((guard, Some(Enlisted::Now(refused)))) => match first_error(&refused) {
            Some(error) => Outcome::Now(commit.fail(error)),
            None => go_on(cx.broker, commit, guard),
        },
        Ok((guard, Some(Enlisted::Later(refused)))) => {
            let broker = Arc::clone(cx.broker);
            Outcome::Later(Box::pin(async move {
                match first_error(&refused.await) {
                    Some(error) => commit.fail(error),
                    None => match go_on(&broker, commit, guard) {
                        Outcome::Now(answer) => answer,
                        Outcome::Later(later) | Outcome::Pipelined(later) => later.await,
                    },
                }
            }))
        }
    }
}

fn first_error(refused: &[((String, i32), ErrorCode)]) -> Option<ErrorCode> {
    refused.first().map(|(_, error)| *error)
}

/// Finds out whether the group takes part in the transaction, if the partition does not know.
fn verify(cx: &Context<'_>, commit: &Commit) -> Result<(Guard, Option<Enlisted>), ErrorCode> {
    let body = &commit.body;
    let version = commit.envelope.version;
    let settings = cx.broker.settings.load();
    let adds = version >= ADDS_FROM;
    if !adds && !settings.transactions.partition_verification_enable {
        return Ok((Guard::NotAsked, None));
    }
    let index = txn_call::offsets_partition(cx.broker, &body.group_id);
    let partition = cx.broker.partition(OFFSETS_TOPIC, index);
    let partition = partition.map_err(|_| ErrorCode::NotCoordinator)?;
    let log = partition.log().ok_or(ErrorCode::NotCoordinator)?;
    let batch = Batch {
        producer_id: body.producer_id,
        epoch: body.producer_epoch,
        first_sequence: 0,
        offset_delta: 0,
        last_offset: -1,
        timestamp: -1,
        transactional: true,
    };
    let verified = log.begin_verification(&batch, adds, cx.now_ms);
    let guard = match verified.map_err(|_| ErrorCode::InvalidProducerEpoch)? {
        Verified::Ongoing => return Ok((Guard::Ongoing, None)),
        Verified::Ask(guard) => Guard::Asked(guard),
    };
    let operation = match adds {
        true => Operation::Add,
        false => Operation::Verify { abortable: version >= ABORTABLE_FROM },
    };
    let partitions = Partitions::from([(OFFSETS_TOPIC.to_owned(), BTreeSet::from([index]))]);
    let producer = (body.producer_id, body.producer_epoch);
    let id = &body.transactional_id;
    Ok((guard, Some(enlist(cx.broker, id, producer, partitions, operation))))
}

fn go_on(broker: &Arc<Broker>, commit: Commit, guard: Guard) -> Outcome {
    let wanted = groups::Request::TxnCommit { request: commit.body.clone(), guard };
    match broker.groups.call(broker, &commit.body.group_id, &commit.caller, wanted) {
        Called::Now(response) => Outcome::Now(commit.finish(Ok(response))),
        Called::Refused(error) => Outcome::Now(commit.finish(Err(error))),
        later @ Called::Later(_) => {
            Outcome::Later(Box::pin(async move { commit.finish(group_call::settle(later).await) }))
        }
    }
}

impl Commit {
    fn finish(self, result: Result<groups::Response, ErrorCode>) -> Answer {
        match result {
            Ok(groups::Response::TxnCommit(response)) => self.answer(response),
            Ok(_) => self.fail(ErrorCode::UnknownServerError),
            Err(error) => self.fail(error),
        }
    }

    fn fail(self, error: ErrorCode) -> Answer {
        let error = match error {
            ErrorCode::CoordinatorLoadInProgress if self.envelope.version < LOADING_FROM => {
                ErrorCode::CoordinatorNotAvailable
            }
            error => error,
        };
        let topics = self.body.topics.iter().map(|topic| topic_failed(topic, error)).collect();
        self.answer(TxnOffsetCommitResponse { topics, ..Default::default() })
    }

    fn answer(self, mut response: TxnOffsetCommitResponse<'static>) -> Answer {
        response.topics.extend(self.refused);
        self.envelope.answer(&response)
    }
}

/// Takes the partitions out of the request that do not exist, and makes their answers.
fn take_unknown(cx: &Context<'_>, body: &mut TxnOffsetCommitRequest<'static>) -> Topics {
    let image = cx.broker.quorum.image();
    let mut refused = Vec::new();
    for mut topic in std::mem::take(&mut body.topics) {
        let found = image.topic(&topic.name);
        let (known, unknown): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
            .into_iter()
            .partition(|p| found.is_some_and(|found| found.partition(p.partition_index).is_some()));
        if !unknown.is_empty() {
            let gone = TxnOffsetCommitRequestTopic { partitions: unknown, ..topic.clone() };
            refused.push(topic_failed(&gone, ErrorCode::UnknownTopicOrPartition));
        }
        if !known.is_empty() {
            topic.partitions = known;
            body.topics.push(topic);
        }
    }
    refused
}

fn topic_failed(
    topic: &TxnOffsetCommitRequestTopic<'_>,
    error: ErrorCode,
) -> TxnOffsetCommitResponseTopic<'static> {
    let partition = |index: i32| TxnOffsetCommitResponsePartition {
        partition_index: index,
        error_code: error.code(),
        ..TxnOffsetCommitResponsePartition::default()
    };
    TxnOffsetCommitResponseTopic {
        name: topic.name.clone().into_owned().into(),
        partitions: topic.partitions.iter().map(|p| partition(p.partition_index)).collect(),
        ..TxnOffsetCommitResponseTopic::default()
    }
}
