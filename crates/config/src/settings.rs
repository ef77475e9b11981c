//! The static and dynamic settings of a broker as plain typed structs, by subject. This is what
//! the engine reads; nothing there asks the registry by name.

use std::collections::BTreeMap;

use crate::effective::Effective;
use crate::error::ConfigError;
use crate::groups::GroupSettings;
use crate::key::Scope;
use crate::keys;
use crate::listener::{
    Endpoint, HostPort, Listeners, Voter, parse_host_ports, parse_ip_overrides, parse_voters,
};
use crate::share::ShareStateSettings;
use crate::value::Value;

/// Everything that the broker reads from its configuration, except what belongs to topics.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerSettings {
    /// Who the node is.
    pub node: NodeSettings,
    /// Listeners and connections.
    pub network: NetworkSettings,
    /// Requests: their size, how many wait, what one answer may hold.
    pub requests: RequestSettings,
    /// What topics get that do not say otherwise; the rest is in [`crate::TopicConfig`].
    pub topics: TopicDefaults,
    /// The logs of this node together.
    pub log: LogSettings,
    /// The log cleaner.
    pub cleaner: CleanerSettings,
    /// Groups of consumers.
    pub groups: GroupSettings,
    /// Committed offsets and their topic.
    pub offsets: OffsetsSettings,
    /// Transactions and their topic.
    pub transactions: TransactionSettings,
    /// The metadata quorum and the controller.
    pub quorum: QuorumSettings,
    /// How quotas are measured.
    pub quotas: QuotaSettings,
    /// What is shown of the broker, and where.
    pub observe: ObserveSettings,
    /// The log directories.
    pub disk: crate::DiskSettings,
    /// The store of what share groups have read.
    pub share_state: ShareStateSettings,
}

impl BrokerSettings {
    /// Reads the settings out of a configuration that holds.
    ///
    /// # Errors
    /// [`ConfigError`] if the listeners or voters do not parse, which [`crate::BrokerConfig`]
    /// has ruled out for its own.
    pub fn of(config: &Effective) -> Result<Self, ConfigError> {
        Ok(Self {
            node: NodeSettings::of(config),
            network: NetworkSettings::of(config)?,
            requests: RequestSettings::of(config),
            topics: TopicDefaults::of(config),
            log: LogSettings::of(config),
            cleaner: CleanerSettings::of(config),
            groups: GroupSettings::of(config),
            offsets: OffsetsSettings::of(config),
            transactions: TransactionSettings::of(config),
            quorum: QuorumSettings::of(config)?,
            quotas: QuotaSettings::of(config),
            observe: ObserveSettings::of(config),
            disk: crate::DiskSettings::of(config),
            share_state: ShareStateSettings::of(config),
        })
    }
}

/// What is shown of the broker, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct ObserveSettings {
    /// `klamm.admin.listeners`.
    pub admin_listeners: Vec<String>,
    /// Whether somebody set `klamm.admin.listeners`.
    pub has_admin_listeners: bool,
    /// `klamm.slow.request.ms`; negative is never.
    pub slow_request_ms: i64,
    /// `klamm.metrics.topics.max`.
    pub topics_max: i32,
    /// `klamm.metrics.partitions.max`.
    pub partitions_max: i32,
    /// `klamm.metrics.group.partitions.max`.
    pub group_partitions_max: i32,
    /// `klamm.client.telemetry.series.max`.
    pub client_series_max: i32,
}

impl ObserveSettings {
    fn of(of: &Effective) -> Self {
        Self {
            admin_listeners: of.list("klamm.admin.listeners").map_or_else(Vec::new, <[_]>::to_vec),
            has_admin_listeners: of.is_set("klamm.admin.listeners"),
            slow_request_ms: of.long("klamm.slow.request.ms"),
            topics_max: of.int("klamm.metrics.topics.max"),
            partitions_max: of.int("klamm.metrics.partitions.max"),
            group_partitions_max: of.int("klamm.metrics.group.partitions.max"),
            client_series_max: of.int("klamm.client.telemetry.series.max"),
        }
    }
}

