//! DescribeProducers (key 61), version 0: which producers a partition remembers (KIP-664).
//!
//! Cost: a copy of the partition's producer state, made under the log's lock.

use std::borrow::Cow;

use klamm_metadata::decide::validate_topic_name;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeProducersRequest, DescribeProducersResponse,
        describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeProducers,
    permissions: &[Permission::TopicRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// Kafka's text for a topic that does not exist.
const NOT_HOSTED: &str = "This server does not host this topic-partition.";

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeProducersRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| {
        let fault = fault(cx, &topic.name);
        let partitions = topic.partition_indexes.iter().map(|index| match &fault {
            Some((error, text)) => failure(*index, *error, Some(text)),
            None => describe(cx, &topic.name, *index)
                .unwrap_or_else(|error| failure(*index, error, None)),
        });
        TopicResponse {
            name: topic.name.clone(),
            partitions: partitions.collect(),
            ..TopicResponse::default()
        }
    });
    Outcome::Now(request.answer(&DescribeProducersResponse {
        topics: topics.collect(),
        ..DescribeProducersResponse::default()
    }))
}

/// What is wrong with the topic itself; only this is explained in words.
fn fault(cx: &Context<'_>, topic: &str) -> Option<(ErrorCode, String)> {
    if let Err(refusal) = validate_topic_name(topic) {
        return Some((ErrorCode::InvalidTopicException, refusal.message));
    }
    let is_known = cx.broker.quorum.image().topic(topic).is_some();
    (!is_known).then(|| (ErrorCode::UnknownTopicOrPartition, NOT_HOSTED.to_owned()))
}

fn describe(
    cx: &Context<'_>,
    topic: &str,
    index: i32,
) -> Result<PartitionResponse<'static>, ErrorCode> {
    let partition = cluster_view::partition(cx.broker, topic, index)?;
    let log = partition.log().ok_or(ErrorCode::KafkaStorageError)?;
    let producers = log.producers();
    let states = producers.iter().map(|(id, entry)| ProducerState {
        producer_id: id,
        producer_epoch: entry.epoch.into(),
        last_sequence: entry.last_sequence(),
        last_timestamp: entry.last_timestamp,
        coordinator_epoch: entry.coordinator_epoch,
        current_txn_start_offset: entry.transaction_start.unwrap_or(-1),
        ..ProducerState::default()
    });
    Ok(PartitionResponse {
        partition_index: index,
        active_producers: states.collect(),
        ..PartitionResponse::default()
    })
}

fn failure(index: i32, error: ErrorCode, text: Option<&str>) -> PartitionResponse<'static> {
    PartitionResponse {
        partition_index: index,
        error_code: error.code(),
        error_message: text.map(|text| Cow::Owned(text.to_owned())),
        ..PartitionResponse::default()
    }
}
