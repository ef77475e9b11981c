//! `cargo xtask bench`: Klamm and its peers under the same load, in alternating rounds.
//!
//! `scenario` says what is run, `peer` starts the brokers, `load` runs the generator of
//! `benches/`, `round` puts them together, `results` keeps the numbers, `page` and `plot` write
//! docs/performance.md.

pub(crate) mod load;
pub(crate) mod page;
mod peer;
mod plot;
mod results;
mod round;
mod scenario;

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::interop::Places;
use load::Load;
use peer::{Broker, Installed, Peer};
use results::{Machine, Results, Run};
use round::{Rounds, Sizes};
use scenario::{How, SCENARIOS, Scenario};

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The main ratios, in three minutes.
    #[arg(long)]
    quick: bool,
    /// Runs these scenarios only.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds against each broker; 2 with --quick, else 3.
    #[arg(long)]
    rounds: Option<usize>,
    /// Who is measured beside Klamm.
    #[arg(
        long,
        value_enum,
        value_name = "NAME,...",
        value_delimiter = ',',
        default_value = "kafka"
    )]
    peer: Vec<Other>,
    /// Measured seconds of each load; 2.5 with --quick, else 5.
    #[arg(long)]
    seconds: Option<f64>,
    /// GB of logs for the restart after kill -9; 1 with --quick, else 10.
    #[arg(long)]
    restart_gb: Option<f64>,
    /// Measures this program instead of building Klamm.
    #[arg(long, value_name = "FILE")]
    klamm: Option<PathBuf>,
    /// Only writes docs/performance.md, from the last results.
    #[arg(long)]
    page: bool,
    /// Only lists the scenarios.
    #[arg(long)]
    list: bool,
}

/// Who can be measured beside Klamm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Other {
    /// Apache Kafka as its start script runs it.
    Kafka,
    /// Apache Kafka with settings and JVM options for throughput.
    KafkaTuned,
    /// Tansu, in memory, from the package registry.
    Tansu,
    /// Nobody.
    None,
}

/// Runs the scenarios, keeps the results, and says the ratios.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        return list();
    }
    let places = Places::new()?;
    let out = places.target().join("bench");
    if args.page {
        return page::write(places.root(), &Results::merged(&out.join("results"))?);
    }
    let scenarios = select(args)?;
    std::fs::create_dir_all(out.join("results"))?;
    let installed = Installed::new(&places, &out, args.klamm.as_deref())?;
    let load = Load::build(&places, &out)?;
    let rounds =
        Rounds { load: &load, installed: &installed, sizes: sizes(args), filled: Cell::new(0) };
    let mut results = Results { date: date()?, machine: machine()?, runs: Vec::new() };
    let file = out.join("results").join(format!("{}.json", date()?.replace([' ', ':'], "-")));
    let outcome = play_all(args, &rounds, &scenarios, &mut results, &file);
    let mut stdout = io::stdout().lock();
    stdout.write_all(page::summary(&results).as_bytes())?;
    writeln!(stdout, "results: {}", file.display())?;
    outcome
}

fn select(args: &Args) -> Result<Vec<&'static Scenario>> {
    if let Some(name) = args.only.iter().find(|name| scenario::find(name).is_none()) {
        bail!("there is no scenario {name:?}; --list shows all");
    }
    let is_wanted = |scenario: &&Scenario| match args.only.is_empty() {
        true => !args.quick || scenario.quick,
        false => args.only.iter().any(|name| name == scenario.name),
    };
    Ok(SCENARIOS.iter().filter(is_wanted).collect())
}

fn sizes(args: &Args) -> Sizes {
    let (warm_up_seconds, seconds, restart_gb) =
        if args.quick { (0.7, 2.5, 1.0) } else { (1.0, 5.0, 10.0) };
    Sizes {
        warm_up_seconds,
        seconds: args.seconds.unwrap_or(seconds),
        restart_gb: args.restart_gb.unwrap_or(restart_gb),
    }
}

