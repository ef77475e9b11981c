//! The markers that end a transaction, one in each of its partitions.
//!
//! What can be written at once is; the rest is tried until it is, or until the coordinator is given
//! up: then its successor, or the next start, writes all of them again.

use std::{sync::Arc, time::Duration};

use klamm_log::{AppendError, AppendOptions, Origin};
use klamm_planted::planted;
use klamm_protocol::{
    ErrorCode,
    records::control::{ControlBatch, EndTransactionMarker},
};
use klamm_transactions::{
    Refusal,
    coordinator::{Change, Command, Decision, Ending},
};

use super::{Shard, State, settings};
use crate::{
    broker::Broker,
    groups::{Called, OFFSETS_TOPIC, end_of, ended},
    partition::Partition,
};

/// How long until a marker is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// A marker for any partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndMarker {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) committed: bool,
    pub(crate) coordinator_epoch: i32,
    /// The transactions version that the producer keeps to.
    pub(crate) version: i16,
}

/// A marker that is in the log.
pub(crate) enum Written {
    /// It is durable.
    Durable,
    /// It is when the partition is committed up to here.
    At(Arc<Partition>, i64),
    /// The group coordinator will tell.
    Told(Called),
}

impl Written {
    /// Waits until the marker is durable.
    pub(crate) async fn settle(self) -> Result<(), ErrorCode> {
        match self {
            Self::Durable => Ok(()),
            Self::At(partition, offset) => {
                partition.committed(offset).await.map_err(|_| ErrorCode::KafkaStorageError)
            }
            Self::Told(called) => ended(called).await,
        }
    }
}

/// Writes a marker to a partition that this broker leads.
pub(crate) fn write_marker(
    broker: &Arc<Broker>,
    topic: &str,
    index: i32,
    marker: &EndMarker,
) -> Result<Written, ErrorCode> {
    let partition = broker.partition(topic, index)?;
    if topic == OFFSETS_TOPIC {
        let called = broker.groups.end_transaction(broker, index, marker);
        return match called {
            Called::Refused(error) => Err(error),
            Called::Now(response) => end_of(&response).map(|()| Written::Durable),
            called => Ok(Written::Told(called)),
        };
    }
    let offset = append_marker(&partition, broker.env.clock.now_ms(), marker)?;
    if partition.must_wait(offset) {
        Ok(Written::At(partition, offset))
    } else {
        Ok(Written::Durable)
    }
}

/// Appends a marker; returns the offset after it.
pub(crate) fn append_marker(
    partition: &Partition,
    now_ms: i64,
    marker: &EndMarker,
) -> Result<i64, ErrorCode> {
    let EndMarker { producer_id, epoch, committed, coordinator_epoch, version } = *marker;
    let leader_epoch = partition.leader_epoch();
    let batch =
        ControlBatch { base_offset: 0, partition_leader_epoch: leader_epoch, timestamp: now_ms };
    let end = EndTransactionMarker { committed, coordinator_epoch };
    let built = batch.end_transaction(producer_id, epoch, end);
    let mut built = built.map_err(|_| ErrorCode::InvalidProducerEpoch)?;
    let options = AppendOptions {
        marker_version: version,
        ..AppendOptions::new(Origin::Coordinator, leader_epoch, now_ms)
    };
    match partition.append(&mut built, &options) {
        Ok(appended) => Ok(appended.last_offset + 1),
        Err(AppendError::Producer(Refusal::CoordinatorFenced { .. })) => {
            Err(ErrorCode::TransactionCoordinatorFenced)
        }
        Err(AppendError::Producer(_)) => Err(ErrorCode::InvalidProducerEpoch),
        Err(_) => Err(ErrorCode::KafkaStorageError),
    }
}

/// Writes the markers of a transaction that is decided, and then that it is complete. What cannot be
/// done at once goes on in a task.
pub(super) fn end(shard: &Arc<Shard>, broker: &Arc<Broker>, state: &mut State, ending: Ending) {
    let marker = marker_of(shard, &ending);
    let mut left = Vec::new();
    for (topic, indexes) in &ending.partitions {
        for index in indexes {
            match try_write(broker, topic, *index, &marker) {
                Tried::Done => {}
                tried => left.push((topic.clone(), *index, tried)),
            }
        }
    }
    if left.is_empty() {
        complete(shard, broker, state, &ending.id);
        return;
    }
    let (shard, broker) = (Arc::clone(shard), Arc::clone(broker));
    tokio::spawn(async move { end_later(shard, broker, ending.id, marker, left).await });
}

