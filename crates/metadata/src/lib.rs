//! The cluster's metadata: its [`Image`], the records that change it, and the controller's
//! decisions.
//!
//! A decision ([`decide`]) reads the image and gives records; [`Image::apply`] is the only place
//! where state changes. Records are Kafka's own, so the log and the snapshots of an Apache Kafka
//! replay into the same image.
//!
//! *Architecture invariant:* no I/O, no clock, no randomness, no configuration of its own: all of
//! them are arguments. Applying a record never fails and never panics, whatever it says. Replaying
//! the records of [`Image::snapshot`] gives the same image.

pub mod decide;
mod delta;
mod describe_client_quotas;
pub mod features;
mod image;
mod record;

pub use decide::{ConfigChange, ConfigRules, Entropy, Refusal, Settings, TopicConfigEntry};
pub use delta::Delta;
pub use describe_client_quotas::describe_client_quotas;
pub use features::supported_features;
pub use image::{
    Broker, Controller, Endpoint, Features, Image, Map, Partition, QuotaEntity, Replicas, Resource,
    ResourceKind, ScramKey, Topic, VersionSpan,
};
pub use record::{decode, encode};
