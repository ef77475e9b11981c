//! Simulated runs: one seed to read, or many to find one worth reading.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Result, bail};
use klamm_sim::{Options, Outcome, Stats};

/// Runs the whole broker from seeds, with faults, and checks what must hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs this seed alone.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Runs so many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Prints the whole trace of a single seed.
    #[arg(long, requires = "seed")]
    verbose: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match args.seed {
        Some(seed) => replay(seed, args.verbose),
        None => run_many(args.from, args.seeds),
    }
}

fn replay(seed: u64, verbose: bool) -> Result<()> {
    if verbose {
        // What the broker logs goes to the other stream: it is no part of the trace.
        tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().init();
    }
    let outcome = klamm_sim::run(seed, &Options { keep_trace: verbose });
    for line in &outcome.trace {
        print(line);
    }
    for violation in &outcome.violations {
        print(&violation.to_string());
    }
    let (hash, len, stats) = (outcome.trace_hash, outcome.trace_len, outcome.stats);
    print(&format!("seed {seed}: trace {hash:016x} of {len} lines, {stats:?}"));
    match outcome.violations.len() {
        0 => Ok(()),
        count => bail!("{count} violations"),
    }
}

/// What many runs came to.
#[derive(Debug, Default)]
struct Totals {
    stats: Stats,
    /// Of all traces, whatever their order: two runs of the same seeds must agree.
    hash: u64,
    /// Violated invariants by the first seed, and how many seeds violated each.
    failures: BTreeMap<u64, String>,
    by_invariant: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.stats = self.stats + outcome.stats;
        self.hash ^= outcome.trace_hash.rotate_left((outcome.seed % 64) as u32);
        if let Some(first) = outcome.violations.first() {
            self.failures.insert(outcome.seed, first.to_string());
            *self.by_invariant.entry(first.invariant.id).or_default() += 1;
        }
    }
}

/// One thread per processor, one runtime per run.
fn run_many(from: u64, count: u64) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "how long the runs take is real time")]
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(from);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count {
                        return;
                    }
                    let outcome = klamm_sim::run(seed, &Options::default());
                    totals.lock().expect("no thread panics with it").add(&outcome);
                }
            });
        }
    });
    let totals = totals.into_inner()?;
    let (seconds, failed) = (began.elapsed().as_secs(), totals.failures.len());
    let Totals { stats, hash, .. } = &totals;
    print(&format!(
        "sim: {count} seeds from {from}, {failed} failed, traces {hash:016x}, {stats:?}, {seconds} s"
    ));
    let Some((seed, violation)) = totals.failures.first_key_value() else { return Ok(()) };
    print(&format!("{:?}; seeds {:?}", totals.by_invariant, totals.failures.keys()));
    print(violation);
    bail!("replay with: cargo xtask sim --seed {seed} --verbose")
}

#[expect(clippy::print_stdout, reason = "this is what the command prints")]
fn print(line: &str) {
    println!("{line}");
}
