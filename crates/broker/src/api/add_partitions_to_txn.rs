//! AddPartitionsToTxn (key 24), versions 0 to 5: partitions join a producer's transaction.
//!
//! Versions 0 to 3 come from producers, for one transaction. Versions 4 and 5 come from brokers,
//! for several at once, which may only ask whether partitions take part.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult,
            AddPartitionsToTxnTopicResult,
        },
    },
};
use klamm_transactions::coordinator::{Command, EPOCH_BUMP_FROM, Partitions};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
    transactions::{Called, verify},
};

pub(crate) const API: Api = Api {
    key: ApiKey::AddPartitionsToTxn,
    permissions: &[
        Permission::TransactionalIdWrite,
        Permission::TopicWrite,
        Permission::ClusterAction,
    ],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// From this version on requests come from brokers.
const BATCHED_FROM: i16 = 4;

/// From this version on brokers know TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 5;

/// From this version on producers know PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

/// A transaction of the request.
struct Asked {
    id: String,
    topics: Vec<AddPartitionsToTxnTopic<'static>>,
    partitions: Partitions,
    /// What is wrong with some partitions; then none joins.
    faults: BTreeMap<(String, i32), ErrorCode>,
    /// What the coordinator says; for those that only ask, of each partition.
    called: Option<Called>,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AddPartitionsToTxnRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let (envelope, version) = (request.envelope(), request.version);
    let transactions = transactions(body.into_static(), version);
    let asked: Vec<Asked> =
        transactions.into_iter().map(|of| ask(cx.broker, of, version)).collect();
    if asked.iter().all(|asked| !matches!(asked.called, Some(Called::Later(_)))) {
        let results = asked.into_iter().map(|asked| match asked.called {
            Some(Called::Now(answer)) => {
                result(&asked.id, &asked.topics, &asked.faults, answer.error, version)
            }
            _ => result(&asked.id, &asked.topics, &asked.faults, ErrorCode::None, version),
        });
        return Outcome::Now(envelope.answer(&response(results.collect(), version)));
    }
    Outcome::Later(Box::pin(async move {
        let mut results = Vec::new();
        for Asked { id, topics, faults, called, .. } in asked {
            let error = match called {
                Some(called) => called.settle().await.error,
                None => ErrorCode::None,
            };
            results.push(result(&id, &topics, &faults, error, version));
        }
        envelope.answer(&response(results, version))
    }))
}

/// The transactions of a request of any version.
fn transactions(
    body: AddPartitionsToTxnRequest<'static>,
    version: i16,
) -> Vec<AddPartitionsToTxnTransaction<'static>> {
    if version >= BATCHED_FROM {
        return body.transactions;
    }
    vec![AddPartitionsToTxnTransaction {
        transactional_id: body.v3_and_below_transactional_id,
        producer_id: body.v3_and_below_producer_id,
        producer_epoch: body.v3_and_below_producer_epoch,
        topics: body.v3_and_below_topics,
        ..AddPartitionsToTxnTransaction::default()
    }]
}

fn ask(broker: &Arc<Broker>, of: AddPartitionsToTxnTransaction<'static>, version: i16) -> Asked {
    let mut partitions = Partitions::new();
    for topic in &of.topics {
        partitions.entry(topic.name.to_string()).or_default().extend(&topic.partitions);
    }
    let mut asked = Asked {
        id: of.transactional_id.into_owned(),
        topics: of.topics,
        faults: unknown(broker, &partitions),
        partitions,
        called: None,
    };
    let producer = (of.producer_id, of.producer_epoch);
    if !asked.faults.is_empty() {
        return asked;
    }
    if of.verify_only {
        let abortable = version >= ABORTABLE_FROM;
        let refused = verify(broker, &asked.id, producer, &asked.partitions, abortable);
        asked.faults.extend(refused);
    } else {
        let partitions = asked.partitions.clone();
        let client_version = if version >= BATCHED_FROM { EPOCH_BUMP_FROM } else { 0 };
        let command = Command::AddPartitions { producer, partitions, client_version };
        asked.called = Some(broker.transactions.call(broker, &asked.id, command));
    }
    asked
}

/// Partitions that do not exist; if there are some, the others are not tried.
fn unknown(broker: &Broker, partitions: &Partitions) -> BTreeMap<(String, i32), ErrorCode> {
    let image = broker.quorum.image();
    let mut faults = BTreeMap::new();
    let each = partitions.iter().flat_map(|(topic, all)| all.iter().map(move |at| (topic, *at)));
    for (topic, index) in each.clone() {
        if image.topic(topic).is_none_or(|topic| topic.partition(index).is_none()) {
            faults.insert((topic.clone(), index), ErrorCode::UnknownTopicOrPartition);
        }
    }
    if !faults.is_empty() {
        for (topic, index) in each {
            faults.entry((topic.clone(), index)).or_insert(ErrorCode::OperationNotAttempted);
        }
    }
    faults
}

fn result(
    id: &str,
    topics: &[AddPartitionsToTxnTopic<'static>],
    faults: &BTreeMap<(String, i32), ErrorCode>,
    error: ErrorCode,
    version: i16,
) -> AddPartitionsToTxnResult<'static> {
    let error = match error {
        ErrorCode::ProducerFenced if version < FENCED_FROM => ErrorCode::InvalidProducerEpoch,
        error => error,
    };
    let partition = |topic: &str, index: i32| {
        let fault = faults.get(&(topic.to_owned(), index)).copied();
        AddPartitionsToTxnPartitionResult {
            partition_index: index,
            partition_error_code: fault.unwrap_or(error).code(),
            ..AddPartitionsToTxnPartitionResult::default()
        }
    };
    let topic = |topic: &AddPartitionsToTxnTopic<'static>| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: topic
            .partitions
            .iter()
            .map(|at| partition(&topic.name, *at))
            .collect(),
        ..AddPartitionsToTxnTopicResult::default()
    };
    AddPartitionsToTxnResult {
        transactional_id: id.to_owned().into(),
        topic_results: topics.iter().map(topic).collect(),
        ..AddPartitionsToTxnResult::default()
    }
}

fn response(
    results: Vec<AddPartitionsToTxnResult<'static>>,
    version: i16,
) -> AddPartitionsToTxnResponse<'static> {
    if version >= BATCHED_FROM {
        return AddPartitionsToTxnResponse {
            results_by_transaction: results,
            ..AddPartitionsToTxnResponse::default()
        };
    }
    let only = results.into_iter().next().unwrap_or_default();
    AddPartitionsToTxnResponse {
        results_by_topic_v3_and_below: only.topic_results,
        ..AddPartitionsToTxnResponse::default()
    }
}