fn peers(args: &Args) -> Vec<Peer> {
    let mut peers = vec![Peer::Klamm];
    for other in &args.peer {
        match other {
            Other::Kafka => peers.push(Peer::Kafka),
            Other::KafkaTuned => peers.push(Peer::KafkaTuned),
            Other::Tansu => peers.push(Peer::Tansu),
            Other::None => {}
        }
    }
    peers
}

/// Plays all scenarios; what there is is kept after each of them.
fn play_all(
    args: &Args,
    rounds: &Rounds<'_>,
    scenarios: &[&Scenario],
    results: &mut Results,
    file: &Path,
) -> Result<()> {
    let peers = peers(args);
    let shared = scenarios.iter().any(|scenario| scenario.is_shared());
    let brokers = if shared { rounds.start_all(&peers)? } else { Vec::new() };
    let mut failed = Vec::new();
    for scenario in scenarios {
        for round in 1..=args.rounds.unwrap_or(if args.quick { 2 } else { 3 }) {
            if let Err(error) = play(rounds, scenario, round, &peers, &brokers, results) {
                writeln!(io::stderr(), "{}, round {round}: {error:#}", scenario.name)?;
                failed.push(scenario.name);
            }
        }
        std::fs::write(file, serde_json::to_string_pretty(results)?)?;
    }
    ensure!(failed.is_empty(), "rounds failed: {}", failed.join(", "));
    Ok(())
}

/// One round of a scenario against each broker.
fn play(
    rounds: &Rounds<'_>,
    scenario: &Scenario,
    round: usize,
    peers: &[Peer],
    brokers: &[Broker<'_>],
    results: &mut Results,
) -> Result<()> {
    if let How::Machine(words) = scenario.how {
        return keep(scenario, results, rounds.machine(scenario, words, round)?);
    }
    let mut order: Vec<_> = peers.iter().enumerate().collect();
    // Who is first finds memory and caches as the load before left them.
    if round.is_multiple_of(2) {
        order.reverse();
    }
    for (index, peer) in order {
        let run = match brokers.get(index).filter(|_| scenario.is_shared()) {
            Some(broker) => rounds.shared(scenario, broker, round, results)?,
            None => rounds.own(scenario, *peer, round)?,
        };
        keep(scenario, results, run)?;
    }
    Ok(())
}

/// Keeps a run and says its figures.
fn keep(scenario: &Scenario, results: &mut Results, run: Run) -> Result<()> {
    let mut line = format!("{:<22} {:<12} {}", run.scenario, run.peer, run.round);
    for figure in scenario.figures {
        if let Some(value) = run.values.get(figure.key) {
            write!(line, "  {} {}", page::number(*value), figure.label)?;
        }
    }
    results.runs.push(run);
    Ok(writeln!(io::stderr(), "{line}")?)
}

fn list() -> Result<()> {
    let mut out = io::stdout().lock();
    for scenario in SCENARIOS {
        let quick = if scenario.quick { "quick" } else { "" };
        writeln!(out, "{:<22} {quick:<6} {}", scenario.name, scenario.what)?;
    }
    Ok(())
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().context(program.to_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn date() -> Result<String> {
    said("date", &["-u", "+%Y-%m-%d %H:%M"])
}

fn machine() -> Result<Machine> {
    let value = |file: &str, key: &str| -> Result<String> {
        let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        Ok(line.split_once(':').unwrap_or_default().1.trim().to_owned())
    };
    let memory = value("/proc/meminfo", "MemTotal")?;
    let kb: u64 = memory.trim_end_matches(" kB").parse().context("MemTotal")?;
    Ok(Machine {
        processor: value("/proc/cpuinfo", "model name")?,
        cores: std::thread::available_parallelism()?.get(),
        memory_gb: kb >> 20,
        // What a vendor adds to the release says nothing to others.
        kernel: said("uname", &["-sr"])?.split('-').next().unwrap_or_default().to_owned(),
    })
}
