//! The machine that the broker runs on: starting it, stopping it, and letting it die.

use std::{sync::Arc, time::Duration};

use klamm_broker::Server;
use klamm_config::{BrokerConfig, Layers, Map};
use klamm_env::{Env, Random, virt::DiskFault};

use crate::{
    client::ADDRESS,
    oracle::{DELIVERIES_MAX, WINDOWS},
    world::{World, derive},
};

/// The name of the machine on the virtual network.
const HOST: &str = "broker";

/// The log directory that may fail; the other also holds the metadata.
pub(crate) const FRAIL_DIR: &str = "/data/b";
/// The log directory that does not fail.
pub(crate) const FIRM_DIR: &str = "/data/a";

/// Where the metadata are, in the directory that does not fail.
pub(crate) const METADATA_DIR: &str = "/data/a/__cluster_metadata-0";

/// How long a member of the consumer protocol may be silent, milliseconds.
pub(crate) const CONSUMER_SESSION_MS: i64 = 3_000;

/// How long a member of the share group may hold a record, milliseconds.
pub(crate) const SHARE_LOCK_MS: i64 = 1_500;

/// How long committed offsets are kept that nobody needs, in runs where they expire, milliseconds.
pub(crate) const OFFSETS_RETENTION_MS: i64 = 60_000;

/// How often they are looked for, milliseconds: seldom enough that no group goes while clients that
/// come back to it know its generation.
pub(crate) const OFFSETS_CHECK_MS: i64 = 45_000;

/// The longest that a start may take, whatever the disk does.
const START: Duration = Duration::from_secs(10);

/// How the broker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    PowerLoss,
    Kill,
    Stop,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    world: Arc<World>,
    server: Option<Server>,
    starts: u64,
    /// Whether a directory failed since the last start: then a stop does not make all durable.
    pub(crate) had_broken_dir: bool,
}

