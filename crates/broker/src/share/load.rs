//! Taking a share partition up from the store.

use std::sync::Arc;

use klamm_config::OffsetReset;
use klamm_env::disk;
use klamm_groups::{
    self as groups,
    share::{
        ShareRequest, ShareResponse,
        partition::SharePartition,
        store::{Answer, Command, Key, NO_START_OFFSET, State, Write},
    },
};
use klamm_planted::planted;
use klamm_protocol::ErrorCode;

use super::{settings, store::Told, told_of_store};
use crate::{broker::Broker, groups::Called, partition::Partition};

/// Takes up a partition. Where the group starts on it is written down if it was not known: a
/// restart must not find another place.
///
/// # Errors
/// What the client is told.
pub(super) async fn load(
    broker: &Arc<Broker>,
    key: &Key,
    partition: &Arc<Partition>,
) -> Result<SharePartition, ErrorCode> {
    let leader_epoch = partition.leader_epoch();
    let mut told = ask(broker, key, Command::Read { leader_epoch }).await;
    if told.as_ref().is_err_and(|refused| refused.error == ErrorCode::InvalidRequest) {
        restore(broker, key).await?;
        told = ask(broker, key, Command::Read { leader_epoch }).await;
    }
    let state = match told {
        Ok(Answer::State(state)) => state,
        Ok(_) => return Err(ErrorCode::UnknownServerError),
        Err(refused) => return Err(told_of_store(refused.error)),
    };
    if state.start_offset != NO_START_OFFSET {
        let mut start = state.start_offset;
        if planted("share-forgets-available") {
            start = state.batches.last().map_or(start, |batch| batch.last + 1);
        }
        return Ok(SharePartition::load(&state, start, leader_epoch));
    }
    let start = start_offset(broker, &key.group, partition).await?;
    let written = ask(broker, key, Command::Write(begun(&state, start, leader_epoch))).await;
    written.map_err(|refused| told_of_store(refused.error))?;
    Ok(SharePartition::load(&state, start, leader_epoch))
}

async fn ask(broker: &Arc<Broker>, key: &Key, command: Command) -> Told {
    broker.shares.stores.call(broker, key, &command).settle().await
}

/// The store has no state of a partition. If the group knows of some it was lost, with the power
/// before it was synced or with a log directory: it begins anew, or the group would never again
/// get anything of the partition.
async fn restore(broker: &Arc<Broker>, key: &Key) -> Result<(), ErrorCode> {
    let caller = groups::Context::default();
    let wanted = groups::Request::Share(ShareRequest::StateEpoch(key.clone()));
    let response = match broker.groups.call(broker, &key.group, &caller, wanted) {
        Called::Now(response) => response,
        Called::Later(later) => later.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)?,
        Called::Refused(error) => return Err(told_of_store(error)),
    };
    let groups::Response::Share(ShareResponse::StateEpoch(Some(state_epoch))) = response else {
        return Err(told_of_store(ErrorCode::InvalidRequest));
    };
    tracing::warn!("{key}: the state of the share group is lost; it begins anew");
    let restored = ask(broker, key, Command::Begin { state_epoch }).await;
    restored.map(|_| ()).map_err(|refused| told_of_store(refused.error))
}

fn begun(state: &State, start_offset: i64, leader_epoch: i32) -> Write {
    let (state_epoch, batches) = (state.state_epoch, Vec::new());
    Write { state_epoch, leader_epoch, start_offset, complete_count: 0, batches }
}

/// Where a group starts on a partition that it never read: `share.auto.offset.reset`.
async fn start_offset(
    broker: &Arc<Broker>,
    group: &str,
    partition: &Arc<Partition>,
) -> Result<i64, ErrorCode> {
    let log = Arc::clone(partition.log().ok_or(ErrorCode::KafkaStorageError)?);
    let latest = partition.high_watermark();
    match settings(broker, group).0.auto_offset_reset {
        OffsetReset::Earliest => Ok(log.start_offset()),
        OffsetReset::Latest => Ok(latest),
        OffsetReset::ByDuration(ms) => {
            let since_ms = broker.env.clock.now_ms().saturating_sub(ms);
            let work = move || log.offset_for_time(since_ms, latest);
            let found = disk::run(&broker.env.disk, work).await;
            let found = found.map_err(|_| ErrorCode::KafkaStorageError)?;
            let found = found.map_err(|_| ErrorCode::KafkaStorageError)?;
            Ok(found.filter(|found| found.offset < latest).map_or(latest, |found| found.offset))
        }
    }
}