/// Who the node is.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSettings {
    /// `node.id`.
    pub node_id: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `process.roles`; names `broker`.
    pub is_broker: bool,
    /// `process.roles`; names `controller`.
    pub is_controller: bool,
    /// `klamm.worker.threads`; 0 is one per core.
    pub worker_threads: usize,
    /// `klamm.shutdown.timeout.ms`.
    pub shutdown_timeout_ms: i64,
    /// `controlled.shutdown.enable`.
    pub controlled_shutdown_enable: bool,
}

impl NodeSettings {
    fn of(of: &Effective) -> Self {
        Self {
            node_id: of.int("node.id"),
            rack: of.text("broker.rack").map(str::to_owned),
            is_broker: has_role(of, "broker"),
            is_controller: has_role(of, "controller"),
            worker_threads: usize::try_from(of.int("klamm.worker.threads")).unwrap_or(0),
            shutdown_timeout_ms: of.long("klamm.shutdown.timeout.ms"),
            controlled_shutdown_enable: of.boolean("controlled.shutdown.enable"),
        }
    }
}

/// Listeners and connections.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSettings {
    /// `listeners`.
    pub listeners: Vec<Endpoint>,
    /// `advertised.listeners`; or `listeners` without the controller's.
    pub advertised_listeners: Vec<Endpoint>,
    /// `inter.broker.listener.name`; or the name that `security.inter.broker.protocol` gives.
    pub inter_broker_listener_name: String,
    /// `socket.send.buffer.bytes`; none lets the system tune it.
    pub socket_send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; none lets the system tune it.
    pub socket_receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`; none if nobody set it.
    pub socket_listen_backlog_size: Option<u32>,
    /// `connections.max.idle.ms`; negative is for ever.
    pub connections_max_idle_ms: i64,
    /// `max.connections`.
    pub max_connections: i32,
    /// `max.connections`; by the listeners that have their own, in upper case.
    pub max_connections_by_listener: BTreeMap<String, i32>,
    /// `max.connection.creation.rate`.
    pub max_connection_creation_rate: i32,
    /// `max.connection.creation.rate`; by the listeners that have their own, in upper case.
    pub max_connection_creation_rate_by_listener: BTreeMap<String, i32>,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: i32,
    /// `max.connections.per.ip.overrides`; by host name or address.
    pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
}

impl NetworkSettings {
    fn of(of: &Effective) -> Result<Self, ConfigError> {
        let listeners = Listeners::of(of)?;
        Ok(Self {
            listeners: listeners.listeners,
            advertised_listeners: listeners.advertised,
            inter_broker_listener_name: listeners.inter_broker,
            socket_send_buffer_bytes: if_set(of, "socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: if_set(of, "socket.receive.buffer.bytes"),
            socket_listen_backlog_size: if_set(of, "socket.listen.backlog.size"),
            connections_max_idle_ms: of.long("connections.max.idle.ms"),
            max_connections: of.int("max.connections"),
            max_connections_by_listener: by_listener(of, "max.connections"),
            max_connection_creation_rate: of.int("max.connection.creation.rate"),
            max_connection_creation_rate_by_listener: by_listener(
                of,
                "max.connection.creation.rate",
            ),
            max_connections_per_ip: of.int("max.connections.per.ip"),
            max_connections_per_ip_overrides: parse_ip_overrides(
                of.text("max.connections.per.ip.overrides").unwrap_or_default(),
            )?,
        })
    }
}

/// The number of a key that somebody set; negative is none.
fn if_set(of: &Effective, name: &str) -> Option<u32> {
    of.is_set(name).then(|| u32::try_from(of.int(name)).ok()).flatten()
}

/// How quotas are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaSettings {
    /// `quota.window.num`.
    pub window_num: i32,
    /// `quota.window.size.seconds`.
    pub window_size_seconds: i32,
    /// `controller.quota.window.num`.
    pub controller_window_num: i32,
    /// `controller.quota.window.size.seconds`.
    pub controller_window_size_seconds: i32,
}

impl QuotaSettings {
    fn of(of: &Effective) -> Self {
        Self {
            window_num: of.int("quota.window.num"),
            window_size_seconds: of.int("quota.window.size.seconds"),
            controller_window_num: of.int("controller.quota.window.num"),
            controller_window_size_seconds: of.int("controller.quota.window.size.seconds"),
        }
    }
}

/// Requests: their size, how many wait, what one answer may hold.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSettings {
    /// `socket.request.max.bytes`.
    pub socket_request_max_bytes: i32,
    /// `queued.max.requests`.
    pub queued_max_requests: i32,
    /// `queued.max.request.bytes`; `None` is no limit.
    pub queued_max_request_bytes: Option<i64>,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_cache_slots_max: i32,
    /// `max.request.partition.size.limit`.
    pub request_partition_size_limit_max: i32,
    /// `klamm.batch.decompressed.max.bytes`.
    pub batch_decompressed_max_bytes: i64,
    /// `telemetry.max.bytes`.
    pub telemetry_max_bytes: i32,
}

impl RequestSettings {
    fn of(of: &Effective) -> Self {
        Self {
            socket_request_max_bytes: of.int("socket.request.max.bytes"),
            queued_max_requests: of.int("queued.max.requests"),
            queued_max_request_bytes: Some(of.long("queued.max.request.bytes"))
                .filter(|bytes| *bytes > 0),
            fetch_max_bytes: of.int("fetch.max.bytes"),
            fetch_session_cache_slots_max: of.int("max.incremental.fetch.session.cache.slots"),
            request_partition_size_limit_max: of.int("max.request.partition.size.limit"),
            batch_decompressed_max_bytes: of.long("klamm.batch.decompressed.max.bytes"),
            telemetry_max_bytes: of.int("telemetry.max.bytes"),
        }
    }
}

/// What topics get that do not say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDefaults {
    /// `auto.create.topics.enable`.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i32,
}

impl TopicDefaults {
    fn of(of: &Effective) -> Self {
        Self {
            auto_create_topics_enable: of.boolean("auto.create.topics.enable"),
            delete_topic_enable: of.boolean("delete.topic.enable"),
            num_partitions: of.int("num.partitions"),
            default_replication_factor: of.int("default.replication.factor"),
        }
    }
}

/// The logs of this node together.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// `log.dirs`; or `log.dir`.
    pub log_dirs: Vec<String>,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: i64,
    /// `log.flush.scheduler.interval.ms`.
    pub flush_scheduler_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub flush_offset_checkpoint_interval_ms: i32,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub flush_start_offset_checkpoint_interval_ms: i32,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval_ms: i64,
    /// `log.initial.task.delay.ms`.
    pub initial_task_delay_ms: i64,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_data_dir: i32,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i32,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval_ms: i32,
}

impl LogSettings {
    fn of(of: &Effective) -> Self {
        Self {
            log_dirs: log_dirs(of),
            retention_check_interval_ms: of.long("log.retention.check.interval.ms"),
            flush_scheduler_interval_ms: of.long("log.flush.scheduler.interval.ms"),
            flush_offset_checkpoint_interval_ms: of.int("log.flush.offset.checkpoint.interval.ms"),
            flush_start_offset_checkpoint_interval_ms: of
                .int("log.flush.start.offset.checkpoint.interval.ms"),
            high_watermark_checkpoint_interval_ms: of
                .long("replica.high.watermark.checkpoint.interval.ms"),
            initial_task_delay_ms: of.long("log.initial.task.delay.ms"),
            recovery_threads_per_data_dir: of.int("num.recovery.threads.per.data.dir"),
            producer_id_expiration_ms: of.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: of
                .int("producer.id.expiration.check.interval.ms"),
        }
    }
}

/// The log cleaner.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanerSettings {
    /// `log.cleaner.enable`.
    pub enable: bool,
    /// `log.cleaner.threads`.
    pub threads: i32,
    /// `log.cleaner.backoff.ms`.
    pub backoff_ms: i64,
    /// `log.cleaner.dedupe.buffer.size`.
    pub dedupe_buffer_bytes: i64,
    /// `log.cleaner.io.buffer.size`.
    pub io_buffer_bytes: i32,
    /// `log.cleaner.io.buffer.load.factor`.
    pub io_buffer_load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`.
    pub io_max_bytes_per_second: f64,
}

