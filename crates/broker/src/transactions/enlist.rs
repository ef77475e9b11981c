//! Partitions and their transactions: before the first write to a partition the coordinator is
//! asked whether the partition takes part, or told that it does (KIP-890).

use std::{sync::Arc, time::Duration};

use klamm_env::net::BoxFuture;
use klamm_protocol::ErrorCode;
use klamm_transactions::coordinator::{Command, EPOCH_BUMP_FROM, Partitions};
use tokio::time::Instant;

use super::Called;
use crate::broker::Broker;

/// What is wanted of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Whether the partitions take part. Clients before TRANSACTION_ABORTABLE hear INVALID_TXN_STATE
    /// of one that does not.
    Verify {
        /// Whether the client knows TRANSACTION_ABORTABLE.
        abortable: bool,
    },
    /// That the partitions take part from now on: its clients do not say so themselves.
    Add,
}

/// What the coordinator says: the error for each partition that it has one for.
pub(crate) type Refused = Vec<((String, i32), ErrorCode)>;

/// What becomes of the question.
pub(crate) enum Enlisted {
    /// It is answered.
    Now(Refused),
    /// It will be.
    Later(BoxFuture<'static, Refused>),
}

/// Asks the coordinator of a transactional id, or tells it, about partitions.
pub(crate) fn enlist(
    broker: &Arc<Broker>,
    id: &str,
    producer: (i64, i16),
    partitions: Partitions,
    operation: Operation,
) -> Enlisted {
    match operation {
        Operation::Verify { abortable } => {
            let mut refused = verify(broker, id, producer, &partitions, abortable);
            refused.iter_mut().for_each(|(_, error)| *error = told(*error));
            Enlisted::Now(refused)
        }
        Operation::Add => add(broker, id, producer, partitions),
    }
}

/// Asks the coordinator whether partitions take part.
pub(crate) fn verify(
    broker: &Broker,
    id: &str,
    producer: (i64, i16),
    partitions: &Partitions,
    abortable: bool,
) -> Refused {
    let shard = broker.transactions.shard(broker, id);
    let verified =
        shard.and_then(|shard| shard.state.lock().coordinator.verify(id, producer, partitions));
    match verified {
        Ok(missing) if abortable => all(&missing, ErrorCode::TransactionAbortable),
        Ok(missing) => all(&missing, ErrorCode::InvalidTxnState),
        Err(error) => all(partitions, error),
    }
}

fn add(broker: &Arc<Broker>, id: &str, producer: (i64, i16), partitions: Partitions) -> Enlisted {
    let call = move |broker: &Arc<Broker>, id: &str, partitions: &Partitions| {
        let (partitions, client_version) = (partitions.clone(), EPOCH_BUMP_FROM);
        let command = Command::AddPartitions { producer, partitions, client_version };
        broker.transactions.call(broker, id, command)
    };
    let called = call(broker, id, &partitions);
    if let Called::Now(answer) = &called
        && answer.error != ErrorCode::ConcurrentTransactions
    {
        return Enlisted::Now(all(&partitions, told(answer.error)));
    }
    let settings = broker.settings.load();
    let of = &settings.transactions;
    let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let pause = millis(of.add_retry_backoff_ms);
    let deadline = Instant::now() + millis(of.add_retry_backoff_max_ms);
    let (broker, id) = (Arc::clone(broker), id.to_owned());
    Enlisted::Later(Box::pin(async move {
        let mut answer = called.settle().await;
        while answer.error == ErrorCode::ConcurrentTransactions && Instant::now() < deadline {
            tokio::time::sleep(pause).await;
            answer = call(&broker, &id, &partitions).settle().await;
        }
        all(&partitions, told(answer.error))
    }))
}

/// Writers know a fenced producer by another name than the coordinator's clients.
fn told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        error => error,
    }
}

fn all(partitions: &Partitions, error: ErrorCode) -> Refused {
    if error == ErrorCode::None {
        return Vec::new();
    }
    let each = partitions.iter().flat_map(|(topic, indexes)| {
        indexes.iter().map(move |index| ((topic.clone(), *index), error))
    });
    each.collect()
}
