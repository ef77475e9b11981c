//! The project's own tools, one module per subcommand; `cargo xtask help` lists them.

mod bench;
mod codegen;
mod counts;
mod diff;
mod docs;
mod interop;
mod schema;
mod schema_import;
mod sim;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tools for working on this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures Klamm and Apache Kafka side by side.
    Bench(bench::Args),
    /// Writes the protocol code from the schema, or checks that it is up to date.
    Codegen(codegen::Args),
    /// Counts what requests cost: instructions, allocations, system calls, bytes copied.
    Counts(counts::Args),
    /// Writes the documents that are made from code, or checks them.
    Docs(docs::Args),
    /// Compares our answers with Apache Kafka's, field by field.
    Diff(diff::Args),
    /// Runs real clients of many languages against a broker it starts.
    Interop(interop::Args),
    /// Reads Kafka's JSON message definitions into the schema.
    SchemaImport(schema_import::Args),
    /// Runs the whole broker from seeds, with faults, and checks what must hold.
    Sim(sim::Args),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Counts(args) => counts::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Interop(args) => interop::run(&args),
        Command::SchemaImport(args) => schema_import::run(&args),
        Command::Sim(args) => sim::run(&args),
    }
}
