//! OffsetForLeaderEpoch (key 23), versions 0 to 4: where a leader epoch ends in the log (KIP-101,
//! KIP-320), by which consumers and followers find out what they read and the leader has not.
//!
//! An epoch that the log does not have is answered by the one before it; if the log knows of none,
//! or the epoch is newer than all, with the undefined epoch and offset -1.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch_request::OffsetForLeaderPartition,
        offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::{
    fetch_read::check_epoch,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetForLeaderEpoch,
    permissions: &[Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// No epoch.
const UNDEFINED_EPOCH: i32 = -1;

/// No offset.
const UNDEFINED_OFFSET: i64 = -1;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: OffsetForLeaderEpochRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| OffsetForLeaderTopicResult {
        topic: topic.topic.clone(),
        partitions: topic.partitions.iter().map(|part| answer(cx, &topic.topic, part)).collect(),
        ..OffsetForLeaderTopicResult::default()
    });
    Outcome::Now(request.answer(&OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..OffsetForLeaderEpochResponse::default()
    }))
}

fn answer(
    cx: &Context<'_>,
    topic: &str,
    wanted: &OffsetForLeaderPartition<'_>,
) -> EpochEndOffset<'static> {
    let (error, (leader_epoch, end_offset)) = match end_of(cx, topic, wanted) {
        Ok(end) => (ErrorCode::None, end),
        Err(error) => (error, (UNDEFINED_EPOCH, UNDEFINED_OFFSET)),
    };
    EpochEndOffset {
        error_code: error.code(),
        partition: wanted.partition,
        leader_epoch,
        end_offset,
        ..EpochEndOffset::default()
    }
}

fn end_of(
    cx: &Context<'_>,
    topic: &str,
    wanted: &OffsetForLeaderPartition<'_>,
) -> Result<(i32, i64), ErrorCode> {
    let partition = cluster_view::partition(cx.broker, topic, wanted.partition)?;
    check_epoch(&partition, wanted.current_leader_epoch)?;
    let log = partition.log().ok_or(ErrorCode::KafkaStorageError)?;
    let end = match wanted.leader_epoch {
        UNDEFINED_EPOCH => None,
        epoch => log.epoch_end_offset(epoch),
    };
    Ok(end.unwrap_or((UNDEFINED_EPOCH, UNDEFINED_OFFSET)))
}
