//! DescribeShareGroupOffsets (key 90), versions 0 and 1: how far share groups got, from version 1
//! on with their lag: records from the start offset to the end of the partition that are not done.

use std::{borrow::Cow, sync::Arc};

use klamm_groups::{
    self as groups,
    share::{
        ShareRequest, ShareResponse, StateTopic,
        store::{Answer, Command, Key, NO_START_OFFSET, State},
    },
};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
        describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup,
        describe_share_group_offsets_response::{
            DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
            DescribeShareGroupOffsetsResponseTopic,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call, share_admin, share_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeShareGroupOffsets,
    permissions: &[Permission::GroupDescribe, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

type Group = DescribeShareGroupOffsetsResponseGroup<'static>;
type Topic = DescribeShareGroupOffsetsResponseTopic<'static>;
type Partition = DescribeShareGroupOffsetsResponsePartition<'static>;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeShareGroupOffsetsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let is_on = share_call::is_on(cx);
    let (asked, envelope) = (body.into_static(), request.envelope());
    let (caller, broker) = (group_call::caller(cx, &request), Arc::clone(cx.broker));
    Outcome::Later(Box::pin(async move {
        let mut response = DescribeShareGroupOffsetsResponse::default();
        for group in asked.groups {
            let described = match is_on {
                true => describe(&broker, &caller, &group).await,
                false => Err(ErrorCode::UnsupportedVersion),
            };
            response.groups.push(described.unwrap_or_else(|error| Group {
                group_id: group.group_id.clone(),
                error_code: error.code(),
                error_message: share_call::text_of_request(error),
                ..Group::default()
            }));
        }
        envelope.answer(&response)
    }))
}

/// No list of topics asks for all that the group has read.
async fn describe(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    group: &DescribeShareGroupOffsetsRequestGroup<'static>,
) -> Result<Group, ErrorCode> {
    let group_id = &group.group_id;
    let mut topics = Vec::new();
    match &group.topics {
        Some(named) => {
            for topic in named {
                topics
                    .push(described(broker, group_id, &topic.topic_name, &topic.partitions).await);
            }
        }
        None => {
            for topic in read_topics(broker, caller, group_id).await? {
                topics.push(described(broker, group_id, &topic.name, &topic.partitions).await);
            }
        }
    }
    Ok(Group { group_id: group_id.clone(), topics, ..Group::default() })
}

async fn read_topics(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    group: &str,
) -> Result<Vec<StateTopic>, ErrorCode> {
    let asked = ShareRequest::Topics(group.to_owned());
    match share_admin::ask(broker, group, caller, asked).await? {
        ShareResponse::Topics(topics) => Ok(topics.unwrap_or_default()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

async fn described(broker: &Arc<Broker>, group: &str, name: &str, indexes: &[i32]) -> Topic {
    let id = broker.quorum.image().topic(name).map(|topic| topic.id);
    let mut partitions = Vec::with_capacity(indexes.len());
    for index in indexes {
        partitions.push(match id {
            Some(topic) => {
                let key = Key { group: group.to_owned(), topic, partition: *index };
                described_partition(broker, name, &key).await
            }
            None => failed(*index, ErrorCode::UnknownTopicOrPartition),
        });
    }
    let (topic_name, topic_id) = (Cow::Owned(name.to_owned()), id.unwrap_or_default());
    Topic { topic_name, topic_id, partitions, ..Topic::default() }
}

async fn described_partition(broker: &Arc<Broker>, topic: &str, key: &Key) -> Partition {
    match broker.shares.stores.call(broker, key, &Command::Summary).settle().await {
        Ok(Answer::State(state)) => known(broker, topic, key.partition, &state),
        // Nobody has read anything in this cluster, or not this.
        Ok(_) => unknown(key.partition, 0),
        Err(refused) if refused.error == ErrorCode::NotCoordinator => unknown(key.partition, 0),
        Err(refused) => failed(key.partition, share_admin::told(refused.error)),
    }
}

fn known(broker: &Broker, topic: &str, index: i32, state: &State) -> Partition {
    if state.start_offset == NO_START_OFFSET || state.complete_count < 0 {
        let start_offset = state.start_offset;
        return Partition { start_offset, ..unknown(index, state.leader_epoch) };
    }
    match broker.partition(topic, index) {
        Ok(partition) => Partition {
            partition_index: index,
            start_offset: state.start_offset,
            leader_epoch: state.leader_epoch,
            lag: partition.high_watermark() - state.start_offset - i64::from(state.complete_count),
            ..Partition::default()
        },
        Err(error) => failed(index, error),
    }
}

fn unknown(partition_index: i32, leader_epoch: i32) -> Partition {
    Partition {
        partition_index,
        start_offset: NO_START_OFFSET,
        leader_epoch,
        lag: -1,
        ..Partition::default()
    }
}

fn failed(partition_index: i32, error: ErrorCode) -> Partition {
    Partition {
        error_code: error.code(),
        error_message: share_call::text(error),
        ..unknown(partition_index, 0)
    }
}
