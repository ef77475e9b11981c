//! What the controller makes of requests: records to write, and the answer to give once they are
//! committed.
//!
//! Every decision reads an [`Image`] and changes nothing. One request, one function, one file.

mod alter_configs;
mod alter_partition;
mod assign_directories;
mod brokers;
mod client_quotas;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod error;
mod heartbeat;
mod leadership;
mod partition_change;
mod placement;
mod producer_ids;
mod sessions;
mod topic_name;
mod update_features;

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
};

use klamm_protocol::{messages::metadata_record::MetadataRecord, wire::Uuid};

pub use alter_configs::{alter_configs, incremental_alter_configs};
pub use alter_partition::alter_partition;
pub use assign_directories::assign_replicas_to_dirs;
pub use brokers::{Arrival, register_broker, register_controller, unregister_broker};
pub use client_quotas::alter_client_quotas;
pub use create_partitions::create_partitions;
pub use create_topics::create_topics;
pub use delete_topics::delete_topics;
pub use error::Refusal;
pub use heartbeat::{broker_heartbeat, fence_silent_brokers};
pub use producer_ids::{PRODUCER_ID_BLOCK, allocate_producer_ids};
pub use sessions::Sessions;
pub use topic_name::validate_topic_name;
pub use update_features::{initial_features, update_features};

use crate::{Image, Resource};

/// Records to commit, and the answer to give then.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<R> {
    /// To be written as one batch, all or nothing.
    pub records: Vec<MetadataRecord<'static>>,
    /// The answer.
    pub response: R,
}

impl<R> Decision<R> {
    /// An answer that changes nothing.
    pub fn unchanged(response: R) -> Self {
        Self { records: Vec::new(), response }
    }
}

/// What the configuration of the controller says about decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `node.id` of this controller; the quorum fills it in.
    pub node_id: i32,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `min.insync.replicas` where neither topic nor cluster has one.
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable` where neither topic nor cluster says it.
    pub unclean_leader_election: bool,
    /// `broker.session.timeout.ms`.
    pub broker_session_timeout_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_id: 0,
            num_partitions: 1,
            default_replication_factor: 1,
            delete_topic_enable: true,
            min_insync_replicas: 1,
            unclean_leader_election: false,
            broker_session_timeout_ms: 9_000,
        }
    }
}

/// Where random choices come from.
pub trait Entropy {
    /// A number in `0..bound`; 0 if `bound` is 0.
    fn below(&mut self, bound: usize) -> usize;
    /// A new id that is none of Kafka's reserved ones.
    fn uuid(&mut self) -> Uuid;
}

/// What to do with one configuration key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigChange<'a> {
    /// The key.
    pub name: &'a str,
    /// The operation's number in IncrementalAlterConfigs: 0 set, 1 delete, 2 append, 3 subtract.
    pub operation: i8,
    /// The operand.
    pub value: Option<&'a str>,
}

impl<'a> ConfigChange<'a> {
    /// Number of the operation that sets a value.
    pub const SET: i8 = 0;
    /// Number of the operation that takes a value away.
    pub const DELETE: i8 = 1;

    /// Sets a value.
    pub fn set(name: &'a str, value: Option<&'a str>) -> Self {
        Self { name, operation: Self::SET, value }
    }
}

/// A value of a topic as CreateTopics answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfigEntry {
    /// The key.
    pub name: String,
    /// The value; none if it is secret or has none.
    pub value: Option<String>,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Kafka's number of where the value is from.
    pub source: i8,
    /// Whether it is secret.
    pub is_sensitive: bool,
}

/// What is known about configuration keys.
pub trait ConfigRules: Debug + Send + Sync {
    /// What is configured on `resource` after the changes, checked: known keys, values in range,
    /// nothing twice.
    ///
    /// # Errors
    /// A refusal with Kafka's code and text.
    fn alter(
        &self,
        image: &Image,
        resource: &Resource,
        changes: &[ConfigChange<'_>],
    ) -> Result<BTreeMap<String, String>, Refusal>;

    /// Every value of a topic that has `overrides`, by name.
    fn describe_topic(
        &self,
        image: &Image,
        overrides: &BTreeMap<String, String>,
    ) -> Vec<TopicConfigEntry>;
}

/// What a decision may use beside the image.
pub struct Context<'a> {
    /// Settings of the controller.
    pub settings: &'a Settings,
    /// Rules of configuration keys.
    pub rules: &'a dyn ConfigRules,
    /// Random choices.
    pub entropy: &'a mut dyn Entropy,
}

impl Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("settings", self.settings).finish_non_exhaustive()
    }
}

impl Context<'_> {
    fn topic_setting<'i>(image: &'i Image, topic: &str, name: &str) -> Option<&'i str> {
        let own = image.config_value(&Resource::topic(topic), name);
        own.or_else(|| image.config_value(&Resource::all_brokers(), name))
    }

    /// `min.insync.replicas` of a topic, 1 at least.
    pub(crate) fn min_isr(&self, image: &Image, topic: &str) -> usize {
        let value = Self::topic_setting(image, topic, "min.insync.replicas");
        let value = value.and_then(|value| value.parse().ok());
        usize::try_from(value.unwrap_or(self.settings.min_insync_replicas)).unwrap_or(1).max(1)
    }

    /// `unclean.leader.election.enable` of a topic.
    pub(crate) fn elects_unclean(&self, image: &Image, topic: &str) -> bool {
        let value = Self::topic_setting(image, topic, "unclean.leader.election.enable");
        value.map_or(self.settings.unclean_leader_election, |value| value == "true")
    }
}
