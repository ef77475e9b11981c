//! `klamm completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, error::CliError};

/// Prints a completion script, for example `klamm completions bash > /etc/bash_completion.d/klamm`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "klamm", &mut script);
        std::io::Write::write_all(&mut std::io::stdout().lock(), &script).map_err(CliError::output)
    }
}
