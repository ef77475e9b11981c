//! The whole one-node broker on a virtual disk, network and clock, in one thread, from one seed:
//! clients of all kinds, an administrator, and an operator who lets the machine fail; an oracle
//! says what must hold.
//!
//! [`run`] is one run. The same seed gives the same trace, in every process. Start reading at
//! `scenario.rs` for the course of a run, at `oracle/` for what is checked.
//!
//! *Architecture invariant:* nothing here changes the broker: it is reached through the seams of
//! `klamm_env` and through its listener.

mod actors;
mod calls;
mod client;
mod disk;
mod machine;
mod oracle;
mod plan;
mod records;
mod scenario;
mod trace;
mod verify;
mod world;

use std::collections::BTreeSet;

use klamm_protocol::ApiKey;
pub use oracle::{INVARIANTS, Invariant, Violation};

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the lines of the trace are kept, for somebody to read.
    pub keep_trace: bool,
}

/// What a run counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches acknowledged.
    pub batches: u64,
    /// Records that consumers were given.
    pub records_read: u64,
    /// Commits acknowledged.
    pub commits: u64,
    /// Assignments that members of groups were given.
    pub assignments: u64,
    /// Changes by the administrator.
    pub changes: u64,
    /// Deaths and stops of the broker.
    pub restarts: u64,
    /// Virtual time, milliseconds.
    pub virtual_ms: u64,
}

impl std::ops::Add for Stats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            batches: self.batches + other.batches,
            records_read: self.records_read + other.records_read,
            commits: self.commits + other.commits,
            assignments: self.assignments + other.assignments,
            changes: self.changes + other.changes,
            restarts: self.restarts + other.restarts,
            virtual_ms: self.virtual_ms + other.virtual_ms,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed it began with.
    pub seed: u64,
    /// A hash over all lines of the trace.
    pub trace_hash: u64,
    /// Number of lines of the trace.
    pub trace_len: usize,
    /// The lines, if they were to be kept.
    pub trace: Vec<String>,
    /// What was counted.
    pub stats: Stats,
    /// The requests that clients made, and in which versions.
    pub versions: BTreeSet<(ApiKey, i16)>,
    /// Every invariant that did not hold; empty if all is well.
    pub violations: Vec<Violation>,
}

/// Runs the broker from a seed until its clients have ended and all was verified.
///
/// # Panics
/// The operating system gives no runtime.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Outcome {
    oracle::watch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output needs nothing of the system");
    runtime.block_on(scenario::run(seed, options))
}
