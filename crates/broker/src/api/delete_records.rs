//! DeleteRecords (key 21), versions 0 to 2: the log of a partition begins later from now on
//! (KIP-107).
//!
//! Offset -1 is the high watermark. The space is freed when retention next looks at the log.
//! Answered at once: this broker has the only replica whose low watermark counts. As in Kafka, the
//! new start is durable with the next checkpoint; after a crash before it the records are back.

use std::collections::BTreeMap;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::{
    assignments::is_internal,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteRecords,
    permissions: &[Permission::TopicDelete],
    quota: QuotaClass::Request,
    audit: Some("records.delete"),
    handle,
};

/// In place of an offset: all that is below the high watermark.
const HIGH_WATERMARK: i64 = -1;

/// The low watermark of a partition where nothing was done.
const INVALID_LOW_WATERMARK: i64 = -1;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DeleteRecordsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    // A partition that is named twice counts once, with its last offset.
    let mut wanted: BTreeMap<&str, BTreeMap<i32, i64>> = BTreeMap::new();
    for topic in &body.topics {
        let partitions = topic.partitions.iter().map(|part| (part.partition_index, part.offset));
        wanted.entry(&topic.name).or_default().extend(partitions);
    }
    let topics = wanted.iter().map(|(topic, partitions)| DeleteRecordsTopicResult {
        name: (*topic).into(),
        partitions: partitions
            .iter()
            .map(|(index, offset)| result(*index, delete(cx, topic, *index, *offset)))
            .collect(),
        ..DeleteRecordsTopicResult::default()
    });
    Outcome::Now(request.answer(&DeleteRecordsResponse {
        topics: topics.collect(),
        ..DeleteRecordsResponse::default()
    }))
}

/// Moves the start of a log; gives its low watermark.
fn delete(cx: &Context<'_>, topic: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    if is_internal(topic) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let partition = cluster_view::partition(cx.broker, topic, index)?;
    let log = partition.log().ok_or(ErrorCode::KafkaStorageError)?;
    let config = log.config();
    if config.compact && !config.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let high_watermark = partition.high_watermark();
    let offset = if offset == HIGH_WATERMARK { high_watermark } else { offset };
    if !(0..=high_watermark).contains(&offset) {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    log.advance_start_offset(offset);
    Ok(log.start_offset())
}

fn result(index: i32, outcome: Result<i64, ErrorCode>) -> DeleteRecordsPartitionResult<'static> {
    let (low_watermark, error) = match outcome {
        Ok(low_watermark) => (low_watermark, ErrorCode::None),
        Err(error) => (INVALID_LOW_WATERMARK, error),
    };
    DeleteRecordsPartitionResult {
        partition_index: index,
        low_watermark,
        error_code: error.code(),
        ..DeleteRecordsPartitionResult::default()
    }
}
