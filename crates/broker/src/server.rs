//! A broker as its owner sees it: started, addressed, stopped.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use klamm_config::{BrokerConfig, BrokerSettings, Dynamic};
use klamm_env::{Env, Watched};
use klamm_log::{DirOpen, LogDirs, MetaProperties};
use klamm_metadata::Image;
use klamm_planted::planted;
use klamm_protocol::{
    messages::{
        BrokerHeartbeatRequest, BrokerRegistrationRequest,
        broker_registration_request::{Feature, Listener as Registered},
    },
    wire::Uuid,
};
use klamm_quorum::{
    Defaults, NoPeers, Quorum, QuorumConfig, Updates,
    kafka::{self, Owner},
};

use crate::{
    assignments,
    broker::{Broker, unsigned},
    cleaner::{self, Cleaner},
    directories,
    fetch_sessions::FetchSessions,
    groups::Groups,
    listener::{RequestMemory, StopBell},
    listening::{self, Bound, Listening},
    loggers::Loggers,
    metrics::Metrics,
    moves::Moves,
    observe::{Observe, Observer},
    open_logs::WaitForRoom,
    producer_ids::ProducerIds,
    quotas::Quotas,
    rules::Rules,
    share::Shares,
    tasks,
    telemetry::Telemetry,
    topics::Topics,
    transactions::Transactions,
    watermarks::Watermarks,
};

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting does not allow it.
    #[error("{0}")]
    Config(String),
    /// A listener cannot be opened.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Host and port.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// A log directory cannot be used.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The volume of the metadata is full: without a registration no broker serves.
    #[error(
        "there is no room for the metadata log, in which every start is noted ({0}): make some on \
         its volume, then start again"
    )]
    NoRoom(String),
    /// The metadata quorum does not come up.
    #[error("the metadata quorum does not start: {0}")]
    Quorum(String),
}

/// A running broker.
#[derive(Debug)]
pub struct Server {
    broker: Arc<Broker>,
    addresses: Vec<(String, SocketAddr)>,
}

impl Server {
    /// Starts a broker; when this returns it serves clients.
    ///
    /// # Errors
    /// Says what must be put right before it can start.
    pub async fn start(env: Env, config: BrokerConfig) -> Result<Self, StartError> {
        Self::start_logging(env, config, Loggers::default()).await
    }