impl Machine {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), server: None, starts: 0, had_broken_dir: false }
    }

    /// Starts the broker.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        self.starts += 1;
        self.had_broken_dir = false;
        let world = &self.world;
        let env = Env {
            clock: world.clock.clone(),
            net: Arc::new(world.net.host(HOST)),
            disk: world.metadata.on(world.disk.mount()),
            random: Random::from_seed(derive(world.seed ^ (self.starts << 32), "broker")),
        };
        let config = config(world).map_err(|problem| format!("configuration: {problem}"))?;
        let started = tokio::time::timeout(START, Box::pin(Server::start(env, config))).await;
        let result = match started {
            Ok(Ok(server)) => {
                self.server = Some(server);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                world.oracle().start_is_silent(format!("start {} does not end", self.starts));
                Err("it takes too long".to_owned())
            }
        };
        world.note("machine", &format!("start {}: {result:?}", self.starts));
        world.oracle().disturbed = world.is_disk_at_fault();
        world.set_serving(result.is_ok());
        if result.is_err() {
            world.net.crash(HOST);
            world.disk.kill();
        }
        result
    }

    /// Ends when the broker cannot go on, with the reason.
    pub(crate) async fn failed(&self) -> String {
        match &self.server {
            Some(server) => server.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Lets the broker die at any moment of a start.
    pub(crate) async fn die_while_starting(&mut self, death: Death, random: &Random) {
        let before = self.world.disk.fault();
        if before == DiskFault::None {
            // So that a start takes time, and death finds it anywhere.
            self.world.disk.set_fault(DiskFault::Stall(1 + random.below(10)));
        }
        let bound = Duration::from_millis(1 + random.below(200));
        let started = tokio::time::timeout(bound, Box::pin(self.start())).await;
        self.world.note("machine", &format!("dies in a start: {started:?}"));
        self.world.disk.set_fault(before);
        if self.server.is_none() {
            self.fall(death);
        }
        self.end(death).await;
    }

    /// What a death does to the disk, the network and what the oracle knows.
    fn fall(&self, death: Death) {
        let world = &self.world;
        world.set_serving(false);
        world.net.crash(HOST);
        if death == Death::PowerLoss {
            world.disk.crash();
            world.oracle().crashed();
        } else {
            world.disk.kill();
            world.oracle().killed();
        }
    }

    /// Ends the broker, and tells the oracle what that may have taken.
    pub(crate) async fn end(&mut self, death: Death) {
        let Some(server) = self.server.take() else { return };
        self.world.stats().restarts += 1;
        self.world.set_serving(false);
        let world = &self.world;
        match death {
            Death::Stop => {
                let result = server.stop().await;
                world.note("machine", &format!("stop: {result:?}"));
                world.net.crash(HOST);
                world.disk.kill();
                let is_durable = result.is_ok() && !self.had_broken_dir;
                let mut oracle = world.oracle();
                if is_durable { oracle.stopped() } else { oracle.killed() }
            }
            Death::Kill | Death::PowerLoss => {
                world.note("machine", &format!("{death:?}"));
                self.fall(death);
                server.abandon();
            }
        }
    }
}

fn config(world: &World) -> Result<BrokerConfig, String> {
    let plan = &world.plan;
    let checkpoint_ms = plan.checkpoint_ms.to_string();
    let (minutes, expiry_check_ms) = match plan.expires {
        true => (OFFSETS_RETENTION_MS / 60_000, OFFSETS_CHECK_MS),
        false => (10_080, 600_000),
    };
    let keys: Map = [
        ("listeners", format!("PLAINTEXT://{ADDRESS}")),
        ("log.dirs", format!("{FIRM_DIR},{FRAIL_DIR}")),
        ("auto.create.topics.enable", "false".to_owned()),
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("offsets.retention.minutes", minutes.to_string()),
        ("offsets.retention.check.interval.ms", expiry_check_ms.to_string()),
        ("transaction.state.log.num.partitions", "2".to_owned()),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000".to_owned()),
        ("group.initial.rebalance.delay.ms", "100".to_owned()),
        ("group.min.session.timeout.ms", "100".to_owned()),
        ("group.consumer.min.session.timeout.ms", "100".to_owned()),
        ("group.consumer.session.timeout.ms", CONSUMER_SESSION_MS.to_string()),
        ("group.consumer.min.heartbeat.interval.ms", "100".to_owned()),
        ("group.consumer.heartbeat.interval.ms", "500".to_owned()),
        ("group.consumer.assignment.interval.ms", "200".to_owned()),
        ("group.streams.min.session.timeout.ms", "100".to_owned()),
        ("group.streams.session.timeout.ms", CONSUMER_SESSION_MS.to_string()),
        ("group.streams.min.heartbeat.interval.ms", "100".to_owned()),
        ("group.streams.heartbeat.interval.ms", "500".to_owned()),
        ("group.streams.assignment.interval.ms", "200".to_owned()),
        ("group.streams.initial.rebalance.delay.ms", "300".to_owned()),
        ("group.share.min.session.timeout.ms", "100".to_owned()),
        ("group.share.session.timeout.ms", CONSUMER_SESSION_MS.to_string()),
        ("group.share.min.heartbeat.interval.ms", "100".to_owned()),
        ("group.share.heartbeat.interval.ms", "500".to_owned()),
        ("group.share.assignment.interval.ms", "200".to_owned()),
        ("group.share.min.record.lock.duration.ms", "1000".to_owned()),
        ("group.share.record.lock.duration.ms", SHARE_LOCK_MS.to_string()),
        ("group.share.delivery.count.limit", DELIVERIES_MAX.to_string()),
        ("share.coordinator.state.topic.num.partitions", "3".to_owned()),
        ("share.coordinator.snapshot.update.records.per.snapshot", "20".to_owned()),
        ("share.coordinator.state.topic.prune.interval.ms", "2000".to_owned()),
        ("share.coordinator.cold.partition.snapshot.interval.ms", "1500".to_owned()),
        ("log.retention.check.interval.ms", plan.retention_check_ms.to_string()),
        ("log.flush.offset.checkpoint.interval.ms", checkpoint_ms.clone()),
        ("log.flush.start.offset.checkpoint.interval.ms", checkpoint_ms.clone()),
        ("replica.high.watermark.checkpoint.interval.ms", checkpoint_ms),
        ("log.flush.scheduler.interval.ms", "1000".to_owned()),
        ("log.segment.delete.delay.ms", "500".to_owned()),
        ("log.cleaner.backoff.ms", plan.cleaner_backoff_ms.to_string()),
        ("log.cleaner.io.max.bytes.per.second", plan.cleaner_bytes.to_string()),
        ("log.cleaner.io.buffer.size", "8192".to_owned()),
        ("klamm.disk.policy", plan.disk_policy.to_owned()),
        ("klamm.disk.check.interval.ms", "300".to_owned()),
        ("quota.window.num", WINDOWS.to_string()),
        ("controller.quota.window.num", WINDOWS.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    BrokerConfig::resolve(Layers { command_line: keys, ..Layers::default() })
        .map_err(|problems| format!("{problems:?}"))
}
