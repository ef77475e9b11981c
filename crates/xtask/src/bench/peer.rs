//! The brokers that are measured: their settings, starting, stopping and killing them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rustix::process::Signal;
use tempfile::TempDir;

use super::scenario::Stop;
use crate::interop::Places;
use crate::interop::broker::{build_klamm, free_port};
use crate::interop::jars;
use crate::interop::process::{Kind, Line, Process, finish, tail};

/// A broker with 10,000 partitions may take so long to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// What both brokers are told: one node that is broker and controller, and files of deleted
/// topics go soon, so that a round leaves the disk as it found it.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller.port}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller.port}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
log.dirs=${data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.segment.delete.delay.ms=1000
";

/// What Kafka's start script gives the JVM.
const JVM: &[&str] = &[
    "-Xms1G",
    "-Xmx1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];
/// For throughput on few cores: a collector with less overhead, and memory that is there already.
const JVM_TUNED: &[&str] = &[
    "-Xms2G",
    "-Xmx2G",
    "-server",
    "-XX:+UseParallelGC",
    "-XX:+AlwaysPreTouch",
    "-XX:MaxInlineLevel=15",
];
const TANSU_VERSION: &str = "0.6.0";
/// As many threads as a small machine has use for, and large socket buffers.
const SETTINGS_TUNED: &str = "\
num.network.threads=2
num.io.threads=4
socket.send.buffer.bytes=1048576
socket.receive.buffer.bytes=1048576
";

/// A broker that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Peer {
    /// Ours, built from this tree.
    Klamm,
    /// Apache Kafka as its start script runs it.
    Kafka,
    /// Apache Kafka with settings and JVM options for throughput.
    KafkaTuned,
    /// Tansu with its memory engine: no file is written.
    Tansu,
}

impl Peer {
    /// In results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Peer::Klamm => super::results::OURS,
            Peer::Kafka => super::results::THEIRS,
            Peer::KafkaTuned => "kafka-tuned",
            Peer::Tansu => "tansu",
        }
    }

    fn is_kafka(self) -> bool {
        matches!(self, Peer::Kafka | Peer::KafkaTuned)
    }
}

/// Where programs and folders are.
#[derive(Debug)]
pub(super) struct Installed {
    klamm: PathBuf,
    jars: PathBuf,
    logs: PathBuf,
    data: PathBuf,
}

impl Installed {
    /// Builds ours unless a program is given, and sees that Kafka's jars are there.
    pub(super) fn new(places: &Places, out: &Path, klamm: Option<&Path>) -> Result<Self> {
        let (logs, data) = (out.join("logs"), out.join("data"));
        std::fs::create_dir_all(&logs)?;
        // What a run that was interrupted left; that there is none is no error.
        std::fs::remove_dir_all(&data).ok();
        std::fs::create_dir_all(&data)?;
        let klamm = match klamm {
            Some(program) => program.canonicalize().context("--klamm")?,
            None => build_klamm(places)?,
        };
        Ok(Installed { klamm, jars: jars::kafka(places)?, logs, data })
    }

    /// The folder for the brokers' data.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    fn tansu_root(&self) -> PathBuf {
        self.logs.with_file_name("tansu")
    }

    /// A class of Kafka's distribution.
    pub(super) fn java(&self, class: &str, options: &[&str]) -> Command {
        let mut command = Command::new("java");
        command.args(options).arg("-cp").arg(self.jars.join("*")).arg(class);
        command
    }

    fn kafka_format(&self, properties: &Path) -> Result<()> {
        let mut format = self.java("kafka.tools.StorageTool", &["-Xmx128M"]);
        format.args(["format", "--cluster-id", "YmVuY2gtYmVuY2gtYmVuYw", "--config"]);
        finish(format.arg(properties), &self.logs.join("kafka-format.log"))
            .context("formatting Kafka's storage")
    }
}

/// A broker with its folder; it can be stopped and started again.
#[derive(Debug)]
pub(super) struct Broker<'a> {
    installed: &'a Installed,
    pub(super) peer: Peer,
    /// Declared before the folder: the process ends first.
    process: Option<Process>,
    port: u16,
    properties: PathBuf,
    folder: TempDir,
}

impl<'a> Broker<'a> {
    /// A broker with an empty folder that is not started yet.
    pub(super) fn new(installed: &'a Installed, peer: Peer) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(peer.name()).tempdir_in(&installed.data)?;
        let (port, properties) = (free_port()?, folder.path().join("server.properties"));
        let mut text = SETTINGS
            .replace("${port}", &port.to_string())
            .replace("${controller.port}", &free_port()?.to_string())
            .replace("${data}", &folder.path().join("log").display().to_string());
        if peer == Peer::KafkaTuned {
            text.push_str(SETTINGS_TUNED);
        }
        std::fs::write(&properties, text)?;
        if peer.is_kafka() {
            installed.kafka_format(&properties)?;
        }
        Ok(Broker { installed, peer, process: None, port, properties, folder })
    }

    /// Starts the process and does not wait for it.
    pub(super) fn start(&mut self) -> Result<()> {
        let mut command = match self.peer {
            Peer::Klamm => {
                let mut command = Command::new(&self.installed.klamm);
                command.args(["serve", "--config"]).arg(&self.properties);
                command
            }
            Peer::Kafka => self.installed.java("kafka.Kafka", JVM),
            Peer::KafkaTuned => self.installed.java("kafka.Kafka", JVM_TUNED),
            Peer::Tansu => self.tansu()?,
        };
        if self.peer.is_kafka() {
            command.arg(&self.properties);
        }
        command.current_dir(self.folder.path());
        self.process = Some(Process::start(&mut command, &self.log(), Kind::Single)?);
        Ok(())
    }

    /// Installed from the package registry when it is first wanted; that takes minutes.
    fn tansu(&self) -> Result<Command> {
        let root = self.installed.tansu_root();
        let mut install = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        install.args(["install", "tansu", "--version", TANSU_VERSION, "--locked"]);
        install.args(["--features", "dynostore", "--root"]).arg(&root);
        finish(&mut install, &self.installed.logs.join("tansu-install.log"))
            .context("installing tansu")?;
        let mut command = Command::new(root.join("bin/tansu"));
        let url = format!("tcp://{}", self.bootstrap());
        command.args(["--storage-engine", "memory://tansu/"]);
        command.args(["--listener-url", &url, "--advertised-listener-url", &url]);
        Ok(command)
    }

    /// Stops the process and waits for its end.
    pub(super) fn stop(&mut self, how: Stop) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.signal(match how {
            Stop::InOrder => Signal::TERM,
            Stop::Killed => Signal::KILL,
        });
        loop {
            match process.line(STOP_TIMEOUT) {
                Line::Text(_) => {}
                Line::End => return Ok(()),
                Line::Late => bail!("{} does not stop; {}", self.peer.name(), self.said()),
            }
        }
    }

    /// Where clients connect.
    pub(super) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process, while it runs.
    pub(super) fn id(&self) -> Result<u32> {
        self.process.as_ref().map(Process::id).context("the broker is stopped")
    }

    /// Its logs.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The end of what it said.
    pub(super) fn said(&self) -> String {
        format!("the end of {}:\n{}", self.log().display(), tail(&self.log(), 8))
    }

    fn log(&self) -> PathBuf {
        self.installed.logs.join(format!("{}.log", self.peer.name()))
    }
}
