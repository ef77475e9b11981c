//! The suite as data: `clients.toml` says what runs, `deny.toml` what is known to fail.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The check a client fails when it cannot be installed.
pub(super) const INSTALL: &str = "install";

/// Everything the two files say.
#[derive(Debug)]
pub(super) struct Suite {
    checks: Vec<String>,
    clients: Vec<Client>,
    deny: Vec<Denied>,
}

/// A program that runs checks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    /// Its name in reports, `--only` and `deny.toml`.
    pub(super) name: String,
    /// Its folder below `tests/interop`, where both commands run.
    pub(super) folder: String,
    /// Commands it needs, each with the Debian package that has it.
    #[serde(default)]
    pub(super) needs: BTreeMap<String, String>,
    /// A shell command that installs libraries into `$OUT` and compiles.
    #[serde(default)]
    pub(super) install: String,
    /// A shell command that runs the checks.
    pub(super) run: String,
    /// Whether it needs the jars of Apache Kafka, as `$KAFKA_JARS`.
    #[serde(default)]
    pub(super) jars: bool,
    /// The versions of `kafka-clients` it needs, each in `$KAFKA_CLIENTS/VERSION/lib`.
    #[serde(default, rename = "kafka-clients")]
    pub(super) kafka_clients: Vec<String>,
    /// Its checks, where they are not those of every client.
    checks: Option<Vec<String>>,
    /// Checks beyond those of every client.
    #[serde(default)]
    more: Vec<String>,
}

/// Checks that a client is known to fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Denied {
    client: String,
    checks: Vec<String>,
    pub(super) reason: String,
    /// The broker it fails with; without it, every broker.
    against: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsFile {
    checks: Vec<String>,
    client: Vec<Client>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyFile {
    #[serde(default)]
    deny: Vec<Denied>,
}

impl Suite {
    /// Reads both files and refuses entries that name what does not exist.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).with_context(|| name.to_owned())
        };
        Suite::parse(&read("clients.toml")?, &read("deny.toml")?)
    }

    pub(super) fn parse(clients: &str, deny: &str) -> Result<Self> {
        let mut file: ClientsFile = toml::from_str(clients).context("clients.toml")?;
        for client in file.client.iter_mut().filter(|client| !client.more.is_empty()) {
            let usual = client.checks.take().unwrap_or_else(|| file.checks.clone());
            client.checks = Some(usual.into_iter().chain(client.more.drain(..)).collect());
        }
        let deny: DenyFile = toml::from_str(deny).context("deny.toml")?;
        let suite = Suite { checks: file.checks, clients: file.client, deny: deny.deny };
        for entry in &suite.deny {
            let client = suite.clients.iter().find(|client| client.name == entry.client);
            let client = client
                .with_context(|| format!("deny.toml: there is no client {:?}", entry.client))?;
            for check in &entry.checks {
                let known = check == INSTALL || suite.checks(client).contains(check);
                ensure!(known, "deny.toml: {} has no check {check:?}", entry.client);
            }
        }
        Ok(suite)
    }

    /// The clients of that name, or all.
    pub(super) fn select(&self, only: &[String]) -> Result<Vec<&Client>> {
        for name in only {
            if !self.clients.iter().any(|client| client.name == *name) {
                let names: Vec<_> =
                    self.clients.iter().map(|client| client.name.as_str()).collect();
                bail!("there is no client {name:?}; there are {}", names.join(", "));
            }
        }
        let wanted = |client: &&Client| only.is_empty() || only.contains(&client.name);
        Ok(self.clients.iter().filter(wanted).collect())
    }

    /// The checks a client has to report.
    pub(super) fn checks<'a>(&'a self, client: &'a Client) -> &'a [String] {
        client.checks.as_deref().unwrap_or(&self.checks)
    }

    /// Why a check is known to fail.
    pub(super) fn denied(&self, client: &Client, check: &str, against: &str) -> Option<&str> {
        let entry = self.deny.iter().find(|entry| {
            entry.client == client.name
                && entry.checks.iter().any(|denied| denied == check)
                && entry.against.as_deref().is_none_or(|broker| broker == against)
        });
        entry.map(|entry| entry.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENTS: &str =
        "checks = ['a', 'b']\n[[client]]\nname = 'c'\nfolder = 'c'\nrun = 'true'\n";

    #[test]
    fn deny_entries_name_what_exists() {
        let check =
            |deny: &str| Suite::parse(CLIENTS, deny).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            check("[[deny]]\nclient = 'c'\nchecks = ['a', 'install']\nreason = 'r'\n"),
            Ok(())
        );
        assert_eq!(
            check("[[deny]]\nclient = 'x'\nchecks = []\nreason = 'r'\n"),
            Err("deny.toml: there is no client \"x\"".to_owned())
        );
        assert_eq!(
            check("[[deny]]\nclient = 'c'\nchecks = ['z']\nreason = 'r'\n"),
            Err("deny.toml: c has no check \"z\"".to_owned())
        );
    }

    #[test]
    fn the_committed_files_are_consistent() {
        Suite::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop")).unwrap();
    }
}
