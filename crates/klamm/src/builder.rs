//! The builder of an embedded broker.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use klamm_admin::{Admin, AdminError};
use klamm_broker::Server;
use klamm_client::{Client, ClientOptions};
use klamm_config::{BrokerConfig, BrokerSettings, Dynamic, Layers, Map, Problem};
use klamm_env::{
    Clock, Env, Random,
    virt::{VirtualDisk, VirtualNet},
};

/// The host of a broker on a virtual network, unless [`BrokerBuilder::listen`] names another.
const VIRTUAL_HOST: &str = "broker";
/// What a virtual clock shows at the start: 2023-11-14T22:13:20Z, in milliseconds.
const VIRTUAL_EPOCH_MS: i64 = 1_700_000_000_000;
/// Where the logs are on a disk in memory.
const VIRTUAL_DATA_DIR: &str = "/klamm-data";

/// Why an embedded broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys that do not exist, or values that are not allowed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<Problem>),
    /// The broker itself says why.
    #[error(transparent)]
    Broker(#[from] klamm_broker::StartError),
    /// HTTP was asked for and cannot be served.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Collects what a broker is to be like.
#[derive(Debug, Clone, Default)]
pub struct BrokerBuilder {
    data_dir: Option<PathBuf>,
    disk: Option<VirtualDisk>,
    is_in_memory: bool,
    net: Option<VirtualNet>,
    listen: Option<String>,
    config: Map,
    seed: Option<u64>,
}

/// A running broker.
///
/// Dropping it leaves it running until the runtime ends; see [`Broker::stop`] and
/// [`Broker::crash`].
#[derive(Debug)]
pub struct Broker {
    server: Server,
    admin: Admin,
    env: Env,
    /// How it was built, with the disk that it has.
    builder: BrokerBuilder,
    host: Option<String>,
}

impl BrokerBuilder {
    /// Keeps the data in this directory of the file system. Without this, and without
    /// [`Self::in_memory`], it is `./klamm-data`.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Keeps the data in memory, on a disk that ends with the broker.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.is_in_memory = true;
        self
    }

    /// Keeps the data on this disk, which the caller can make fail.
    #[must_use]
    pub fn disk(mut self, disk: &VirtualDisk) -> Self {
        self.disk = Some(disk.clone());
        self
    }

    /// Listens on this address, `127.0.0.1:9092` by default; port 0 takes a free one. On a virtual
    /// network the host is the broker's name there.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// Sets a key of `docs/config.md`, such as `auto.create.topics.enable`.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.insert(key.into(), value.into());
        self
    }

    /// Answers HTTP on this address, `host:port`, with metrics at `/metrics`
    /// (`klamm.admin.listeners`); port 0 takes a free one, see [`Broker::admin_address`]. Without
    /// this it does not. It is TCP, also if the broker is on a virtual network.
    #[must_use]
    pub fn admin(self, address: impl Into<String>) -> Self {
        self.config("klamm.admin.listeners", address)
    }

    /// Runs on this network, on the runtime's clock, and, unless a directory is given, in memory.
    /// Time stands still while there is work to do if the runtime is paused.
    #[must_use]
    pub fn virtual_network(mut self, net: &VirtualNet) -> Self {
        self.net = Some(net.clone());
        self
    }

    /// Where all random decisions come from, so that a run can be repeated.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts the broker; when this returns it serves clients.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(mut self) -> Result<Broker, StartError> {
        let random = self.seed.map_or_else(Random::from_entropy, Random::from_seed);
        let is_virtual = self.net.is_some();
        let mut env = Env { random, ..Env::real() };
        let address = self.address();
        let host = is_virtual.then(|| host_of(&address).to_owned());
        if let (Some(net), Some(host)) = (&self.net, &host) {
            env.net = Arc::new(net.host(host));
            env.clock = Clock::following_runtime(VIRTUAL_EPOCH_MS);
        }
        if self.disk.is_none() && self.data_dir.is_none() && (self.is_in_memory || is_virtual) {
            let disk = VirtualDisk::new(env.random.clone());
            self.disk = Some(disk.with_clock(env.clock.clone()));
        }
        if let Some(disk) = &self.disk {
            env.disk = Arc::new(disk.clone());
        }
        let config = self.resolve(&address).map_err(StartError::Config)?;
        let settings = BrokerSettings::of(&config.effective(Dynamic::NONE));
        let listeners = settings.map_or_else(|_| Vec::new(), |of| of.observe.admin_listeners);
        let admin = Admin::start(&listeners).await?;
        let server = Server::start(env.clone(), config).await?;
        admin.attach(server.observer());
        Ok(Broker { server, admin, env, builder: self, host })
    }

    fn address(&self) -> String {
        let default = match self.net.is_some() {
            true => format!("{VIRTUAL_HOST}:9092"),
            false => "127.0.0.1:9092".to_owned(),
        };
        self.listen.clone().unwrap_or(default)
    }

    fn resolve(&self, address: &str) -> Result<BrokerConfig, Vec<Problem>> {
        let data_dir = match (&self.data_dir, &self.disk) {
            (Some(dir), _) => dir.display().to_string(),
            (None, Some(_)) => VIRTUAL_DATA_DIR.to_owned(),
            (None, None) => "./klamm-data".to_owned(),
        };
        let mut keys = self.config.clone();
        let mut default = |key: &str, value: String| {
            keys.entry(key.to_owned()).or_insert(value);
        };
        default("listeners", format!("PLAINTEXT://{address}"));
        default("log.dirs", data_dir);
        default("group.initial.rebalance.delay.ms", "0".to_owned());
        default("klamm.admin.listeners", String::new());
        BrokerConfig::resolve(Layers { command_line: keys, ..Layers::default() })
    }
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

