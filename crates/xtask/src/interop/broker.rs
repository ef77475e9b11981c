//! The broker the clients talk to: ours, Apache Kafka from its jars, or one that runs already.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::process::{Kind, Line, Process, finish, tail};
use super::{Against, Places, jars};

/// A broker needs this long at most from its start to its first connection.
const START_ATTEMPTS: u32 = 600;
const ATTEMPT: Duration = Duration::from_millis(100);

/// What a client is told of the broker.
#[derive(Debug)]
pub(super) struct Target {
    /// Where clients connect.
    pub(super) bootstrap: String,
    /// Its `log.dirs`, where a tool can look into them.
    pub(super) data: Option<PathBuf>,
    /// The program, for those who start one of their own; none of somebody else's.
    pub(super) program: Option<PathBuf>,
}

/// A broker to run against; one that was started here is stopped with its handle.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(super) target: Target,
    /// Declared before the folder: the process ends first.
    _process: Option<Process>,
    _folder: Option<TempDir>,
}

impl Broker {
    /// One that somebody else runs.
    pub(super) fn running(bootstrap: &str) -> Self {
        let target = Target { bootstrap: bootstrap.to_owned(), data: None, program: None };
        Broker { target, _process: None, _folder: None }
    }

    /// Where clients connect.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.target.bootstrap
    }

    /// Starts one on a free port with an empty data folder.
    pub(crate) fn start(against: Against, places: &Places) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("data-").tempdir_in(&places.out)?;
        let data = folder.path().join("log");
        let port = free_port()?;
        let command = match against {
            Against::Klamm => klamm(places, folder.path(), &data, port)?,
            Against::Kafka => kafka(places, folder.path(), &data, port)?,
        };
        let log = places.out.join("logs").join(format!("{}.log", against.name()));
        let process = start_and_connect(command, &log, port)
            .with_context(|| format!("{} did not start", against.name()))?;
        Ok(Broker {
            target: Target {
                bootstrap: format!("127.0.0.1:{port}"),
                data: Some(data),
                program: (against == Against::Klamm).then(|| program(places)),
            },
            _process: Some(process),
            _folder: Some(folder),
        })
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn start_and_connect(mut command: Command, log: &Path, port: u16) -> Result<Process> {
    let mut process = Process::start(&mut command, log, Kind::Single)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..START_ATTEMPTS {
        if TcpStream::connect_timeout(&address, ATTEMPT).is_ok() {
            return Ok(process);
        }
        // Reading its output is also the pause between two attempts.
        if let (Line::End, Some(status)) = (process.line(ATTEMPT), process.ended()?) {
            bail!("{status}; the end of {}:\n{}", log.display(), tail(log, 15));
        }
    }
    bail!("no connection to {address}; the end of {}:\n{}", log.display(), tail(log, 15))
}

/// Builds our broker; the program.
pub(crate) fn build_klamm(places: &Places) -> Result<PathBuf> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(&places.root).args(["build", "--release", "--package", "klamm"]);
    finish(&mut build, &places.out.join("logs/build.log"))
        .context("cargo build --release --package klamm")?;
    Ok(program(places))
}

fn program(places: &Places) -> PathBuf {
    places.target.join("release/klamm")
}

fn klamm(places: &Places, folder: &Path, data: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new(build_klamm(places)?);
    let config = settings(places, folder, data, port)?;
    command.arg("serve").arg("--config").arg(config);
    Ok(command)
}

fn java(places: &Places, class: &str) -> Result<Command> {
    let mut command = Command::new("java");
    command.args(["-Xmx512M", "-XX:+UseSerialGC", "-cp"]);
    command.arg(jars::kafka(places)?.join("*")).arg(class);
    Ok(command)
}

/// The settings of either broker: one node that is broker and controller.
fn settings(places: &Places, folder: &Path, data: &Path, port: u16) -> Result<PathBuf> {
    let controller = free_port()?;
    let properties = folder.join("server.properties");
    let template = std::fs::read_to_string(places.suite.join("kafka-peer/server.properties"))?;
    let text = template
        .replace("${port}", &port.to_string())
        .replace("${controller.port}", &controller.to_string())
        .replace("${data}", &data.display().to_string());
    std::fs::write(&properties, text)?;
    Ok(properties)
}

fn kafka(places: &Places, folder: &Path, data: &Path, port: u16) -> Result<Command> {
    let properties = settings(places, folder, data, port)?;
    let mut format = java(places, "kafka.tools.StorageTool")?;
    format.args(["format", "--cluster-id", "aW50ZXJvcC1zdWl0ZS0tLQ", "--config"]).arg(&properties);
    finish(&mut format, &places.out.join("logs/kafka-format.log"))
        .context("formatting Kafka's storage")?;
    let mut command = java(places, "kafka.Kafka")?;
    command.arg(properties);
    Ok(command)
}
