//! The load generator of `cargo xtask bench`: one load per process, one JSON object on standard
//! output.
//!
//! Two drivers. `rdkafka` is a client that everybody knows. The raw driver prepares its frames
//! before the clock starts, keeps several in flight and throws away what it fetches, so that it
//! takes less of a core than any broker. What the broker spends is read from `/proc` at both ends
//! of the measured time.

mod cold;
mod counted;
mod follow;
mod metadata;
mod meter;
mod pace;
mod partitions;
mod payload;
mod process;
mod produce;
mod program;
mod raw_fetch;
mod raw_produce;
mod ready;
mod rebalance;
mod transact;
mod wire;
mod yardstick;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use wire::Connection;

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
    /// Transactional producers, each with one transaction after the other.
    Transact(transact::Options),
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
    /// Asks for the metadata of one topic among many, again and again.
    Metadata(metadata::Options),
    /// Does a fixed amount of work in lock step, for one who counts what the broker spends.
    Counted(counted::Options),
    /// Runs another program that loads the broker, such as Kafka's own, and says what it cost.
    Program(program::Options),
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
    /// So many topics, `TOPIC-0`, `TOPIC-1` and so on, instead of `TOPIC`.
    #[arg(long)]
    topics: Option<usize>,
    /// The topics are there already.
    #[arg(long)]
    existing: bool,
    /// The topics are not deleted at the end.
    #[arg(long)]
    keep: bool,
    /// Settings of new topics, KEY=VALUE.
    #[arg(long, value_parser = setting)]
    topic_config: Vec<(String, String)>,
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

impl Target {
    /// The names of the topics.
    fn names(&self) -> Vec<String> {
        match self.topics {
            Some(count) => (0..count).map(|n| format!("{}-{n}", self.topic)).collect(),
            None => vec![self.topic.clone()],
        }
    }

    /// Creates the topics unless they are there.
    fn create(&self, connection: &mut Connection) -> Result<()> {
        if self.existing {
            return Ok(());
        }
        // Files that go a minute later would be deleted in the middle of another load.
        let mut settings = vec![("file.delete.delay.ms", "0")];
        settings.extend(self.topic_config.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let names = self.names();
        for name in &names {
            wire::create_topic(connection, name, self.partitions, &settings)?;
        }
        wire::await_leaders(connection, &names, self.partitions)
    }

    /// Deletes the topics unless they are to stay.
    fn delete(&self, connection: &mut Connection) -> Result<()> {
        match self.keep {
            true => Ok(()),
            false => wire::delete_topics(connection, &self.names()),
        }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn default_topic() -> String {
    format!("load-{}", std::process::id())
}

fn run(load: Load) -> Result<Value> {
    match load {
        Load::Produce(options) => produce::run(&options),
        Load::RawProduce(options) => raw_produce::run(&options),
        Load::Transact(options) => transact::run(&options),
        Load::Follow(options) => follow::run(&options),
        Load::RawFetch(options) => raw_fetch::run(&options),
        Load::Ready(options) => ready::run(&options),
        Load::Rebalance(options) => rebalance::run(&options),
        Load::Partitions(options) => partitions::run(&options),
        Load::Metadata(options) => metadata::run(&options),
        Load::Counted(options) => counted::run(&options),
        Load::Program(options) => program::run(&options),
        Load::SendfileLoop(options) => yardstick::sendfile_loop(&options),
        Load::CopyLoop(options) => yardstick::copy_loop(&options),
    }
}

fn main() -> ExitCode {
    let done = run(Cli::parse().load).and_then(|report| {
        writeln!(std::io::stdout(), "{report}")?;
        Ok(())
    });
    if let Err(error) = done {
        // Nobody is left to be told if standard error is gone as well.
        writeln!(std::io::stderr(), "{error:#}").ok();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
