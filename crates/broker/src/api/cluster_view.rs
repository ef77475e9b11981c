//! The cluster as a client of one listener sees it: what Metadata, DescribeTopicPartitions and
//! DescribeCluster have in common.

use std::sync::Arc;

use klamm_metadata::{Broker as Node, Endpoint, Image, decide::validate_topic_name};
use klamm_protocol::{ErrorCode, wire::Uuid};

use crate::{broker::Broker, partition::Partition};

/// Authorized operations that nobody asked for.
pub(super) const NOT_ASKED: i32 = i32::MIN;

/// Kafka's bit field of all operations on a topic, which everybody may do without an authorizer.
const TOPIC_OPERATIONS: i32 = 3576;

/// The same for the cluster.
const CLUSTER_OPERATIONS: i32 = 8096;

/// The id of a log directory that failed (KIP-858).
const LOST_DIRECTORY: Uuid = Uuid::from_u128(1);

/// The id of a log directory that a broker of an older release never told.
const MIGRATING_DIRECTORY: Uuid = Uuid::from_u128(2);

/// The operations that are allowed on a topic, if asked for.
pub(super) fn topic_operations(asked: bool) -> i32 {
    if asked { TOPIC_OPERATIONS } else { NOT_ASKED }
}

/// The operations that are allowed on the cluster, if asked for.
pub(super) fn cluster_operations(asked: bool) -> i32 {
    if asked { CLUSTER_OPERATIONS } else { NOT_ASKED }
}

/// The brokers that have the listener, by id, with their endpoints on it.
pub(super) fn nodes<'a>(
    image: &'a Image,
    listener: &'a str,
) -> impl Iterator<Item = (&'a Node, &'a Endpoint)> {
    image.brokers().filter_map(move |node| Some((&**node, node.endpoint(listener)?)))
}

/// Where clients are told that the controller is: as in Kafka a broker, which passes requests on;
/// -1 if no broker is there. This one if it is.
pub(super) fn controller_id(broker: &Broker, image: &Image) -> i32 {
    let is_here = |id: i32| image.broker(id).is_some_and(|node| !node.fenced);
    if is_here(broker.node_id) {
        return broker.node_id;
    }
    image.brokers().find(|node| !node.fenced).map_or(-1, |node| node.id)
}

/// What is said of a topic that does not exist.
pub(super) fn missing_topic(name: &str) -> ErrorCode {
    match validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

/// The leader of a partition, -1 if it cannot be reached over the listener, and then why. Clients
/// that do not know LISTENER_NOT_FOUND are told LEADER_NOT_AVAILABLE.
pub(super) fn leader(
    image: &Image,
    partition: &klamm_metadata::Partition,
    listener: &str,
    knows_listener_error: bool,
) -> (i32, ErrorCode) {
    match image.broker(partition.leader) {
        Some(node) if node.endpoint(listener).is_some() => (node.id, ErrorCode::None),
        Some(_) if knows_listener_error => (-1, ErrorCode::ListenerNotFound),
        _ => (-1, ErrorCode::LeaderNotAvailable),
    }
}

/// The replicas of a partition that a client of the listener cannot reach, in their order.
pub(super) fn offline_replicas(
    image: &Image,
    partition: &klamm_metadata::Partition,
    listener: &str,
) -> Vec<i32> {
    let is_offline = |id: &i32| {
        image.broker(*id).is_none_or(|node| {
            node.fenced
                || node.endpoint(listener).is_none()
                || !is_online(partition.directory_of(*id), &node.directories)
        })
    };
    partition.replicas.iter().copied().filter(is_offline).collect()
}

fn is_online(directory: Uuid, online: &[Uuid]) -> bool {
    match directory {
        Uuid::ZERO | MIGRATING_DIRECTORY => true,
        LOST_DIRECTORY => false,
        // A broker of an old release does not tell its directories.
        directory => online.is_empty() || online.contains(&directory),
    }
}

/// The partition that this broker leads, or what keeps it from serving it.
pub(super) fn partition(
    broker: &Broker,
    topic: &str,
    index: i32,
) -> Result<Arc<Partition>, ErrorCode> {
    broker.partition(topic, index).map_err(|error| {
        let image = broker.quorum.image();
        let exists = image.topic(topic).is_some_and(|topic| topic.partition(index).is_some());
        match error {
            ErrorCode::UnknownTopicOrPartition if exists => ErrorCode::NotLeaderOrFollower,
            error => error,
        }
    })
}
