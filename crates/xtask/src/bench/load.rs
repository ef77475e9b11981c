//! The load generator: built from `benches/`, run once per load.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::peer::Broker;
use super::results::Printed;
use crate::interop::Places;
use crate::interop::process::finish;

/// The built program.
#[derive(Debug)]
pub(crate) struct Load {
    program: PathBuf,
}

/// Words of a command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// The words of a row.
    pub(super) fn new(words: &[&str]) -> Self {
        Words(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// One more, without a value.
    pub(super) fn with(mut self, word: &str) -> Self {
        self.0.push(word.to_owned());
        self
    }

    /// An option with its value, unless the row has it already.
    pub(super) fn option(self, name: &str, value: impl ToString) -> Self {
        match self.0.iter().any(|word| word == name) {
            true => self,
            false => self.with(name).with(&value.to_string()),
        }
    }

    /// Whom the load is for.
    pub(super) fn against(self, broker: &Broker<'_>, topic: &str) -> Result<Self> {
        let words = self.option("--bootstrap", broker.bootstrap());
        Ok(words.option("--broker-pid", broker.id()?).option("--topic", topic))
    }
}

impl Load {
    /// Builds it.
    pub(crate) fn build(places: &Places, out: &Path) -> Result<Self> {
        let target = out.join("build");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(places.root()).args(["build", "--release", "--target-dir"]).arg(&target);
        build.args(["--locked", "--manifest-path", "benches/Cargo.toml"]);
        finish(&mut build, &out.join("load-build.log")).context("building benches/")?;
        Ok(Load { program: target.join("release/load") })
    }

    /// The program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a load to its end and reads what it prints.
    pub(super) fn run(&self, words: &Words) -> Result<Printed> {
        let line = || format!("load {}", words.0.join(" "));
        let output = Command::new(&self.program).args(&words.0).output().with_context(line)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}: {errors}", line(), output.status);
        serde_json::from_slice(&output.stdout).with_context(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_decides_first() {
        let words = Words::new(&["produce", "--seconds", "9"]);
        let words = words.option("--seconds", 3).option("--topic", "t");
        assert_eq!(words.0.join(" "), "produce --seconds 9 --topic t");
    }
}
