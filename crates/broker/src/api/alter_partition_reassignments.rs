//! AlterPartitionReassignments (key 45), versions 0 and 1: on which brokers the replicas of
//! partitions are to be (KIP-455).
//!
//! A cluster has one node: the assignment that a partition has is accepted, which is what tools send
//! before they move replicas between the log directories of that node; every other is refused with
//! INVALID_REPLICA_ASSIGNMENT. No reassignment is ever under way that could be ended.
//!
//! Left out: replicas that are added or taken away.

use std::{borrow::Cow, collections::BTreeSet};

use klamm_metadata::{Image, Partition};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        alter_partition_reassignments_response::{
            ReassignablePartitionResponse, ReassignableTopicResponse,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::AlterPartitionReassignments,
    permissions: &[Permission::ClusterAlter],
    quota: QuotaClass::Request,
    audit: Some("partition.reassign"),
    handle,
};

/// Why nothing is done about a partition.
type Refusal = (ErrorCode, Option<String>);

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AlterPartitionReassignmentsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let image = cx.broker.quorum.image();
    let responses = body.topics.iter().map(|topic| ReassignableTopicResponse {
        name: Cow::Borrowed(&topic.name),
        partitions: topic
            .partitions
            .iter()
            .map(|wanted| {
                let index = wanted.partition_index;
                let result = alter(&image, &topic.name, index, wanted.replicas.as_deref());
                response(index, result)
            })
            .collect(),
        ..ReassignableTopicResponse::default()
    });
    Outcome::Now(request.answer(&AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: body.allow_replication_factor_change,
        error_message: None,
        responses: responses.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }))
}

fn response(index: i32, result: Result<(), Refusal>) -> ReassignablePartitionResponse<'static> {
    let (error, text) = result.err().unwrap_or((ErrorCode::None, None));
    ReassignablePartitionResponse {
        partition_index: index,
        error_code: error.code(),
        error_message: text.map(Cow::Owned),
        ..ReassignablePartitionResponse::default()
    }
}

fn alter(image: &Image, topic: &str, index: i32, replicas: Option<&[i32]>) -> Result<(), Refusal> {
    let unknown = |what: String| (ErrorCode::UnknownTopicOrPartition, Some(what));
    let found = image
        .topic(topic)
        .ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
    let partition = found
        .partition(index)
        .ok_or_else(|| unknown(format!("Unable to find partition {topic}:{index}.")))?;
    match replicas {
        None => Err((ErrorCode::NoReassignmentInProgress, None)),
        Some(replicas) => check(image, partition, replicas)
            .map_err(|text| (ErrorCode::InvalidReplicaAssignment, Some(text))),
    }
}

/// Whether these replicas are those that the partition has.
fn check(image: &Image, partition: &Partition, replicas: &[i32]) -> Result<(), String> {
    if replicas.is_empty() {
        return Err("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut distinct = BTreeSet::new();
    if let Some(id) = replicas.iter().find(|id| !distinct.insert(**id)) {
        return Err(format!(
            "The manual partition assignment includes the broker {id} more than once."
        ));
    }
    if let Some(id) = replicas.iter().find(|id| image.broker(**id).is_none()) {
        return Err(format!(
            "The manual partition assignment includes broker {id}, but no such broker is registered."
        ));
    }
    if partition.replicas.iter().copied().collect::<BTreeSet<_>>() != distinct {
        return Err("Replicas do not move between brokers yet.".to_owned());
    }
    Ok(())
}
