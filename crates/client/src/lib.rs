//! A small Kafka client for the command line, for embedded brokers, and later for brokers among
//! themselves and mirroring.
//!
//! It runs on the three seams of `klamm_env`: on TCP and on a virtual network alike, with tokio's
//! timers as its only clock. Start with [`Client`]; [`Producer`], [`Fetcher`] and [`GroupConsumer`]
//! are built on it.
//!
//! *Invariant:* nothing that a broker sends makes the client panic, or hold more memory than the
//! limits in [`ClientOptions`] allow.

mod call;
mod client;
mod cluster;
mod configs;
mod connection;
mod error;
mod fetcher;
mod group_consumer;
mod groups;
mod log_dirs;
mod membership;
mod offsets;
mod partitioner;
mod produce_round;
mod producer;
mod quotas;
mod range_assignor;
mod record;
mod response_records;
mod retry;
mod topics;

pub use client::{Client, ClientOptions};
pub use cluster::{Broker, Cluster, Partition, Topic};
pub use configs::{ConfigEntry, ConfigResource, ConfigSynonym, ResourceType};
pub use error::ClientError;
pub use fetcher::{FetchOptions, Fetcher, Isolation, Reset};
pub use group_consumer::{GroupConsumer, GroupOptions};
pub use groups::{GroupDescription, GroupListing, GroupMember};
pub use log_dirs::{LogDirDescription, LogDirReplica};
pub use offsets::{CommittedOffset, ListedOffset, OffsetSpec};
pub use partitioner::{murmur2, partition_of_key};
pub use producer::{Acks, Delivery, Producer, ProducerOptions};
pub use quotas::{QuotaEntity, QuotaValues};
pub use record::{OutgoingRecord, Record, RecordHeader, TopicPartition};
pub use topics::{NewTopic, TopicResult};

pub use klamm_protocol::{
    ErrorCode,
    records::{Compression, CompressionType},
    wire::Uuid,
};