impl Broker {
    /// A broker with Kafka's defaults on `127.0.0.1:9092`.
    #[must_use]
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// `host:port` for a client's `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let first = self.server.addresses().first();
        match (&self.host, first) {
            (Some(host), Some((_, address))) => format!("{host}:{}", address.port()),
            (None, Some((_, address))) => address.to_string(),
            (_, None) => String::new(),
        }
    }

    /// Where it answers HTTP, if it does.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.addresses().first().copied()
    }

    /// A client of this broker, on its network and clock.
    #[must_use]
    pub fn client(&self) -> Client {
        let env = match &self.builder.net {
            Some(net) => Env { net: Arc::new(net.host("client")), ..self.env.clone() },
            None => self.env.clone(),
        };
        Client::new(&env, ClientOptions::new(&self.bootstrap()))
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        self.server.cluster_id()
    }

    /// The disk in memory, if it has one.
    #[must_use]
    pub fn disk(&self) -> Option<&VirtualDisk> {
        self.builder.disk.as_ref()
    }

    /// Ends when the broker cannot go on, with the reason: its metadata cannot be written, or no log
    /// directory is left in service. Then it should be stopped.
    pub async fn failed(&self) -> String {
        self.server.failed().await
    }

    /// Stops: answers what is under way, syncs the logs and marks them as cleanly stopped.
    ///
    /// # Errors
    /// A log could not be synced; the next start recovers it.
    pub async fn stop(self) -> io::Result<()> {
        self.server.stop().await
    }

    /// Power fails: on a virtual network the links break, and a disk in memory loses what was not
    /// synced. The builder starts a broker on what is left.
    ///
    /// On TCP, or with a directory of the file system, nothing is lost: the broker only stops without
    /// cleaning up.
    #[must_use]
    pub fn crash(self) -> BrokerBuilder {
        if let (Some(net), Some(host)) = (&self.builder.net, &self.host) {
            net.crash(host);
        }
        if let Some(disk) = &self.builder.disk {
            disk.crash();
        }
        self.server.abandon();
        self.builder
    }
}
