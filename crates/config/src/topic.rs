//! The configuration of one topic as the log uses it.

use crate::effective::{Effective, Map};
use crate::error::ConfigError;
use crate::key::{Key, Scope};
use crate::validate::{Values, inherited, values_over};
use crate::value::Value;

/// What happens to old segments (`cleanup.policy`). Both may be false: then nothing is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Keep the last record of each key.
    pub compact: bool,
    /// Drop segments by age and size.
    pub delete: bool,
}

/// In which codec records are stored (`compression.type` and the levels).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As the producer sent them.
    Producer,
    /// Without compression.
    Uncompressed,
    /// gzip; -1 is the library's own level.
    Gzip(i32),
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4(i32),
    /// Zstandard.
    Zstd(i32),
}

/// Which time a record carries (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// That of the append.
    LogAppendTime,
}

/// Tiered storage of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteConfig {
    /// `remote.storage.enable`.
    pub enabled: bool,
    /// `remote.log.copy.disable`.
    pub copy_disabled: bool,
    /// `remote.log.delete.on.disable`.
    pub delete_on_disable: bool,
    /// `local.retention.ms`, with `retention.ms` in place of -2; -1 is for ever.
    pub local_retention_ms: i64,
    /// `local.retention.bytes`, with `retention.bytes` in place of -2; -1 is no limit.
    pub local_retention_bytes: i64,
}

/// The configuration of a topic, every value resolved. Fields have Kafka's names; times are in
/// milliseconds and sizes in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `segment.bytes`, or `internal.segment.bytes` if that is set.
    pub segment_bytes: i32,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: what may be taken off `segment_ms` at random.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_bytes: i32,
    /// `index.interval.bytes`.
    pub index_interval_bytes: i32,
    /// `flush.messages`.
    pub flush_messages: i64,
    /// `flush.ms`.
    pub flush_ms: i64,
    /// `retention.ms`; -1 is for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; negative is no limit.
    pub retention_bytes: i64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type` with its level.
    pub compression: Compression,
    /// `max.message.bytes`, of a whole batch.
    pub max_message_bytes: i32,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub message_timestamp_after_max_ms: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `preallocate`.
    pub preallocate: bool,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election_enable: bool,
    /// The `remote.*` and `local.*` keys.
    pub remote: RemoteConfig,
    /// `leader.replication.throttled.replicas`: `*`, or `partition:broker` pairs.
    pub leader_throttled_replicas: Vec<String>,
    /// `follower.replication.throttled.replicas`: `*`, or `partition:broker` pairs.
    pub follower_throttled_replicas: Vec<String>,
}

impl TopicConfig {
    /// Resolves a topic's own configuration over what the broker gives to all topics.
    ///
    /// # Errors
    /// [`ConfigError`] if one of the topic's own values does not parse; names that no key has are
    /// left out.
    pub fn resolve(broker: &Effective, overrides: &Map) -> Result<Self, ConfigError> {
        let values = topic_values(broker, overrides)?;
        let of = Reader(&values);
        let (retention_ms, retention_bytes) = (of.long("retention.ms"), of.long("retention.bytes"));
        Ok(Self {
            segment_bytes: of.segment_bytes(),
            segment_ms: of.long("segment.ms"),
            segment_jitter_ms: of.long("segment.jitter.ms"),
            segment_index_bytes: of.int("segment.index.bytes"),
            index_interval_bytes: of.int("index.interval.bytes"),
            flush_messages: of.long("flush.messages"),
            flush_ms: of.long("flush.ms"),
            retention_ms,
            retention_bytes,
            cleanup_policy: of.cleanup_policy(),
            compression: of.compression(),
            max_message_bytes: of.int("max.message.bytes"),
            min_insync_replicas: of.int("min.insync.replicas"),
            message_timestamp_type: of.timestamp_type(),
            message_timestamp_before_max_ms: of.long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: of.long("message.timestamp.after.max.ms"),
            file_delete_delay_ms: of.long("file.delete.delay.ms"),
            delete_retention_ms: of.long("delete.retention.ms"),
            min_compaction_lag_ms: of.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: of.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: of.double("min.cleanable.dirty.ratio"),
            preallocate: of.boolean("preallocate"),
            unclean_leader_election_enable: of.boolean("unclean.leader.election.enable"),
            remote: of.remote(retention_ms, retention_bytes),
            leader_throttled_replicas: of.list("leader.replication.throttled.replicas"),
            follower_throttled_replicas: of.list("follower.replication.throttled.replicas"),
        })
    }
}

/// Every topic key that has a value, resolved over the broker's.
pub(crate) fn topic_values(broker: &Effective, overrides: &Map) -> Result<Values, ConfigError> {
    values_over(Scope::Topic, overrides, |key| inherited(key, broker))
}

/// `log.retention.ms` or what stands in for it.
pub(crate) fn retention_ms(broker: &Effective) -> i64 {
    let key: Option<&Key> = crate::keys::find(Scope::Topic, "retention.ms");
    key.and_then(|key| inherited(key, broker)).and_then(|value| value.as_integer()).unwrap_or(-1)
}

/// Reads typed values out of a topic's resolved ones.
struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn long(&self, name: &str) -> i64 {
        match self.0.get(name).and_then(Value::as_integer) {
            Some(n) => n,
            None => unreachable!("{name} is an integer topic key with a default"),
        }
    }

    fn int(&self, name: &str) -> i32 {
        match self.0.get(name) {
            Some(Value::Int(n)) => *n,
            _ => unreachable!("{name} is an int topic key with a default"),
        }
    }

    fn double(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Value::Double(n)) => *n,
            _ => unreachable!("{name} is a double topic key with a default"),
        }
    }

    fn boolean(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Boolean(true))
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(Value::String(text)) => text,
            _ => "",
        }
    }

    fn segment_bytes(&self) -> i32 {
        match self.0.get("internal.segment.bytes") {
            Some(Value::Int(n)) => *n,
            _ => self.int("segment.bytes"),
        }
    }

    fn cleanup_policy(&self) -> CleanupPolicy {
        let policy = self.list("cleanup.policy");
        let has = |name: &str| policy.iter().any(|item| item == name);
        CleanupPolicy { compact: has("compact"), delete: has("delete") }
    }

    fn compression(&self) -> Compression {
        match self.text("compression.type") {
            "uncompressed" => Compression::Uncompressed,
            "gzip" => Compression::Gzip(self.int("compression.gzip.level")),
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4(self.int("compression.lz4.level")),
            "zstd" => Compression::Zstd(self.int("compression.zstd.level")),
            _ => Compression::Producer,
        }
    }

    fn timestamp_type(&self) -> TimestampType {
        match self.text("message.timestamp.type") {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }

    fn remote(&self, retention_ms: i64, retention_bytes: i64) -> RemoteConfig {
        let or_all = |local: i64, all: i64| if local == -2 { all } else { local };
        RemoteConfig {
            enabled: self.boolean("remote.storage.enable"),
            copy_disabled: self.boolean("remote.log.copy.disable"),
            delete_on_disable: self.boolean("remote.log.delete.on.disable"),
            local_retention_ms: or_all(self.long("local.retention.ms"), retention_ms),
            local_retention_bytes: or_all(self.long("local.retention.bytes"), retention_bytes),
        }
    }
}