    /// The same, with levels of what is logged that clients may change.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_logging(
        env: Env,
        config: BrokerConfig,
        loggers: Loggers,
    ) -> Result<Self, StartError> {
        let effective = config.effective(Dynamic::NONE);
        let settings = BrokerSettings::of(&effective)
            .map_err(|error| StartError::Config(error.to_string()))?;
        refuse_kafkas(&env, &settings)?;
        let bound = listening::bind(&env, &settings).await?;
        let (logs, cluster_id) = open_dirs(&env, &settings)?;
        let quorum = start_quorum(&env, &config, &settings, &cluster_id).await?;
        let broker = Arc::new(Broker {
            node_id: settings.node.node_id,
            cluster_id,
            logs,
            topics: Topics::default(),
            wait_for_room: WaitForRoom::default(),
            groups: Groups::default(),
            shares: Shares::default(),
            cleaner: Cleaner::new(&env.random),
            loggers,
            watermarks: Watermarks::default(),
            moves: Moves::new(settings.disk.move_threads.unwrap_or(settings.log.log_dirs.len())),
            listening: Listening::default(),
            transactions: Transactions::default(),
            producer_ids: ProducerIds::default(),
            broker_epoch: AtomicI64::new(-1),
            telemetry: Telemetry::default(),
            fetch_sessions: FetchSessions::new(
                unsigned(settings.requests.fetch_session_cache_slots_max),
                env.random.clone(),
            ),
            quotas: Quotas::default(),
            connections: Arc::default(),
            request_memory: RequestMemory::new(settings.requests.queued_max_request_bytes),
            metrics: Metrics::new(settings.node.worker_threads),
            stop: StopBell::new(),
            applied: Watched::new(-1),
            effective: ArcSwap::from_pointee(effective),
            settings: ArcSwap::from_pointee(settings),
            quorum,
            config,
            env,
        });
        let (image, updates) = match join(&broker, &bound).await {
            Ok(joined) => joined,
            Err(error) => {
                broker.quorum.shutdown().await;
                return Err(error);
            }
        };
        tokio::spawn(follow(Arc::clone(&broker), image, updates));
        tokio::spawn(heartbeat(Arc::clone(&broker)));
        tasks::start(&broker);
        cleaner::start(&broker);
        start_timers(&broker);
        let network = &broker.settings.load_full().network;
        let resolved = broker.connections.resolve_hosts(&*broker.env.net, network).await;
        resolved.map_err(StartError::Config)?;
        let addresses = listening::serve(&broker, bound);
        Ok(Self { broker, addresses })
    }

    /// Where it listens: name of the listener and address, with the port taken.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.broker.cluster_id
    }

    /// What the management plane may ask.
    pub fn observer(&self) -> Arc<dyn Observe> {
        Arc::new(Observer::new(Arc::clone(&self.broker)))
    }

    /// Number of open connections.
    pub fn open_connections(&self) -> usize {
        self.broker.connections.open()
    }

    /// Number of incremental fetch sessions.
    pub fn fetch_sessions(&self) -> usize {
        self.broker.fetch_sessions.len()
    }

    /// Ends when the broker cannot go on, with the reason.
    pub async fn failed(&self) -> String {
        tokio::select! {
            biased;
            reason = self.broker.logs.all_failed() => reason,
            reason = self.broker.quorum.stopped_for_good() => reason,
        }
    }

    /// Dies without cleaning up, for tests: connections break, nothing is synced.
    pub fn abandon(self) {
        self.broker.stop.ring();
        drop(tokio::spawn(async move { self.broker.quorum.shutdown().await }));
    }

    /// Stops: ends connections, syncs all logs, marks the directories as cleanly stopped.
    ///
    /// # Errors
    /// A log could not be synced; the next start recovers it.
    pub async fn stop(self) -> io::Result<()> {
        self.broker.stop.ring();
        let closed = wait_for_connections(&self.broker).await;
        if !closed {
            tracing::warn!("stopping although some requests are not finished");
        }
        let broker = &self.broker;
        broker.moves.close();
        let high_watermark = |name: &_| tasks::high_watermark(broker, name);
        let epoch = broker.broker_epoch.load(Ordering::Acquire);
        let result = broker.logs.close(epoch, high_watermark).await;
        broker.quorum.shutdown().await;
        result
    }
}

/// Waits for connections to end, as long as `klamm.shutdown.timeout.ms` allows.
async fn wait_for_connections(broker: &Broker) -> bool {
    let millis = broker.settings.load().node.shutdown_timeout_ms;
    let drain = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    tokio::time::timeout(drain, broker.connections.wait_for_none()).await.is_ok()
}

/// What Apache Kafka wrote is taken over when that is asked for, and not by the way.
fn refuse_kafkas(env: &Env, settings: &BrokerSettings) -> Result<(), StartError> {
    let dir = PathBuf::from(&settings.quorum.metadata_log_dir);
    match kafka::owner(&*env.disk, &dir)? {
        Owner::Kafka => Err(StartError::Config(format!(
            "{} was written by Apache Kafka: `klamm takeover` shows what is in it, and takes it over",
            dir.display()
        ))),
        _ => Ok(()),
    }
}

fn open_dirs(env: &Env, settings: &BrokerSettings) -> Result<(Arc<LogDirs>, String), StartError> {
    let paths: Vec<PathBuf> = settings.log.log_dirs.iter().map(PathBuf::from).collect();
    let mut cluster_id = None;
    for path in &paths {
        if let Ok(Some(meta)) = MetaProperties::read(&*env.disk, path) {
            cluster_id.get_or_insert(meta.cluster_id);
        }
    }
    let new_id = || Uuid::from_bytes(env.random.uuid_bytes()).to_string();
    let cluster_id = cluster_id.unwrap_or_else(new_id);
    let logs = DirOpen {
        env: env.clone(),
        paths,
        node_id: settings.node.node_id,
        cluster_id: cluster_id.clone(),
        uuid_text: |bytes| Uuid::from_bytes(bytes).to_string(),
        uuid_parse: |text| text.parse::<Uuid>().ok().map(|id| *id.as_bytes()),
    }
    .open()?;
    Ok((Arc::new(logs), cluster_id))
}

