//! A quorum of one on a virtual disk, and the commands that tests give it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use klamm_env::{
    Clock, Env, Random,
    virt::{VirtualDisk, VirtualNet},
};
use klamm_metadata::{
    ConfigChange, ConfigRules, Image, Refusal, Resource, Settings, TopicConfigEntry, features,
};
use klamm_protocol::{
    messages::{
        BrokerHeartbeatRequest, BrokerRegistrationRequest, CreateTopicsRequest,
        broker_registration_request::Feature, create_topics_request::CreatableTopic,
    },
    wire::Uuid,
};
use klamm_quorum::{Defaults, NoPeers, OpenError, Quorum, QuorumConfig, Transport};

/// Any key may have any value.
#[derive(Debug)]
pub(crate) struct AnyConfig;

impl ConfigRules for AnyConfig {
    fn alter(
        &self,
        image: &Image,
        resource: &Resource,
        changes: &[ConfigChange<'_>],
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut map: BTreeMap<String, String> =
            image.config(resource).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for change in changes {
            match change.value.filter(|_| change.operation == ConfigChange::SET) {
                Some(value) => map.insert(change.name.to_owned(), value.to_owned()),
                None => map.remove(change.name),
            };
        }
        Ok(map)
    }

    fn describe_topic(
        &self,
        _image: &Image,
        _overrides: &BTreeMap<String, String>,
    ) -> Vec<TopicConfigEntry> {
        Vec::new()
    }
}

pub(crate) fn defaults() -> Defaults {
    Defaults { settings: Settings::default(), rules: Arc::new(AnyConfig) }
}

pub(crate) const CLUSTER: &str = "cluster";

/// A node whose disk outlives it.
pub(crate) struct Node {
    pub(crate) disk: VirtualDisk,
    pub(crate) random: Random,
    pub(crate) config: QuorumConfig,
}

impl Node {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Random::from_seed(seed);
        let disk = VirtualDisk::new(random.clone());
        let env = Env {
            clock: Clock::following_runtime(1_700_000_000_000),
            net: Arc::new(VirtualNet::new(random.clone())),
            disk: Arc::new(disk.clone()),
            random: random.clone(),
        };
        let config = QuorumConfig::single(env, PathBuf::from("/data"), 1, CLUSTER.to_owned());
        Self { disk, random, config }
    }

    /// One of several voters.
    pub(crate) fn of_group(seed: u64, id: i32, voters: &[i32]) -> Self {
        let mut node = Self::new(seed);
        node.config.node_id = id;
        node.config.voters = voters.to_vec();
        node
    }

    pub(crate) async fn start_with(&self, transport: Box<dyn Transport>) -> Quorum {
        Quorum::start(self.config.clone(), defaults(), transport).await.expect("opened")
    }

    pub(crate) async fn start(&self) -> Result<Quorum, OpenError> {
        Quorum::start(self.config.clone(), defaults(), Box::new(NoPeers)).await
    }
}

pub(crate) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number + 1000)
}

pub(crate) fn registration(broker: i32, incarnation: u128) -> BrokerRegistrationRequest<'static> {
    let features = features::SUPPORTED.iter().map(|feature| Feature {
        name: feature.name.into(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..Feature::default()
    });
    BrokerRegistrationRequest {
        broker_id: broker,
        cluster_id: CLUSTER.into(),
        incarnation_id: uuid(incarnation),
        features: features.collect(),
        log_dirs: vec![uuid(u128::from(broker.unsigned_abs()) << 64)],
        previous_broker_epoch: -1,
        ..BrokerRegistrationRequest::default()
    }
}

/// Registers a broker and unfences it; gives its epoch.
pub(crate) async fn join(quorum: &Quorum, broker: i32, incarnation: u128) -> i64 {
    let registered = quorum.register_broker(registration(broker, incarnation)).await;
    let epoch = registered.expect("registered").broker_epoch;
    let heartbeat = BrokerHeartbeatRequest {
        broker_id: broker,
        broker_epoch: epoch,
        current_metadata_offset: quorum.applied_offset(),
        want_fence: false,
        ..BrokerHeartbeatRequest::default()
    };
    let answer = quorum.broker_heartbeat(heartbeat).await.expect("heard");
    assert!(answer.is_caught_up && !answer.is_fenced);
    epoch
}

pub(crate) fn topic(name: &str, partitions: i32) -> CreateTopicsRequest<'static> {
    let topic = CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() }
}

/// Creates a topic; gives the error code.
pub(crate) async fn create(quorum: &Quorum, name: &str, partitions: i32) -> i16 {
    let response = quorum.create_topics(topic(name, partitions)).await.expect("decided");
    response.topics[0].error_code
}
