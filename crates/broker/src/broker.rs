//! The state that all handlers share.

use std::{
    io,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use arc_swap::ArcSwap;
use klamm_config::{BrokerConfig, BrokerSettings, Dynamic, Effective, TopicConfig};
use klamm_env::{Env, Watched, disk};
use klamm_log::{Appended, Log, LogConfig, LogDirs, ReadError};
use klamm_metadata::{Image, Resource};
use klamm_protocol::{ErrorCode, records::DecompressionLimit};
use klamm_quorum::Quorum;

use crate::{
    api::names_by_id,
    cleaner::Cleaner,
    connection::ConnectionLimits,
    fetch_sessions::{FetchSessions, Target},
    groups::Groups,
    listener::{Connections, RequestMemory, StopBell},
    listening::Listening,
    loggers::Loggers,
    metrics::Metrics,
    moves::Moves,
    open_logs::WaitForRoom,
    partition::{Partition, Topic},
    producer_ids::ProducerIds,
    quotas::Quotas,
    share::Shares,
    telemetry::Telemetry,
    topics::Topics,
    transactions::Transactions,
    watermarks::Watermarks,
};

/// A running broker, as its handlers see it.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) env: Env,
    pub(crate) config: BrokerConfig,
    /// The static configuration with the dynamic one over it.
    pub(crate) effective: ArcSwap<Effective>,
    pub(crate) settings: ArcSwap<BrokerSettings>,
    pub(crate) node_id: i32,
    pub(crate) cluster_id: String,
    pub(crate) quorum: Quorum,
    pub(crate) logs: Arc<LogDirs>,
    pub(crate) topics: Topics,
    /// Partitions whose logs could not be opened for want of room.
    pub(crate) wait_for_room: WaitForRoom,
    pub(crate) groups: Groups,
    pub(crate) shares: Shares,
    pub(crate) cleaner: Cleaner,
    pub(crate) watermarks: Watermarks,
    pub(crate) moves: Moves,
    pub(crate) listening: Listening,
    /// What is logged.
    pub(crate) loggers: Loggers,
    pub(crate) transactions: Transactions,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) telemetry: Telemetry,
    /// The epoch that the controller gave to this registration.
    pub(crate) broker_epoch: AtomicI64,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) quotas: Quotas,
    pub(crate) connections: Arc<Connections>,
    pub(crate) request_memory: RequestMemory,
    pub(crate) metrics: Metrics,
    pub(crate) stop: StopBell,
    /// Metadata up to this offset is in effect here.
    pub(crate) applied: Watched<i64>,
}

/// A topic and a partition of it that this broker leads.
pub(crate) type Found = (Arc<Topic>, Arc<Partition>);

impl Broker {
    /// The partition that a fetch names.
    pub(crate) fn find(&self, target: &Target) -> Result<Found, ErrorCode> {
        let topic = if names_by_id(target) {
            self.topics.by_id(target.id).ok_or(ErrorCode::UnknownTopicId)
        } else if target.topic.is_empty() {
            Err(ErrorCode::UnknownTopicId)
        } else {
            self.topics.by_name(&target.topic).ok_or(ErrorCode::UnknownTopicOrPartition)
        }?;
        let partition = topic.partition(target.index);
        let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if partition.log().is_none() {
            return Err(ErrorCode::KafkaStorageError);
        }
        Ok((topic, partition))
    }

