//! DescribeTopicPartitions (key 75), version 0: topics in order of their names, page by page
//! (KIP-966).
//!
//! A page has at most `max.request.partition.size.limit` partitions, or as many as the request
//! allows; the cursor says where the next begins.
//!
//! Cost: named topics by look-up; a page of all topics walks over the names before its cursor.
//!
//! Left out: authorization.

use std::{borrow::Cow, collections::BTreeSet};

use klamm_metadata::{Image, Partition, Topic};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::{
    assignments::is_internal,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeTopicPartitions,
    permissions: &[Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeTopicPartitionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let limit = cx.broker.settings.load().requests.request_partition_size_limit_max;
    let limit = usize::try_from(limit.min(body.response_partition_limit)).unwrap_or(0).max(1);
    let image = cx.broker.quorum.image();
    let page = Page { image: &image, listener: &cx.peer.listener, limit };
    let (from, index) =
        body.cursor.as_ref().map_or(("", 0), |c| (&*c.topic_name, c.partition_index));
    let first = Position { topic: from, index };
    let response = if body.topics.is_empty() && index >= 0 {
        let names = image.topics().map(|topic| &*topic.name).skip_while(|name| *name < from);
        page.fill(names, first)
    } else {
        let names: BTreeSet<&str> = body.topics.iter().map(|topic| &*topic.name).collect();
        if body.cursor.is_some() && (index < 0 || !names.contains(from)) {
            refused(&body)
        } else {
            page.fill(names.range(from..).copied(), first)
        }
    };
    Outcome::Now(request.answer(&response))
}

/// The cursor is not in what is asked for.
fn refused<'a>(
    body: &'a DescribeTopicPartitionsRequest<'_>,
) -> DescribeTopicPartitionsResponse<'a> {
    let topic = |name: &'a str| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(Cow::Borrowed(name)),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    DescribeTopicPartitionsResponse {
        topics: body.topics.iter().map(|named| topic(&named.name)).collect(),
        ..DescribeTopicPartitionsResponse::default()
    }
}

/// Where a page begins.
struct Position<'a> {
    topic: &'a str,
    index: i32,
}

struct Page<'a> {
    image: &'a Image,
    listener: &'a str,
    /// The most partitions.
    limit: usize,
}

impl<'a> Page<'a> {
    fn fill<'b>(
        &self,
        names: impl Iterator<Item = &'b str>,
        first: Position<'_>,
    ) -> DescribeTopicPartitionsResponse<'b>
    where
        'a: 'b,
    {
        let mut response = DescribeTopicPartitionsResponse::default();
        let mut left = self.limit;
        for name in names {
            if left == 0 {
                response.next_cursor.get_or_insert_with(|| cursor(name, 0));
                break;
            }
            let from = if name == first.topic { first.index } else { 0 };
            let Some(topic) = self.image.topic(name) else {
                response.topics.push(unknown(name));
                continue;
            };
            let (topic, next) = self.topic(name, topic, from, left);
            left -= topic.partitions.len();
            response.topics.push(topic);
            response.next_cursor = next.map(|index| cursor(name, index));
        }
        response
    }

    /// Partitions of a topic from `from` on, at most `left`, and where to go on in this topic.
    fn topic<'b>(
        &self,
        name: &'b str,
        topic: &Topic,
        from: i32,
        left: usize,
    ) -> (DescribeTopicPartitionsResponseTopic<'b>, Option<i32>) {
        let mut rest = topic.partitions().skip_while(|(index, _)| *index < from);
        let partitions =
            rest.by_ref().take(left).map(|(n, partition)| self.partition(n, partition));
        let described = DescribeTopicPartitionsResponseTopic {
            name: Some(Cow::Borrowed(name)),
            topic_id: topic.id,
            is_internal: is_internal(name),
            partitions: partitions.collect(),
            topic_authorized_operations: cluster_view::topic_operations(true),
            ..DescribeTopicPartitionsResponseTopic::default()
        };
        (described, rest.next().map(|(index, _)| index))
    }

    fn partition(
        &self,
        index: i32,
        partition: &Partition,
    ) -> DescribeTopicPartitionsResponsePartition<'static> {
        let (leader_id, error) = cluster_view::leader(self.image, partition, self.listener, true);
        DescribeTopicPartitionsResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(partition.elr.clone()),
            last_known_elr: Some(partition.last_known_elr.clone()),
            offline_replicas: cluster_view::offline_replicas(self.image, partition, self.listener),
            ..DescribeTopicPartitionsResponsePartition::default()
        }
    }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic {
        error_code: cluster_view::missing_topic(name).code(),
        name: Some(Cow::Borrowed(name)),
        is_internal: is_internal(name),
        topic_authorized_operations: cluster_view::topic_operations(true),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn cursor(topic: &str, index: i32) -> Cursor<'_> {
    Cursor { topic_name: Cow::Borrowed(topic), partition_index: index, ..Cursor::default() }
}
