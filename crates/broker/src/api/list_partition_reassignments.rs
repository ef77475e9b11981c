//! ListPartitionReassignments (key 46), version 0: partitions of which replicas are being added or
//! taken away (KIP-455).

use std::borrow::Cow;

use klamm_metadata::{Image, Partition, Topic};
use klamm_protocol::{
    ApiKey,
    messages::{
        ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        list_partition_reassignments_response::{
            OngoingPartitionReassignment, OngoingTopicReassignment,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ListPartitionReassignments,
    permissions: &[Permission::ClusterDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ListPartitionReassignmentsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let image = cx.broker.quorum.image();
    let response = ListPartitionReassignmentsResponse {
        error_message: None,
        topics: ongoing(&image, &body),
        ..ListPartitionReassignmentsResponse::default()
    };
    Outcome::Now(request.answer(&response))
}

fn ongoing(
    image: &Image,
    body: &ListPartitionReassignmentsRequest<'_>,
) -> Vec<OngoingTopicReassignment<'static>> {
    let all = |topic: &Topic| reassigned(topic, |_| true);
    let topics: Vec<_> = match &body.topics {
        None => image.topics().map(|topic| all(topic)).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|wanted| {
                let topic = image.topic(&wanted.name)?;
                Some(reassigned(topic, |index| wanted.partition_indexes.contains(&index)))
            })
            .collect(),
    };
    topics.into_iter().filter(|topic| !topic.partitions.is_empty()).collect()
}

fn reassigned(topic: &Topic, wanted: impl Fn(i32) -> bool) -> OngoingTopicReassignment<'static> {
    let partitions = topic
        .partitions()
        .filter(|(index, partition)| wanted(*index) && partition.is_reassigning())
        .map(|(index, partition)| ongoing_of(index, partition));
    OngoingTopicReassignment {
        name: Cow::Owned(topic.name.to_string()),
        partitions: partitions.collect(),
        ..OngoingTopicReassignment::default()
    }
}

fn ongoing_of(index: i32, partition: &Partition) -> OngoingPartitionReassignment<'static> {
    OngoingPartitionReassignment {
        partition_index: index,
        replicas: partition.replicas.clone(),
        adding_replicas: partition.adding.clone(),
        removing_replicas: partition.removing.clone(),
        ..OngoingPartitionReassignment::default()
    }
}
