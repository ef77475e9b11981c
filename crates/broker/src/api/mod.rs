//! The table of APIs that this broker serves: one file each, one row each.
//!
//! The table answers ApiVersions, makes `docs/api-compatibility.md`, and is walked by tests: no
//! API without permission, quota class and metric.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_share_group_offsets;
mod api_versions;
mod change;
mod cluster_view;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_share_group_state;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod fetch;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod group_call;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod initialize_share_group_state;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod push_telemetry;
mod read_share_group_state;
mod read_share_group_state_summary;
mod share_acknowledge;
mod share_admin;
mod share_call;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod share_state_call;
mod streams_group_describe;
mod streams_group_heartbeat;
mod sync_group;
mod throttle;
mod txn_call;
mod txn_offset_commit;
mod update_features;
mod write_share_group_state;
mod write_txn_markers;

use std::sync::Arc;

use klamm_protocol::{ApiKey, ErrorCode, wire::VersionRange};

pub(crate) use fetch::{Limits, names_by_id};

use crate::{
    broker::Broker,
    connection::Peer,
    request::{Answer, Outcome, Request},
};

/// What a handler is given besides the request.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) broker: &'a Arc<Broker>,
    pub(crate) peer: &'a Peer,
    /// When the request came in, milliseconds since the epoch.
    pub(crate) now_ms: i64,
}

/// A right that an API asks for, in Kafka's terms of resource and operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: part of getting acquainted.
    Anyone,
    /// ClusterAction on the cluster, or Alter: what brokers do among themselves.
    ClusterAction,
    /// Alter on the cluster.
    ClusterAlter,
    /// AlterConfigs on the cluster, for brokers.
    ClusterAlterConfigs,
    /// Create on the cluster.
    ClusterCreate,
    /// Describe on the cluster.
    ClusterDescribe,
    /// DescribeConfigs on the cluster, for brokers.
    ClusterDescribeConfigs,
    /// IdempotentWrite on the cluster.
    ClusterIdempotentWrite,
    /// Delete on the group.
    GroupDelete,
    /// Describe on the group.
    GroupDescribe,
    /// Read on the group.
    GroupRead,
    /// Alter on the topic.
    TopicAlter,
    /// AlterConfigs on the topic.
    TopicAlterConfigs,
    /// Create on the topic.
    TopicCreate,
    /// Delete on the topic.
    TopicDelete,
    /// Describe on the topic.
    TopicDescribe,
    /// DescribeConfigs on the topic.
    TopicDescribeConfigs,
    /// Read on the topic.
    TopicRead,
    /// Write on the topic.
    TopicWrite,
    /// Describe on the transactional id.
    TransactionalIdDescribe,
    /// Write on the transactional id.
    TransactionalIdWrite,
}

/// Which quota a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaClass {
    /// None: it must work for a client that is throttled.
    Exempt,
    /// Bytes fetched, and request time.
    Fetch,
    /// Bytes produced, and request time.
    Produce,
    /// Request time.
    Request,
    /// Partitions created or deleted, and request time.
    ControllerMutation,
}

/// One row of the table.
#[derive(Debug)]
pub struct Api {
    /// The API.
    pub key: ApiKey,
    /// The rights it asks for, depending on what the request names.
    pub permissions: &'static [Permission],
    /// The quota it counts against.
    pub quota: QuotaClass,
    /// The event that it leaves in the audit log, if it changes something.
    pub audit: Option<&'static str>,
    pub(crate) handle: fn(&Context<'_>, Request) -> Outcome,
}

impl Api {
    /// The versions served: all that are stable.
    pub fn versions(&self) -> VersionRange {
        self.key.stable_versions()
    }
}

/// Every API that is served, by key.
pub static APIS: [&Api; 61] = [
    &produce::API,
    &fetch::API,
    &list_offsets::API,
    &metadata::API,
    &offset_commit::API,
    &offset_fetch::API,
    &find_coordinator::API,
    &join_group::API,
    &heartbeat::API,
    &leave_group::API,
    &sync_group::API,
    &describe_groups::API,
    &list_groups::API,
    &api_versions::API,
    &create_topics::API,
    &delete_topics::API,
    &delete_records::API,
    &init_producer_id::API,
    &offset_for_leader_epoch::API,
    &add_partitions_to_txn::API,
    &add_offsets_to_txn::API,
    &end_txn::API,
    &write_txn_markers::API,
    &txn_offset_commit::API,
    &describe_configs::API,
    &alter_configs::API,
    &alter_replica_log_dirs::API,
    &describe_log_dirs::API,
    &create_partitions::API,
    &delete_groups::API,
    &incremental_alter_configs::API,
    &alter_partition_reassignments::API,
    &list_partition_reassignments::API,
    &offset_delete::API,
    &describe_client_quotas::API,
    &alter_client_quotas::API,
    &update_features::API,
    &describe_cluster::API,
    &describe_producers::API,
    &describe_transactions::API,
    &list_transactions::API,
    &consumer_group_heartbeat::API,
    &consumer_group_describe::API,
    &get_telemetry_subscriptions::API,
    &push_telemetry::API,
    &list_config_resources::API,
    &describe_topic_partitions::API,
    &share_group_heartbeat::API,
    &share_group_describe::API,
    &share_fetch::API,
    &share_acknowledge::API,
    &initialize_share_group_state::API,
    &read_share_group_state::API,
    &write_share_group_state::API,
    &delete_share_group_state::API,
    &read_share_group_state_summary::API,
    &streams_group_heartbeat::API,
    &streams_group_describe::API,
    &describe_share_group_offsets::API,
    &alter_share_group_offsets::API,
    &delete_share_group_offsets::API,
];

/// The row of an API.
fn row(key: ApiKey) -> Option<(usize, &'static Api)> {
    let at = APIS.binary_search_by_key(&(key as i16), |api| api.key as i16).ok()?;
    Some((at, APIS[at]))
}

/// Handles a request. Also tells the row of the table by which it is counted.
pub(crate) fn dispatch(
    broker: &Arc<Broker>,
    peer: &Peer,
    request: Request,
) -> (Option<usize>, Outcome) {
    let Some((at, api)) = row(request.key) else {
        return (None, refuse(&request, "is not served"));
    };
    if !api.versions().contains(request.version) {
        let outcome = match request.key {
            ApiKey::ApiVersions => api_versions::unsupported_version(broker, &request),
            _ => refuse(&request, "is not supported"),
        };
        return (Some(at), outcome);
    }
    let cx = Context { broker, peer, now_ms: broker.env.clock.now_ms() };
    (Some(at), throttle::charged(api, &cx, request))
}

fn refuse(request: &Request, what: &str) -> Outcome {
    let (name, version) = (request.key.name(), request.version);
    Outcome::Now(Answer::Close(format!("version {version} of {name} {what}")))
}

/// The error of a partition as a request of this version may hear it: KAFKA_STORAGE_ERROR only from
/// `known_from` on (KIP-112). Older clients learn that they should look again where the partition is.
fn told(error: ErrorCode, version: i16, known_from: i16) -> ErrorCode {
    match error {
        ErrorCode::KafkaStorageError if version < known_from => ErrorCode::NotLeaderOrFollower,
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_their_time() {
        let (offline, other) = (ErrorCode::KafkaStorageError, ErrorCode::CorruptMessage);
        let heard = [(offline, 5), (offline, 6), (other, 5)].map(|(e, v)| told(e, v, 6).name());
        assert_eq!(heard, ["NOT_LEADER_OR_FOLLOWER", "KAFKA_STORAGE_ERROR", "CORRUPT_MESSAGE"]);
    }
}