fn marker_of(shard: &Shard, ending: &Ending) -> EndMarker {
    EndMarker {
        producer_id: ending.producer_id,
        epoch: ending.epoch,
        committed: ending.committed || planted("abort-as-commit"),
        coordinator_epoch: shard.partition.leader_epoch(),
        version: ending.version,
    }
}

/// What became of a marker.
enum Tried {
    Done,
    Wait(Written),
    Again,
}

fn try_write(broker: &Arc<Broker>, topic: &str, index: i32, marker: &EndMarker) -> Tried {
    match write_marker(broker, topic, index, marker) {
        Ok(Written::Durable) => Tried::Done,
        Ok(written) => Tried::Wait(written),
        Err(error) => after(broker, topic, index, error),
    }
}

/// What an error means for the marker.
fn after(broker: &Broker, topic: &str, index: i32, error: ErrorCode) -> Tried {
    match error {
        // A deleted topic has nothing to be ended.
        ErrorCode::UnknownTopicOrPartition
            if broker.quorum.image().topic(topic).is_none_or(|t| t.partition(index).is_none()) =>
        {
            Tried::Done
        }
        // Somebody has ended it already, and the producer has gone on.
        ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => {
            tracing::warn!("{topic}-{index} takes no marker: {}", error.name());
            Tried::Done
        }
        _ => Tried::Again,
    }
}

async fn end_later(
    shard: Arc<Shard>,
    broker: Arc<Broker>,
    id: String,
    marker: EndMarker,
    mut left: Vec<(String, i32, Tried)>,
) {
    let stop = broker.stop.listen();
    while !left.is_empty() {
        let mut again = Vec::new();
        for (topic, index, tried) in left {
            let tried = match tried {
                Tried::Wait(written) => match written.settle().await {
                    Ok(()) => Tried::Done,
                    Err(error) => after(&broker, &topic, index, error),
                },
                Tried::Again => try_write(&broker, &topic, index, &marker),
                Tried::Done => Tried::Done,
            };
            if !matches!(tried, Tried::Done) {
                again.push((topic, index, tried));
            }
        }
        left = again;
        if left.iter().any(|(_, _, tried)| matches!(tried, Tried::Again)) {
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        if !shard.loaded.load(std::sync::atomic::Ordering::Acquire) {
            return;
        }
    }
    complete(&shard, &broker, &mut shard.state.lock(), &id);
}

/// Writes that every partition has its marker.
fn complete(shard: &Arc<Shard>, broker: &Arc<Broker>, state: &mut State, id: &str) {
    let (now_ms, settings) = (broker.env.clock.now_ms(), settings(broker));
    let decision = state.coordinator.decide(now_ms, &settings, id, &Command::Complete, None);
    let Ok(Decision { change: Some(change), .. }) = decision else { return };
    let change = Change { id: id.to_owned(), value: Some(change) };
    match shard.append(now_ms, &[change.to_record(settings.version)]) {
        Ok(offset) if shard.partition.must_wait(offset) => {
            state.in_flight.insert(change.id.clone());
            let (shard, broker) = (Arc::clone(shard), Arc::clone(broker));
            tokio::spawn(async move { shard.wait(&broker, offset, change).await });
        }
        Ok(_) => state.coordinator.apply(change),
        Err(error) => {
            tracing::warn!("{id} is not marked as complete, and is tried again: {}", error.name());
            complete_later(shard, broker, id);
        }
    }
}

fn complete_later(shard: &Arc<Shard>, broker: &Arc<Broker>, id: &str) {
    let (shard, broker, id) = (Arc::clone(shard), Arc::clone(broker), id.to_owned());
    tokio::spawn(async move {
        let stop = broker.stop.listen();
        tokio::select! {
            biased;
            () = stop.wait() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
        complete(&shard, &broker, &mut shard.state.lock(), &id);
    });
}
