//! The state of the cluster as the metadata log tells it.
//!
//! Invariants:
//! - An image is a value: a clone costs a few reference counts, and no clone sees what is applied
//!   to another.
//! - [`Image::apply`] is total. A record that speaks of something unknown changes nothing.
//! - What a metadata transaction did is not [`visible`](Image::visible) before its end.

mod apply;
mod cluster;
mod config;
mod features;
mod snapshot;
mod topic;

use std::sync::Arc;

use klamm_protocol::{
    messages::{AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord},
    wire::Uuid,
};

pub use cluster::{Broker, Controller, Endpoint, VersionSpan};
pub use config::{QuotaEntity, Resource, ResourceKind, ScramKey};
pub use features::Features;
pub(crate) use topic::NO_LEADER_CHANGE;
use topic::Topics;
pub use topic::{Partition, Replicas, Topic};

/// A persistent, ordered map: clones share what they have in common.
pub type Map<K, V> = rpds::RedBlackTreeMapSync<K, V>;

/// The cluster's metadata up to one offset of the metadata log.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    pub(crate) features: Features,
    pub(crate) brokers: Map<i32, Arc<Broker>>,
    pub(crate) controllers: Map<i32, Arc<Controller>>,
    pub(crate) topics: Topics,
    pub(crate) configs: Map<Resource, Map<String, String>>,
    pub(crate) quotas: Map<QuotaEntity, Map<String, f64>>,
    pub(crate) acls: Map<Uuid, Arc<AccessControlEntryRecord<'static>>>,
    pub(crate) scram: Map<ScramKey, Arc<UserScramCredentialRecord<'static>>>,
    pub(crate) tokens: Map<String, Arc<DelegationTokenRecord<'static>>>,
    pub(crate) producer_id_next: i64,
    pub(crate) zk_migration_state: i8,
    /// The image as it was before the open metadata transaction.
    pub(crate) before_transaction: Option<Arc<Image>>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            features: Features::default(),
            brokers: Map::new_sync(),
            controllers: Map::new_sync(),
            topics: Topics::default(),
            configs: Map::new_sync(),
            quotas: Map::new_sync(),
            acls: Map::new_sync(),
            scram: Map::new_sync(),
            tokens: Map::new_sync(),
            producer_id_next: -1,
            zk_migration_state: 0,
            before_transaction: None,
        }
    }
}

impl Image {
    /// The finalized features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The registered brokers by id, fenced ones included.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// A registered broker.
    pub fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// The registered controllers by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<Controller>> {
        self.controllers.values()
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.iter()
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// The topic with this name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.by_name(name)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.by_id(id)
    }

    /// One partition.
    pub fn partition(&self, topic: Uuid, partition: i32) -> Option<&Arc<Partition>> {
        self.topic_by_id(topic)?.partition(partition)
    }

    /// What is configured on a resource, by key.
    pub fn config<'a>(&'a self, resource: &Resource) -> impl Iterator<Item = (&'a str, &'a str)> {
        let map = self.configs.get(resource);
        map.into_iter()
            .flat_map(|map| map.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// One configured value of a resource.
    pub fn config_value(&self, resource: &Resource, name: &str) -> Option<&str> {
        self.configs.get(resource)?.get(name).map(String::as_str)
    }

    /// Every resource that has something configured.
    pub fn configured(&self) -> impl Iterator<Item = &Resource> {
        self.configs.keys()
    }

    /// Client quotas: who, and values by quota key.
    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &Map<String, f64>)> {
        self.quotas.iter()
    }

    /// One quota of an entity.
    pub fn quota(&self, entity: &QuotaEntity, key: &str) -> Option<f64> {
        self.quotas.get(entity)?.get(key).copied()
    }

    /// Access control entries by id.
    pub fn acls(&self) -> impl Iterator<Item = &Arc<AccessControlEntryRecord<'static>>> {
        self.acls.values()
    }

    /// SCRAM credentials.
    pub fn scram(&self) -> impl Iterator<Item = &Arc<UserScramCredentialRecord<'static>>> {
        self.scram.values()
    }

    /// The SCRAM credential of a user.
    pub fn scram_credential(&self, key: &ScramKey) -> Option<&UserScramCredentialRecord<'static>> {
        self.scram.get(key).map(|credential| &**credential)
    }

    /// Delegation tokens by token id.
    pub fn delegation_tokens(&self) -> impl Iterator<Item = &Arc<DelegationTokenRecord<'static>>> {
        self.tokens.values()
    }

    /// The first producer id of the next block; -1 if none was ever given out.
    pub fn producer_id_next(&self) -> i64 {
        self.producer_id_next
    }

    /// Whether a metadata transaction is open (KIP-868).
    pub fn is_in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    /// What others may see: the image without what an open metadata transaction did so far.
    pub fn visible(&self) -> &Self {
        self.before_transaction.as_deref().unwrap_or(self)
    }
}
