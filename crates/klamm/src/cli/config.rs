//! `klamm config`.

use std::io::StdoutLock;

use clap::{Args, Subcommand, ValueEnum};
use klamm_client::{Client, ConfigEntry, ConfigResource, ResourceType};
use serde::Serialize;

use super::{
    common::CommonArgs,
    error::CliError,
    output::{Output, Row},
    pairs,
};

/// Describe, set and unset configurations of topics, brokers and groups.
#[derive(Debug, Args)]
pub(crate) struct ConfigNoun {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what holds, and where it comes from
    Describe(Describe),
    /// Set keys
    Set(Set),
    /// Set keys back to what holds without them
    Unset(Unset),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Topic,
    Broker,
    Group,
}

#[derive(Debug, Args)]
struct Resource {
    /// Kind of thing
    kind: Kind,
    /// Name of the topic, id of the group or broker; `all` for what holds on all brokers
    name: String,
}

#[derive(Debug, Args)]
struct Describe {
    #[command(flatten)]
    resource: Resource,
    /// Show defaults as well
    #[arg(short, long)]
    all: bool,
    /// Show only these keys
    #[arg(short, long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Show what each key is for
    #[arg(long)]
    doc: bool,
}

#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    resource: Resource,
    /// Keys and their values
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pairs::parse)]
    pairs: Vec<(String, String)>,
    /// Only check whether it could be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Unset {
    #[command(flatten)]
    resource: Resource,
    /// Keys
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Only check whether it could be done
    #[arg(long)]
    dry_run: bool,
}

impl Resource {
    fn of(&self) -> Result<ConfigResource, CliError> {
        let (kind, name) = match self.kind {
            Kind::Topic => (ResourceType::Topic, self.name.clone()),
            Kind::Group => (ResourceType::Group, self.name.clone()),
            Kind::Broker if self.name == "all" => (ResourceType::Broker, String::new()),
            Kind::Broker => (ResourceType::Broker, self.name.clone()),
        };
        match self.kind {
            Kind::Broker if !name.is_empty() && name.parse::<u32>().is_err() => {
                Err(CliError::Usage(format!("`{name}` is neither the id of a broker nor `all`")))
            }
            _ => Ok(ConfigResource { kind, name }),
        }
    }
}

#[derive(Serialize)]
struct EntryRow {
    key: String,
    value: Option<String>,
    source: &'static str,
    default: bool,
    read_only: bool,
    sensitive: bool,
    synonyms: Vec<SynonymRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
}

#[derive(Serialize)]
struct SynonymRow {
    key: String,
    value: Option<String>,
    source: &'static str,
}

impl Row for EntryRow {
    const HEADINGS: &'static [&'static str] = &["key", "value", "source"];

    fn cells(&self) -> Vec<String> {
        let value = match (&self.value, self.sensitive) {
            (_, true) => "(hidden)".to_owned(),
            (Some(value), false) => value.clone(),
            (None, false) => "-".to_owned(),
        };
        let source = self.source.trim_end_matches("_CONFIG").to_lowercase().replace('_', " ");
        vec![self.key.clone(), value, source]
    }
}

type Out = Output<StdoutLock<'static>>;

impl ConfigNoun {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let client = self.common.cluster.client();
        let mut out = Output::stdout(self.common.output.output);
        match self.verb {
            Verb::Describe(describe) => describe.run(&client, &mut out).await,
            Verb::Set(set) => {
                let changes = set.pairs.into_iter().map(|(key, value)| (key, Some(value)));
                alter(&client, &mut out, &set.resource, changes.collect(), set.dry_run).await
            }
            Verb::Unset(unset) => {
                let changes = unset.keys.into_iter().map(|key| (key, None));
                alter(&client, &mut out, &unset.resource, changes.collect(), unset.dry_run).await
            }
        }
    }
}

impl Describe {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        let entries = client.describe_config(&self.resource.of()?, self.doc).await?;
        let is_wanted = |entry: &ConfigEntry| match self.keys.is_empty() {
            true => self.all || !entry.is_default,
            false => self.keys.contains(&entry.name),
        };
        let rows: Vec<EntryRow> = entries.into_iter().filter(is_wanted).map(row).collect();
        out.rows(&rows)?;
        let docs = rows.iter().filter(|_| self.doc && !out.is_json());
        let docs: Vec<String> = docs
            .filter_map(|row| Some(format!("\n{}\n  {}", row.key, row.doc.as_deref()?)))
            .collect();
        docs.iter().try_for_each(|doc| out.line(doc))
    }
}

fn row(entry: ConfigEntry) -> EntryRow {
    let synonym = |synonym: klamm_client::ConfigSynonym| SynonymRow {
        key: synonym.name,
        value: synonym.value,
        source: synonym.source,
    };
    EntryRow {
        key: entry.name,
        value: entry.value,
        source: entry.source,
        default: entry.is_default,
        read_only: entry.is_read_only,
        sensitive: entry.is_sensitive,
        synonyms: entry.synonyms.into_iter().map(synonym).collect(),
        doc: entry.documentation,
    }
}

async fn alter(
    client: &Client,
    out: &mut Out,
    resource: &Resource,
    changes: Vec<(String, Option<String>)>,
    dry_run: bool,
) -> Result<(), CliError> {
    let of = resource.of()?;
    client.alter_config(&of, &changes, dry_run).await?;
    let result = if dry_run { "can be changed" } else { "changed" };
    let text = format!("configuration of {} {} {result}", of.kind.name(), resource.name);
    let keys: Vec<&String> = changes.iter().map(|(key, _)| key).collect();
    let value = serde_json::json!({
        "kind": of.kind.name(), "name": resource.name, "result": result, "keys": keys,
    });
    out.done(&text, &value)
}
