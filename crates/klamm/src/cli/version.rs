//! `klamm version`.

use clap::Args;
use serde::Serialize;

use super::{common::OutputArgs, error::CliError, output::Output};

/// Prints the version.
#[derive(Debug, Args)]
pub(crate) struct Version {
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    os: &'static str,
    arch: &'static str,
}

impl Version {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        };
        let text = format!("klamm {} ({} {})", report.version, report.os, report.arch);
        Output::stdout(self.output.output).done(&text, &report)
    }
}