impl CleanerSettings {
    fn of(of: &Effective) -> Self {
        Self {
            enable: of.boolean("log.cleaner.enable"),
            threads: of.int("log.cleaner.threads"),
            backoff_ms: of.long("log.cleaner.backoff.ms"),
            dedupe_buffer_bytes: of.long("log.cleaner.dedupe.buffer.size"),
            io_buffer_bytes: of.int("log.cleaner.io.buffer.size"),
            io_buffer_load_factor: of.double("log.cleaner.io.buffer.load.factor"),
            io_max_bytes_per_second: of.double("log.cleaner.io.max.bytes.per.second"),
        }
    }
}

/// Committed offsets and their topic.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetsSettings {
    /// `offset.metadata.max.bytes`.
    pub metadata_max_bytes: i32,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout_ms: i32,
    /// `offsets.load.buffer.size`.
    pub load_buffer_bytes: i32,
    /// `offsets.retention.minutes`.
    pub retention_minutes: i32,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval_ms: i64,
    /// `offsets.topic.num.partitions`.
    pub topic_num_partitions: i32,
    /// `offsets.topic.replication.factor`; capped at the number of brokers.
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub topic_segment_bytes: i32,
    /// `offsets.topic.compression.codec`; 0 none, 1 gzip, 2 snappy, 3 LZ4, 4 Zstandard.
    pub topic_compression_codec: i32,
}