    /// The partition of a topic by name.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let found = self.topics.partition(topic, index);
        let partition = found.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if partition.log().is_none() {
            return Err(ErrorCode::KafkaStorageError);
        }
        Ok(partition)
    }

    pub(crate) fn connection_limits(&self) -> ConnectionLimits {
        let settings = self.settings.load();
        let idle = u64::try_from(settings.network.connections_max_idle_ms);
        ConnectionLimits {
            request_bytes_max: unsigned(settings.requests.socket_request_max_bytes),
            // Negative is for ever: a year will do.
            idle: Duration::from_millis(idle.unwrap_or(365 * 24 * 3_600_000)),
        }
    }

    /// `fetch.max.bytes`.
    pub(crate) fn fetch_bytes_max(&self) -> u64 {
        unsigned(self.settings.load().requests.fetch_max_bytes) as u64
    }

    /// The most that one batch may decompress to.
    pub(crate) fn decompression_limit(&self) -> DecompressionLimit {
        let bytes = self.settings.load().requests.batch_decompressed_max_bytes;
        DecompressionLimit(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Starts what an append makes necessary and nobody waits for.
    pub(crate) fn after_append(
        self: &Arc<Self>,
        partition: &Arc<Partition>,
        appended: &Appended,
        unanswered: bool,
    ) {
        let Some(log) = partition.log() else { return };
        if unanswered && appended.sync_due {
            let (partition, name) = (Arc::clone(partition), log.name().clone());
            let broker = Arc::clone(self);
            let appended = *appended;
            tokio::spawn(async move {
                if let Err(error) = partition.settled(&appended, false).await {
                    tracing::warn!("{name}: cannot sync: {error}");
                    broker.disk_failed(&partition, &error);
                }
            });
        } else if appended.rolled {
            let (log, base) = (Arc::clone(log), appended.base_offset);
            let broker = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = log.flush_to(base).await {
                    tracing::warn!("{}: cannot sync a closed segment: {error}", log.name());
                    broker.log_failed(&log, &error);
                }
            });
        }
    }

    /// Takes the directory of a partition out of service after its device failed.
    pub(crate) fn disk_failed(&self, partition: &Partition, error: &io::Error) {
        if let Some(log) = partition.log() {
            self.log_failed(log, error);
        }
    }

    /// The same for the directory of a log, unless the volume is only full or the log was deleted.
    pub(crate) fn log_failed(&self, log: &Log, error: &io::Error) {
        let is_gone = self.logs.get(log.name()).is_none();
        if !disk::is_full(error) && !is_gone {
            self.logs.fail(disk::parent(&log.dir()), &error.to_string());
        }
    }

    /// Notes damage found in a log.
    pub(crate) fn log_damage(&self, partition: &Partition, error: &ReadError) {
        let name = partition.log().map(|log| log.name().to_string());
        tracing::error!("{}: damaged: {error}", name.unwrap_or_default());
    }

    /// Waits until the metadata up to `offset` is in effect on this broker.
    pub(crate) async fn caught_up(&self, offset: i64) {
        self.applied.wait_for(|applied| applied >= offset).await;
    }

    /// Waits until all metadata that is committed now is in effect on this broker.
    pub(crate) async fn caught_up_with_quorum(&self) {
        self.caught_up(self.quorum.applied_offset()).await;
    }

    /// The settings of a topic as the image has them.
    pub(crate) fn topic_config(&self, image: &Image, topic: &str) -> TopicConfig {
        let overrides = image
            .config(&Resource::topic(topic))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let effective = self.effective.load();
        TopicConfig::resolve(&effective, &overrides).unwrap_or_else(|error| {
            // Checked when it was stored; another release may have had other rules.
            tracing::warn!("topic {topic}: {error}; using the broker's settings");
            TopicConfig::resolve(&effective, &klamm_config::Map::new())
                .expect("without overrides nothing needs parsing")
        })
    }

    /// Tells the log directories which of them take no new partitions.
    fn cordon(&self) {
        let settings = self.settings.load();
        self.logs.cordon(&settings.disk.cordoned);
        self.moves.look_again();
    }

    /// Lays the dynamic broker configuration of the image over the static one.
    pub(crate) fn reconfigure(&self, image: &Image) {
        let map = |resource: &Resource| -> klamm_config::Map {
            image.config(resource).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        };
        let default = map(&Resource::all_brokers());
        let own = map(&Resource::broker(self.node_id));
        let effective = self.config.effective(Dynamic { default: &default, broker: &own });
        match BrokerSettings::of(&effective) {
            Ok(settings) => {
                self.metrics.slow.set_threshold(settings.observe.slow_request_ms);
                self.settings.store(Arc::new(settings));
                self.connections.look_again();
                self.cleaner.look_again();
                self.listening.look_again();
                self.cordon();
            }
            Err(error) => tracing::warn!("dynamic broker configuration: {error}"),
        }
        self.effective.store(Arc::new(effective));
    }
}

/// A number of the configuration, none where it is negative.
pub(crate) fn unsigned(n: i32) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// What the log needs of a topic's configuration. The jitter is drawn once per log.
pub(crate) fn log_config(config: &TopicConfig, env: &Env) -> LogConfig {
    let jitter = u64::try_from(config.segment_jitter_ms).unwrap_or(0);
    LogConfig {
        segment_bytes: u64::try_from(config.segment_bytes).unwrap_or(1),
        preallocate: config.preallocate,
        segment_ms: segment_ms(config),
        segment_jitter_ms: i64::try_from(env.random.below(jitter)).unwrap_or(0),
        index_interval_bytes: u64::try_from(config.index_interval_bytes).unwrap_or(0),
        segment_index_bytes: u64::try_from(config.segment_index_bytes).unwrap_or(0),
        flush_messages: config.flush_messages,
        flush_ms: config.flush_ms,
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        delete: config.cleanup_policy.delete,
        compact: config.cleanup_policy.compact,
        delete_retention_ms: config.delete_retention_ms,
        min_compaction_lag_ms: config.min_compaction_lag_ms,
        max_compaction_lag_ms: config.max_compaction_lag_ms,
        min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
        file_delete_delay_ms: config.file_delete_delay_ms,
    }
}

/// The age at which a segment is closed: in time for its records to be compacted.
fn segment_ms(config: &TopicConfig) -> i64 {
    if config.cleanup_policy.compact && config.max_compaction_lag_ms > 0 {
        config.segment_ms.min(config.max_compaction_lag_ms)
    } else {
        config.segment_ms
    }
}
