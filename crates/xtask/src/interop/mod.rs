//! `cargo xtask interop`: runs the programs of `tests/interop` against a broker it starts.
//!
//! The programs report one line per check; `suite` says which programs and checks there are,
//! `broker` starts what they talk to, `client` installs and runs one, `verdict` compares what
//! they reported with what `deny.toml` lists.

pub(crate) mod broker;
mod client;
pub(crate) mod jars;
pub(crate) mod process;
mod suite;
mod verdict;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use broker::{Broker, Target};
use client::Run;
use suite::{Client, Suite};
use verdict::Verdict;

/// Options of `cargo xtask interop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The broker to start; it also chooses which entries of deny.toml apply.
    #[arg(long, value_enum, default_value_t = Against::Klamm)]
    against: Against,
    /// Uses this running broker instead of starting one.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Runs these clients only.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Clients that run at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Installs what the clients need and runs nothing.
    #[arg(long)]
    install_only: bool,
}

/// What the clients are pointed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// Our own broker, built from this tree.
    Klamm,
    /// Apache Kafka from its published jars: shows that the checks are right.
    Kafka,
}

impl Against {
    fn name(self) -> &'static str {
        match self {
            Against::Klamm => "klamm",
            Against::Kafka => "kafka",
        }
    }
}

/// The folders of a run.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The repository.
    root: PathBuf,
    /// The suite's sources.
    suite: PathBuf,
    /// Cargo's target folder.
    target: PathBuf,
    /// What was installed, logs and data of brokers.
    out: PathBuf,
}

impl Places {
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let out = target.join("interop");
        std::fs::create_dir_all(out.join("logs"))?;
        Ok(Places { suite: root.join("tests/interop"), root, target, out })
    }

    /// The repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

/// Runs the suite; an error means that something did not go as listed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let places = Places::new()?;
    let suite = Suite::load(&places.suite)?;
    let clients = suite.select(&args.only)?;
    let installed = client::install_all(&places, &suite, &clients)?;
    if args.install_only {
        return Ok(());
    }
    let broker = match &args.bootstrap {
        Some(address) => Broker::running(address),
        None => Broker::start(args.against, &places)?,
    };
    let runs = run_clients(&places, &suite, &clients, &installed, &broker.target, args.jobs);
    drop(broker);
    report(&suite, &clients, runs, args)
}

/// Runs the clients, `jobs` at a time.
fn run_clients(
    places: &Places,
    suite: &Suite,
    clients: &[&Client],
    installed: &[Option<String>],
    target: &Target,
    jobs: usize,
) -> Vec<Run> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..clients.len()).collect());
    let runs: Mutex<Vec<Run>> = Mutex::new(clients.iter().map(|_| Run::default()).collect());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(index) = lock(&queue).pop_front() {
                    let run = match &installed[index] {
                        Some(error) => Run::not_installed(error),
                        None => client::run(places, suite, clients[index], target),
                    };
                    lock(&runs)[index] = run;
                }
            });
        }
    });
    runs.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(suite: &Suite, clients: &[&Client], runs: Vec<Run>, args: &Args) -> Result<()> {
    let against = args.against.name();
    let mut out = io::stdout().lock();
    let mut total = Verdict::default();
    for (client, run) in clients.iter().zip(runs) {
        let verdict = verdict::judge(suite, client, &run, against);
        write!(out, "{}", verdict.table(&client.name, run.seconds()))?;
        total.add(&verdict);
    }
    writeln!(
        out,
        "interop against {}: {} clients, {} ok, {} as listed in deny.toml, {} skipped, {} wrong",
        args.bootstrap.as_deref().unwrap_or(against),
        clients.len(),
        total.passed,
        total.denied.len(),
        total.skipped,
        total.wrong.len()
    )?;
    out.flush().context("standard output is gone")?;
    ensure!(total.wrong.is_empty(), "{} checks did not go as listed", total.wrong.len());
    Ok(())
}