impl OffsetsSettings {
    fn of(of: &Effective) -> Self {
        Self {
            metadata_max_bytes: of.int("offset.metadata.max.bytes"),
            commit_timeout_ms: of.int("offsets.commit.timeout.ms"),
            load_buffer_bytes: of.int("offsets.load.buffer.size"),
            retention_minutes: of.int("offsets.retention.minutes"),
            retention_check_interval_ms: of.long("offsets.retention.check.interval.ms"),
            topic_num_partitions: of.int("offsets.topic.num.partitions"),
            topic_replication_factor: of.short("offsets.topic.replication.factor"),
            topic_segment_bytes: of.int("offsets.topic.segment.bytes"),
            topic_compression_codec: of.int("offsets.topic.compression.codec"),
        }
    }
}

/// Transactions and their topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionSettings {
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_timed_out_interval_ms: i32,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub remove_expired_interval_ms: i32,
    /// `transaction.partition.verification.enable`.
    pub partition_verification_enable: bool,
    /// `transaction.two.phase.commit.enable`.
    pub two_phase_commit_enable: bool,
    /// `transaction.state.log.num.partitions`.
    pub topic_num_partitions: i32,
    /// `transaction.state.log.replication.factor`; capped at the number of brokers.
    pub topic_replication_factor: i16,
    /// `transaction.state.log.min.isr`; capped at the number of replicas.
    pub topic_min_isr: i32,
    /// `transaction.state.log.segment.bytes`.
    pub topic_segment_bytes: i32,
    /// `add.partitions.to.txn.retry.backoff.ms`.
    pub add_retry_backoff_ms: i32,
    /// `add.partitions.to.txn.retry.backoff.max.ms`.
    pub add_retry_backoff_max_ms: i32,
}

