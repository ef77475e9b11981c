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
mod topic;
mod topic_describe;
mod version;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use error::CliError;
use tokio::time::Instant;

/// A Kafka-compatible broker, and a command line for any Kafka cluster.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a broker
    Serve(serve::Serve),
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
    let cli = Cli::parse();
    logging::start(matches!(cli.command, Command::Serve(_)));
    let runtime = match cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(CliError::Io { what: "the runtime".to_owned(), error }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            error.exit_code()
        }
    }
}

async fn run(command: Command) -> Result<(), CliError> {
    let started = Instant::now();
    match command {
        Command::Serve(serve) => Box::pin(serve.run(started)).await,
        Command::Topic(topic) => Box::pin(topic.run()).await,
        Command::Group(group) => Box::pin(group.run()).await,
        Command::Config(config) => Box::pin(config.run()).await,
        Command::Produce(produce) => Box::pin(produce.run()).await,
        Command::Consume(consume) => Box::pin(consume.run()).await,
        Command::Version(version) => version.run(),
        Command::Completions(completions) => completions.run(),
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
