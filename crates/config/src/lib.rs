//! The registry of configuration keys and everything it drives: reading `klamm.toml` and
//! Kafka's `server.properties`, the typed settings of the broker and of a topic, validation of
//! changes, DescribeConfigs, and `docs/config.md`.
//!
//! *Architecture invariant:* this crate does no I/O and reads no clock or environment; files,
//! environment variables and overrides come in as text and maps. A key is written down once, in
//! `keys/`; nothing else knows its type, range, default or documentation.
//!
//! Start reading at [`Key`], then [`BrokerConfig`] (what an operator wrote) and [`Effective`]
//! (what holds after dynamic changes).

pub mod alter;
pub mod describe;
pub mod docs;
pub mod keys;
pub mod suggest;
pub mod validate;

mod broker;
mod disk;
mod effective;
mod error;
mod file;
mod groups;
mod key;
mod listener;
mod rule;
mod settings;
mod share;
mod topic;
mod value;

pub use broker::{BrokerConfig, Layers, Origin};
pub use disk::{DiskPolicy, DiskSettings};
pub use effective::{Dynamic, Effective, Map};
pub use error::{ConfigError, Refusal};
pub use file::{ConfigFile, Entry, Problem, Warning};
pub use groups::{
    ConsumerGroupSettings, GroupSettings, GroupTimes, Migration, StreamsGroupSettings,
};
pub use key::{Effect, Key, Scope, Synonym, Type, Unit, Update};
pub use listener::{Endpoint, HostPort, SecurityProtocol, Voter};
pub use rule::Rule;
pub use settings::{
    BrokerSettings, CleanerSettings, LogSettings, NetworkSettings, NodeSettings, ObserveSettings,
    OffsetsSettings, QuorumSettings, QuotaSettings, RequestSettings, TopicDefaults,
};
pub use share::{OffsetReset, ShareGroupSettings, ShareStateSettings};
pub use topic::{CleanupPolicy, Compression, RemoteConfig, TimestampType, TopicConfig};
pub use value::Value;