async fn start_quorum(
    env: &Env,
    config: &BrokerConfig,
    settings: &BrokerSettings,
    cluster_id: &str,
) -> Result<Quorum, StartError> {
    let rules = Rules::new(config.clone(), settings.node.node_id);
    let (of, dir) = (&settings.quorum, PathBuf::from(&settings.quorum.metadata_log_dir));
    let single =
        QuorumConfig::single(env.clone(), dir, settings.node.node_id, cluster_id.to_owned());
    let quorum = QuorumConfig {
        sync: !planted("metadata-not-synced"),
        segment_bytes: u64::try_from(of.metadata_segment_bytes).unwrap_or(single.segment_bytes),
        snapshot_bytes: u64::try_from(of.snapshot_max_new_record_bytes)
            .unwrap_or(single.snapshot_bytes),
        snapshot_interval: u64::try_from(of.snapshot_max_interval_ms)
            .ok()
            .filter(|millis| *millis > 0)
            .map(Duration::from_millis),
        ..single
    };
    let defaults = Defaults { settings: decide_settings(settings), rules: Arc::new(rules) };
    let started = Quorum::start(quorum, defaults, Box::new(NoPeers)).await;
    started.map_err(|error| StartError::Quorum(error.to_string()))
}

fn decide_settings(settings: &BrokerSettings) -> klamm_metadata::decide::Settings {
    klamm_metadata::decide::Settings {
        num_partitions: settings.topics.num_partitions,
        default_replication_factor: i16::try_from(settings.topics.default_replication_factor)
            .unwrap_or(1),
        delete_topic_enable: settings.topics.delete_topic_enable,
        broker_session_timeout_ms: settings.quorum.broker_session_timeout_ms.into(),
        ..klamm_metadata::decide::Settings::default()
    }
}

/// Starts what carries out the deadlines of coordinators and share partitions.
fn start_timers(broker: &Arc<Broker>) {
    tokio::spawn({
        let broker = Arc::clone(broker);
        async move { broker.groups.run_timers(Arc::clone(&broker)).await }
    });
    tokio::spawn({
        let broker = Arc::clone(broker);
        async move { broker.transactions.run_timers(Arc::clone(&broker)).await }
    });
    tokio::spawn({
        let broker = Arc::clone(broker);
        async move { broker.shares.run_timers(Arc::clone(&broker)).await }
    });
}

/// Takes up what the metadata give this broker to do; what follows them from there.
async fn join(broker: &Arc<Broker>, bound: &[Bound]) -> Result<(Arc<Image>, Updates), StartError> {
    tokio::select! {
        biased;
        joined = take_part(broker, bound) => joined,
        // While it serves it waits for room, but nobody waits for a broker that does not start.
        said = broker.quorum.out_of_room(), if !planted("full-start-waits") => {
            Err(StartError::NoRoom(said))
        }
    }
}

async fn take_part(
    broker: &Arc<Broker>,
    bound: &[Bound],
) -> Result<(Arc<Image>, Updates), StartError> {
    let broker_epoch = register(broker, bound).await?;
    broker.broker_epoch.store(broker_epoch, Ordering::Release);
    let mut updates = broker.quorum.updates();
    let first = updates.next().await;
    let first = first.ok_or_else(|| StartError::Quorum("it stopped at once".to_owned()))?;
    if !planted("quota-forgotten-after-restart") {
        broker.quotas.reload(&first.image);
    }
    broker.telemetry.reload(&first.image);
    assignments::start(broker, &first.image).await?;
    broker.applied.set(first.offset);
    Ok((first.image, updates))
}