impl TransactionSettings {
    fn of(of: &Effective) -> Self {
        Self {
            max_timeout_ms: of.int("transaction.max.timeout.ms"),
            id_expiration_ms: of.int("transactional.id.expiration.ms"),
            abort_timed_out_interval_ms: of
                .int("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            remove_expired_interval_ms: of
                .int("transaction.remove.expired.transaction.cleanup.interval.ms"),
            partition_verification_enable: of.boolean("transaction.partition.verification.enable"),
            two_phase_commit_enable: of.boolean("transaction.two.phase.commit.enable"),
            topic_num_partitions: of.int("transaction.state.log.num.partitions"),
            topic_replication_factor: of.short("transaction.state.log.replication.factor"),
            topic_min_isr: of.int("transaction.state.log.min.isr"),
            topic_segment_bytes: of.int("transaction.state.log.segment.bytes"),
            add_retry_backoff_ms: of.int("add.partitions.to.txn.retry.backoff.ms"),
            add_retry_backoff_max_ms: of.int("add.partitions.to.txn.retry.backoff.max.ms"),
        }
    }
}

/// The metadata quorum and the controller.
#[derive(Debug, Clone, PartialEq)]
pub struct QuorumSettings {
    /// `controller.quorum.voters`; empty on a node that is its own quorum.
    pub voters: Vec<Voter>,
    /// `controller.quorum.bootstrap.servers`.
    pub bootstrap_servers: Vec<HostPort>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i32,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i32,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: i32,
    /// `metadata.log.dir`; or the first log directory.
    pub metadata_log_dir: String,
    /// `metadata.log.segment.bytes`; or `internal.metadata.log.segment.bytes`.
    pub metadata_segment_bytes: i32,
    /// `metadata.log.segment.ms`.
    pub metadata_segment_ms: i64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_max_new_record_bytes: i64,
    /// `metadata.log.max.snapshot.interval.ms`; 0 is no limit.
    pub snapshot_max_interval_ms: i64,
    /// `metadata.max.retention.bytes`.
    pub metadata_max_retention_bytes: i64,
    /// `metadata.max.retention.ms`.
    pub metadata_max_retention_ms: i64,
    /// `internal.metadata.max.batch.size.in.bytes`.
    pub metadata_max_batch_bytes: i32,
    /// `internal.metadata.delete.delay.millis`.
    pub metadata_delete_delay_ms: i64,
    /// `broker.heartbeat.interval.ms`.
    pub broker_heartbeat_interval_ms: i32,
    /// `broker.session.timeout.ms`.
    pub broker_session_timeout_ms: i32,
    /// `initial.broker.registration.timeout.ms`.
    pub initial_registration_timeout_ms: i32,
}

impl QuorumSettings {
    fn of(of: &Effective) -> Result<Self, ConfigError> {
        Ok(Self {
            voters: parse_voters(of.list("controller.quorum.voters").unwrap_or_default())?,
            bootstrap_servers: parse_host_ports(
                "controller.quorum.bootstrap.servers",
                of.list("controller.quorum.bootstrap.servers").unwrap_or_default(),
            )?,
            election_timeout_ms: of.int("controller.quorum.election.timeout.ms"),
            election_backoff_max_ms: of.int("controller.quorum.election.backoff.max.ms"),
            fetch_timeout_ms: of.int("controller.quorum.fetch.timeout.ms"),
            metadata_log_dir: metadata_log_dir(of),
            metadata_segment_bytes: metadata_segment_bytes(of),
            metadata_segment_ms: of.long("metadata.log.segment.ms"),
            snapshot_max_new_record_bytes: of
                .long("metadata.log.max.record.bytes.between.snapshots"),
            snapshot_max_interval_ms: of.long("metadata.log.max.snapshot.interval.ms"),
            metadata_max_retention_bytes: of.long("metadata.max.retention.bytes"),
            metadata_max_retention_ms: of.long("metadata.max.retention.ms"),
            metadata_max_batch_bytes: of.int("internal.metadata.max.batch.size.in.bytes"),
            metadata_delete_delay_ms: of.long("internal.metadata.delete.delay.millis"),
            broker_heartbeat_interval_ms: of.int("broker.heartbeat.interval.ms"),
            broker_session_timeout_ms: of.int("broker.session.timeout.ms"),
            initial_registration_timeout_ms: of.int("initial.broker.registration.timeout.ms"),
        })
    }
}

fn has_role(of: &Effective, role: &str) -> bool {
    of.list("process.roles").is_some_and(|roles| roles.iter().any(|r| r == role))
}

fn log_dirs(of: &Effective) -> Vec<String> {
    of.list("log.dirs").or_else(|| of.list("log.dir")).unwrap_or_default().to_vec()
}

fn metadata_log_dir(of: &Effective) -> String {
    let own = of.text("metadata.log.dir").map(str::to_owned);
    own.or_else(|| log_dirs(of).into_iter().next()).unwrap_or_default()
}

fn metadata_segment_bytes(of: &Effective) -> i32 {
    match of.get("internal.metadata.log.segment.bytes") {
        Some(Value::Int(bytes)) => *bytes,
        _ => of.int("metadata.log.segment.bytes"),
    }
}

/// The listeners with an int of their own, given as `listener.name.<listener>.<key>`.
fn by_listener(of: &Effective, key: &str) -> BTreeMap<String, i32> {
    let own = |(name, text): (&String, &String)| {
        let (listener, rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
        let value = Value::parse(keys::find(Scope::Broker, rest)?, text).ok()?;
        match value {
            Value::Int(n) if rest == key => Some((listener.to_uppercase(), n)),
            _ => None,
        }
    };
    of.originals().iter().filter_map(own).collect()
}
