//! `klamm takeover`: shows what a stopped Apache Kafka left, and takes it over.

use std::path::PathBuf;

use clap::Args;
use klamm_broker::takeover::{Found, Source, Takeover as Taking, TakeoverError};
use klamm_config::ConfigFile;
use klamm_env::Env;
use serde::Serialize;

use super::{ask::confirm, common::OutputArgs, error::CliError, output::Output, takeover_text};

/// Takes over the directories of a stopped, single-node Apache Kafka, in place.
///
/// Shows what was found and what cannot be carried over. Nothing is changed without --apply; then
/// `klamm serve` with the same configuration goes on where Kafka stopped.
#[derive(Debug, Args)]
pub(crate) struct Takeover {
    /// Kafka's server.properties: it names the directories, and its keys are looked at as well
    #[arg(long, value_name = "FILE", required_unless_present = "log_dirs")]
    kafka_config: Option<PathBuf>,
    /// The log directories, where no configuration names them (log.dirs)
    #[arg(long, value_name = "DIR,...", value_delimiter = ',')]
    log_dirs: Vec<PathBuf>,
    /// The directory of the metadata log, if it is not the first of those (metadata.log.dir)
    #[arg(long, value_name = "DIR")]
    metadata_log_dir: Option<PathBuf>,
    /// The directory of the controller's metadata log, if that was a process of its own
    #[arg(long, value_name = "DIR")]
    controller_log_dir: Option<PathBuf>,
    /// Take over, after a question
    #[arg(long)]
    apply: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    found: &'a Found,
    /// Whether it can be taken over.
    possible: bool,
    /// Whether it was taken over.
    taken_over: bool,
    /// Where the copy of Kafka's metadata log is, if it was.
    kafka_metadata_kept: Option<PathBuf>,
}

impl Takeover {
    pub(crate) fn run(self) -> Result<(), CliError> {
        let env = Env::real();
        let source = self.source()?;
        let taking = Taking::look(&env, &source).map_err(CliError::io("looking"))?;
        let found = taking.found().clone();
        let mut out = Output::stdout(self.output.output);
        if !out.is_json() {
            takeover_text::show(&found, &mut out)?;
        }
        let possible = found.refused.is_empty();
        let mut kept = None;
        if self.apply && possible {
            confirm(&question(&found), self.yes)?;
            kept = Some(taking.apply(&env).map_err(failed)?);
        }
        let taken_over = kept.is_some();
        if out.is_json() {
            let kafka_metadata_kept = kept;
            let found = &found;
            out.json(&Report { found, possible, taken_over, kafka_metadata_kept })?;
        } else if let Some(kept) = &kept {
            out.line(&format!(
                "\ntaken over. Kafka's metadata log is kept in {}.\nStart it with {}",
                kept.display(),
                self.serve_command(&found)
            ))?;
        } else if possible {
            out.line("\nnothing was changed; --apply takes it over")?;
        }
        if possible { Ok(()) } else { Err(CliError::NotTakenOver) }
    }

    fn source(&self) -> Result<Source, CliError> {
        let file = match &self.kafka_config {
            Some(path) => Some(read_properties(path)?),
            None => None,
        };
        Ok(Source {
            log_dirs: self.log_dirs.clone(),
            metadata_log_dir: self.metadata_log_dir.clone(),
            controller_log_dir: self.controller_log_dir.clone(),
            file,
        })
    }

    fn serve_command(&self, found: &Found) -> String {
        if let Some(path) = &self.kafka_config {
            return format!("klamm serve --config {}", path.display());
        }
        let dirs: Vec<String> =
            self.log_dirs.iter().map(|path| path.display().to_string()).collect();
        let mut command = format!(
            "klamm serve --set node.id={} --set log.dirs={}",
            found.node_id.unwrap_or_default(),
            dirs.join(",")
        );
        if let Some(dir) = &self.metadata_log_dir {
            command.push_str(&format!(" --set metadata.log.dir={}", dir.display()));
        }
        command
    }
}

fn read_properties(path: &std::path::Path) -> Result<ConfigFile, CliError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(CliError::io(&name))?;
    ConfigFile::properties(&bytes).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|p| format!("{name}: {p}")).collect();
        CliError::Config(lines.join("\n  "))
    })
}

fn question(found: &Found) -> String {
    let lost = match found.not_carried_over.len() {
        0 => String::new(),
        1 => " One thing cannot be carried over.".to_owned(),
        count => format!(" {count} things cannot be carried over."),
    };
    format!("Take over node {} from Apache Kafka?{lost}", found.node_id.unwrap_or_default())
}

fn failed(error: TakeoverError) -> CliError {
    match error {
        TakeoverError::Io(error) => CliError::io("taking over")(error),
        TakeoverError::Refused => CliError::NotTakenOver,
    }
}
