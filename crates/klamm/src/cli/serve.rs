//! `klamm serve`: runs a broker until it is told to stop.
//!
//! The first SIGTERM or SIGINT stops it gracefully; a second one ends the process at once.

use std::{io::Write, path::PathBuf};

use clap::Args;
use klamm_admin::{Admin, AdminError};
use klamm_broker::{Loggers, Server};
use klamm_config::{BrokerConfig, BrokerSettings, Dynamic, ObserveSettings};
use klamm_env::Env;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use super::{error::CliError, pairs, serve_config};

/// Run a broker.
///
/// Without options it is a single node on 127.0.0.1:9092 that keeps its data in ./klamm-data.
///
/// Settings come from the file, then from variables such as KLAMM_LOG_RETENTION_MS, then from the
/// command line; the last one wins. KLAMM_LOG chooses what is logged (`info`, `debug`,
/// `warn,klamm_broker=debug`).
#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    /// Configuration: klamm.toml, or Kafka's server.properties
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the data (log.dirs)
    #[arg(short, long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on (listeners); port 0 takes a free one
    #[arg(short, long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Any key of docs/config.md; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pairs::parse)]
    pub(crate) set: Vec<(String, String)>,
}

impl Serve {
    pub(crate) fn run(self, started: Instant, loggers: Loggers) -> Result<(), CliError> {
        let config = serve_config::read(&self)?;
        runtime(&config)?.block_on(serve(config, started, loggers))
    }
}

/// One pool of threads does all work: as many as there are cores, or `klamm.worker.threads`.
fn runtime(config: &BrokerConfig) -> Result<Runtime, CliError> {
    let settings = BrokerSettings::of(&config.effective(Dynamic::NONE));
    let threads = settings.map_or(0, |settings| settings.node.worker_threads);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().map_err(CliError::io("the runtime"))
}

async fn serve(config: BrokerConfig, started: Instant, loggers: Loggers) -> Result<(), CliError> {
    for warning in config.warnings() {
        tracing::warn!("configuration: {warning}");
    }
    raise_file_limit();
    let mut signals = Signals::new().map_err(CliError::io("signals"))?;
    let settings = BrokerSettings::of(&config.effective(Dynamic::NONE))
        .map_err(|error| CliError::Config(error.to_string()))?;
    let admin = admin(&settings.observe).await?;
    let start = Server::start_logging(Env::real(), config, loggers);
    let server = tokio::select! {
        server = start => server.map_err(|error| CliError::Broker(error.to_string()))?,
        () = signals.next() => return Ok(()),
    };
    admin.attach(server.observer());
    announce(&server, &admin, &settings, started);
    let failure = tokio::select! {
        () = signals.next() => None,
        reason = server.failed() => Some(reason),
    };
    tracing::info!("stopping");
    tokio::select! {
        stopped = server.stop() => stopped.map_err(CliError::io("stopping"))?,
        () = signals.next() => std::process::exit(1),
    }
    match failure {
        Some(reason) => Err(CliError::Broker(format!("the broker cannot go on: {reason}"))),
        None => Ok(()),
    }
}

/// Answers HTTP, already while the broker starts. If nobody asked for it, it need not be.
async fn admin(settings: &ObserveSettings) -> Result<Admin, CliError> {
    let addresses = &settings.admin_listeners;
    if settings.has_admin_listeners {
        let failed = |error: AdminError| CliError::Broker(error.to_string());
        return Admin::start(addresses).await.map_err(failed);
    }
    match Admin::start_anywhere(addresses).await {
        Ok(admin) => Ok(admin),
        Err(error) => {
            tracing::warn!("{error}; there are no metrics");
            Admin::start(&[]).await.map_err(|error| CliError::Broker(error.to_string()))
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Every partition and connection is a file: the soft limit of many systems (1024) is for programs
/// that use `select`, which this one does not.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// Tells a person where to point a client.
fn announce(server: &Server, admin: &Admin, settings: &BrokerSettings, started: Instant) {
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    let data = settings.log.log_dirs.join(", ");
    let metrics = admin.addresses().iter().map(|at| format!("http://{at}/metrics"));
    let metrics = match admin.addresses() {
        [] => "off (klamm.admin.listeners)".to_owned(),
        _ => metrics.collect::<Vec<_>>().join(", "),
    };
    let listeners = server.addresses().iter();
    let listeners: Vec<String> = listeners.map(|(name, at)| format!("{at} ({name})")).collect();
    let bootstrap = server.addresses().first().map(|(_, at)| at.to_string()).unwrap_or_default();
    let block = format!(
        "\nKlamm {} is ready after {millis:.0} ms\n\
         \x20 clients    bootstrap.servers={bootstrap}\n\
         \x20 listeners  {}\n\
         \x20 data       {data}\n\
         \x20 cluster    {}\n\
         \x20 metrics    {metrics}\n\
         \x20 try        klamm produce hello -b {bootstrap}\n\n",
        env!("CARGO_PKG_VERSION"),
        listeners.join(", "),
        server.cluster_id(),
    );
    // Nobody may be there to read it; the broker serves all the same.
    let _ = std::io::stderr().lock().write_all(block.as_bytes());
}
