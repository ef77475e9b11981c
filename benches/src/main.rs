//! The load generator of `cargo xtask bench`: one load per process, one JSON object on standard
//! output.
//!
//! Two drivers. `rdkafka` is a client that everybody knows. The raw driver prepares its frames
//! before the clock starts, keeps several in flight and throws away what it fetches, so that it
//! takes less of a core than any broker. What the broker spends is read from `/proc` at both ends
//! of the measured time.

mod cold;
mod follow;
mod meter;
mod pace;
mod partitions;
mod payload;
mod process;
mod produce;
mod raw_fetch;
mod raw_produce;
mod ready;
mod rebalance;
mod wire;
mod yardstick;

use std::io::Write;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Loads a Kafka broker and says in JSON what came of it.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Produces through librdkafka.
    Produce(produce::Options),
    /// Produces prepared frames.
    RawProduce(raw_produce::Options),
    /// Consumers, each in a group of its own, follow a topic that grows at a fixed rate.
    Follow(follow::Options),
    /// Fetches what was produced before and throws it away.
    RawFetch(raw_fetch::Options),
    /// Waits until a broker that is starting answers, and then until it has taken a record.
    Ready(ready::Options),
    /// Rebalances a group with many members.
    Rebalance(rebalance::Options),
    /// Creates many partitions and waits until each has its leader.
    Partitions(partitions::Options),
    /// Sends a file over a loopback socket with nothing but `sendfile`.
    SendfileLoop(yardstick::Options),
    /// Copies from a loopback socket into a file.
    CopyLoop(yardstick::Options),
}

/// What every load is told.
#[derive(Debug, Clone, Args)]
struct Target {
    /// The broker, HOST:PORT.
    #[arg(long)]
    bootstrap: String,
    /// Its process, to read from `/proc` what it spends.
    #[arg(long)]
    broker_pid: Option<u32>,
    /// The topic, which is made new and deleted at the end.
    #[arg(long, default_value_t = default_topic())]
    topic: String,
    /// The topic is there already and stays.
    #[arg(long)]
    keep_topic: bool,
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// Load that is not counted comes first.
    #[arg(long, default_value_t = 1.0)]
    warm_up_seconds: f64,
    /// The measured time.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Ends when so many bytes of values are through, instead of after a time; no warm-up.
    #[arg(long)]
    total_bytes: Option<u64>,
}

fn default_topic() -> String {
    format!("load-{}", std::process::id())
}

fn run(load: Load) -> Result<Value> {
    match load {
        Load::Produce(options) => produce::run(&options),
        Load::RawProduce(options) => raw_produce::run(&options),
        Load::Follow(options) => follow::run(&options),
        Load::RawFetch(options) => raw_fetch::run(&options),
        Load::Ready(options) => ready::run(&options),
        Load::Rebalance(options) => rebalance::run(&options),
        Load::Partitions(options) => partitions::run(&options),
        Load::SendfileLoop(options) => yardstick::sendfile_loop(&options),
        Load::CopyLoop(options) => yardstick::copy_loop(&options),
    }
}

fn main() -> Result<()> {
    let report = run(Cli::parse().load)?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
