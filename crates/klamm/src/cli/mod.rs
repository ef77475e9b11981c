//! The command line: its commands, and how their results and errors reach the user.
//!
//! Results go to standard output, everything that is meant for a person beside them (progress,
//! questions, the start-up block, errors) to standard error.
//!
//! Exit codes: 0 success, 1 the command failed, 2 the command line is wrong.

mod ask;
mod common;
mod completions;
mod config;
mod consume;
mod error;
mod group;
mod input;
mod logging;
mod offset;
mod output;
mod pairs;
mod pattern;
mod produce;
mod progress;
mod record_json;
mod reset_offsets;
mod serve;
mod serve_config;
mod takeover;
mod takeover_text;
mod topic;
mod topic_describe;
mod version;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use error::CliError;
use klamm_broker::Loggers;
use tokio::time::Instant;

/// A Kafka-compatible broker, and a command line for any Kafka cluster.
///
/// Without a command it runs a broker on 127.0.0.1:9092 with its data in ./klamm-data.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a broker
    Serve(serve::Serve),
    /// Take over the directories of a stopped Apache Kafka
    Takeover(takeover::Takeover),
    #[command(flatten)]
    Client(ClientCommand),
}

/// What talks to a cluster instead of being one.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// List, describe, create, alter and delete topics
    Topic(topic::TopicNoun),
    /// List, describe and delete groups, and reset their offsets
    Group(group::GroupNoun),
    /// Describe, set and unset configurations of topics, brokers and groups
    Config(config::ConfigNoun),
    /// Send lines of standard input to a topic
    Produce(produce::Produce),
    /// Print the records of topics
    Consume(consume::Consume),
    /// Print the version
    Version(version::Version),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

/// Runs the command that the process was started with.
pub(crate) fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve(serve::Serve::default()));
    let loggers = logging::start(matches!(command, Command::Serve(_)));
    match run(command, loggers) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            error.exit_code()
        }
    }
}

fn run(command: Command, loggers: Loggers) -> Result<(), CliError> {
    match command {
        Command::Serve(serve) => serve.run(Instant::now(), loggers),
        Command::Takeover(takeover) => takeover.run(),
        Command::Client(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(CliError::io("the runtime"))?.block_on(run_client(command))
        }
    }
}

async fn run_client(command: ClientCommand) -> Result<(), CliError> {
    match command {
        ClientCommand::Topic(topic) => Box::pin(topic.run()).await,
        ClientCommand::Group(group) => Box::pin(group.run()).await,
        ClientCommand::Config(config) => Box::pin(config.run()).await,
        ClientCommand::Produce(produce) => Box::pin(produce.run()).await,
        ClientCommand::Consume(consume) => Box::pin(consume.run()).await,
        ClientCommand::Version(version) => version.run(),
        ClientCommand::Completions(completions) => completions.run(),
    }
}

fn report(error: &CliError) {
    let mut stderr = std::io::stderr().lock();
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(stderr, "error: {error}");
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