/// Registers with the controller and waits until it lets the broker serve.
async fn register(broker: &Broker, bound: &[Bound]) -> Result<i64, StartError> {
    let settings = broker.settings.load();
    let failed = |what: String| StartError::Quorum(format!("registration: {what}"));
    let request = BrokerRegistrationRequest {
        broker_id: broker.node_id,
        cluster_id: broker.cluster_id.clone().into(),
        incarnation_id: Uuid::from_bytes(broker.env.random.uuid_bytes()),
        listeners: advertised(&settings, bound),
        features: klamm_metadata::features::SUPPORTED
            .iter()
            .map(|feature| Feature {
                name: feature.name.into(),
                min_supported_version: feature.min,
                max_supported_version: feature.max,
                ..Feature::default()
            })
            .collect(),
        rack: settings.node.rack.clone().map(Into::into),
        log_dirs: broker.logs.dirs().iter().map(|dir| Uuid::from_bytes(dir.id)).collect(),
        previous_broker_epoch: previous_epoch(&broker.logs),
        ..BrokerRegistrationRequest::default()
    };
    let answer = broker.quorum.register_broker(request).await;
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    if answer.error_code != 0 {
        return Err(failed(format!("error {}", answer.error_code)));
    }
    let epoch = answer.broker_epoch;
    loop {
        let beat = beat(broker, epoch, broker.quorum.applied_offset(), false).await;
        match beat {
            Ok(response) if !response.is_fenced => return Ok(epoch),
            Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The epoch of the last registration if all directories were stopped cleanly, else -1: what was
/// not synced may be gone then, and the controller must know.
fn previous_epoch(logs: &LogDirs) -> i64 {
    let epochs = logs.dirs().iter().map(|dir| dir.broker_epoch.unwrap_or(-1));
    epochs.min().unwrap_or(-1)
}

async fn beat(
    broker: &Broker,
    epoch: i64,
    offset: i64,
    stopping: bool,
) -> Result<klamm_protocol::messages::BrokerHeartbeatResponse<'static>, String> {
    let mut request = BrokerHeartbeatRequest {
        broker_id: broker.node_id,
        broker_epoch: epoch,
        current_metadata_offset: offset,
        want_shut_down: stopping,
        ..BrokerHeartbeatRequest::default()
    };
    directories::describe(broker, &mut request);
    broker.quorum.broker_heartbeat(request).await.map_err(|error| error.to_string())
}

/// The addresses that clients are told, by listener.
fn advertised(settings: &BrokerSettings, bound: &[Bound]) -> Vec<Registered<'static>> {
    let of = |bound: &Bound| {
        let name = &bound.endpoint.name;
        let advertised = settings.network.advertised_listeners.iter().find(|e| e.name == *name);
        let endpoint = advertised.unwrap_or(&bound.endpoint);
        let port =
            if endpoint.port == 0 { bound.listener.local_addr().port() } else { endpoint.port };
        let host = if endpoint.host.is_empty() { "localhost" } else { &endpoint.host };
        Registered {
            name: name.clone().into(),
            host: host.to_owned().into(),
            port,
            security_protocol: endpoint.protocol.wire(),
            ..Registered::default()
        }
    };
    bound.iter().map(of).collect()
}

/// Follows the metadata, step by step.
async fn follow(broker: Arc<Broker>, mut image: Arc<Image>, mut updates: Updates) {
    let stop = broker.stop.listen();
    let mut failures = 0;
    loop {
        let update = tokio::select! {
            biased;
            () = stop.wait() => return,
            () = broker.logs.failed_beyond(failures) => {
                failures = broker.logs.failures();
                directories::take_out_failed(&broker, &image);
                continue;
            }
            update = updates.next() => update,
            () = broker.wait_for_room.retry() => {
                assignments::retry(&broker, &image).await;
                continue;
            }
        };
        let Some(update) = update else { return };
        image = update.image;
        assignments::follow(&broker, &image, &update.delta).await;
        broker.applied.set(update.offset);
    }
}

/// Tells the controller that this broker lives.
async fn heartbeat(broker: Arc<Broker>) {
    let epoch = broker.broker_epoch.load(Ordering::Acquire);
    let stop = broker.stop.listen();
    let mut failures = 0;
    loop {
        let interval = broker.settings.load().quorum.broker_heartbeat_interval_ms;
        let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(2000).max(10));
        tokio::select! {
            biased;
            () = stop.wait() => return,
            // A failed directory is told of at once.
            () = broker.logs.failed_beyond(failures) => failures = broker.logs.failures(),
            () = tokio::time::sleep(interval) => {}
        }
        let applied = broker.applied.get();
        if let Err(error) = beat(&broker, epoch, applied, false).await {
            tracing::warn!("heartbeat to the controller: {error}");
        }
    }
}
