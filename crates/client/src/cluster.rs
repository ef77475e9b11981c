//! What Metadata says of a cluster.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::{
    ErrorCode,
    messages::{
        MetadataResponse,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
    },
    wire::Uuid,
};

/// The brokers and topics of a cluster, as one broker sees them.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// The cluster's id.
    pub id: Option<String>,
    /// The broker that takes changes, or -1.
    pub controller: i32,
    /// The live brokers by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics asked for by name.
    pub topics: BTreeMap<String, Arc<Topic>>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl Broker {
    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; zero where the broker does not tell.
    pub id: Uuid,
    /// Kafka's number of an error, 0 if none.
    pub error: i16,
    /// Whether the cluster keeps its own state in it.
    pub is_internal: bool,
    /// The partitions by number.
    pub partitions: BTreeMap<i32, Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: i32,
    /// Kafka's number of an error, 0 if none.
    pub error: i16,
    /// The leading broker, or -1.
    pub leader: i32,
    /// The leader's epoch, or -1.
    pub leader_epoch: i32,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// Those of them that are offline.
    pub offline: Vec<i32>,
}

impl Topic {
    /// The error, if the broker gave one that Kafka has.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        ErrorCode::from_code(self.error).filter(|code| !code.is_none())
    }
}

impl Cluster {
    pub(crate) fn of(answer: &MetadataResponse<'_>) -> Self {
        let topics = answer.topics.iter().map(topic);
        Self {
            id: answer.cluster_id.as_deref().map(str::to_owned),
            controller: answer.controller_id,
            brokers: answer.brokers.iter().map(|one| (one.node_id, broker(one))).collect(),
            topics: topics.map(|topic| (topic.name.clone(), Arc::new(topic))).collect(),
        }
    }
}

fn broker(broker: &MetadataResponseBroker<'_>) -> Broker {
    Broker {
        id: broker.node_id,
        host: broker.host.to_string(),
        port: broker.port,
        rack: broker.rack.as_deref().map(str::to_owned),
    }
}

fn topic(topic: &MetadataResponseTopic<'_>) -> Topic {
    let partitions = topic.partitions.iter().map(|one| (one.partition_index, partition(one)));
    Topic {
        name: topic.name.as_deref().unwrap_or_default().to_owned(),
        id: topic.topic_id,
        error: topic.error_code,
        is_internal: topic.is_internal,
        partitions: partitions.collect(),
    }
}

fn partition(partition: &MetadataResponsePartition<'_>) -> Partition {
    Partition {
        id: partition.partition_index,
        error: partition.error_code,
        leader: partition.leader_id,
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes.clone(),
        isr: partition.isr_nodes.clone(),
        offline: partition.offline_replicas.clone(),
    }
}
