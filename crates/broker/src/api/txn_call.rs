//! What the APIs of transactions have in common: sending a command to the coordinator, and waiting.

use klamm_protocol::ErrorCode;
use klamm_transactions::coordinator::{Answer as Told, Command};

use super::Context;
use crate::{
    broker::Broker,
    groups::{OFFSETS_TOPIC, partition_of},
    request::{Answer, Envelope, Outcome, Request},
    transactions::Called,
};

/// From this version on the clients of AddOffsetsToTxn and EndTxn know PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;

/// The error as a client of AddOffsetsToTxn or EndTxn knows it.
pub(super) fn fenced(error: ErrorCode, version: i16) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced if version < FENCED_FROM => ErrorCode::InvalidProducerEpoch,
        error => error,
    }
}

/// The partition of the offsets topic that holds a group's offsets, whether it exists or not.
pub(super) fn offsets_partition(broker: &Broker, group: &str) -> i32 {
    let found = broker.topics.by_name(OFFSETS_TOPIC);
    let count = found.and_then(|topic| i32::try_from(topic.partitions.load().len()).ok());
    let count = count.unwrap_or_else(|| broker.settings.load().offsets.topic_num_partitions);
    partition_of(group, count)
}

/// Sends a command to the coordinator of `id` and answers with what `reply` makes of its answer.
pub(super) fn call(
    cx: &Context<'_>,
    request: &Request,
    id: &str,
    command: Command,
    reply: impl FnOnce(&Envelope, Told) -> Answer + Send + 'static,
) -> Outcome {
    let envelope = request.envelope();
    match cx.broker.transactions.call(cx.broker, id, command) {
        Called::Now(told) => Outcome::Now(reply(&envelope, told)),
        Called::Later(told) => {
            Outcome::Later(Box::pin(async move { reply(&envelope, told.await) }))
        }
    }
}
