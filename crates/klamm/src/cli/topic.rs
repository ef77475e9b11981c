//! `klamm topic`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use klamm_client::{Client, ConfigResource, ErrorCode, NewTopic};
use serde::Serialize;

use super::{
    ask::confirm,
    common::CommonArgs,
    error::CliError,
    output::{Output, Row},
    pairs,
    topic_describe::Describe,
};

/// List, describe, create, alter and delete topics.
#[derive(Debug, Args)]
pub(crate) struct TopicNoun {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List topics
    #[command(visible_alias = "ls")]
    List(List),
    /// Show partitions, offsets and configurations of topics
    Describe(Describe),
    /// Create topics
    Create(Create),
    /// Add partitions, and change configurations
    Alter(Alter),
    /// Delete topics with all their records
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, Args)]
struct List {
    /// Show the cluster's own topics as well
    #[arg(long)]
    internal: bool,
}

#[derive(Debug, Args)]
struct Create {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// Number of partitions; without it the broker's num.partitions
    #[arg(short, long, value_name = "N")]
    partitions: Option<i32>,
    /// Number of replicas; without it the broker's default.replication.factor
    #[arg(short, long, value_name = "N")]
    replication_factor: Option<i16>,
    /// Configuration of the topic; may be repeated
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = pairs::parse)]
    configs: Vec<(String, String)>,
    /// A topic that exists is left as it is
    #[arg(long)]
    if_not_exists: bool,
    /// Only check whether it could be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Alter {
    /// Name of the topic
    #[arg(value_name = "TOPIC")]
    name: String,
    /// New number of partitions, above the present one. Keys may change their partition
    #[arg(short, long, value_name = "N")]
    partitions: Option<i32>,
    /// Configuration to set; may be repeated
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = pairs::parse)]
    configs: Vec<(String, String)>,
    /// Configuration to set back to the broker's; may be repeated
    #[arg(short, long, value_name = "KEY")]
    unset: Vec<String>,
    /// Only check whether it could be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Delete {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// A topic that does not exist is no error
    #[arg(long)]
    if_exists: bool,
}

#[derive(Serialize)]
struct ListRow {
    name: String,
    id: String,
    partitions: usize,
    replication_factor: usize,
    internal: bool,
}

impl Row for ListRow {
    const HEADINGS: &'static [&'static str] = &["name", "partitions", "replicas"];

    fn cells(&self) -> Vec<String> {
        let (partitions, replicas) = (self.partitions, self.replication_factor);
        vec![self.name.clone(), partitions.to_string(), replicas.to_string()]
    }
}

/// What became of one topic.
#[derive(Serialize)]
struct Outcome<'a> {
    name: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl TopicNoun {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let client = self.common.cluster.client();
        let mut out = Output::stdout(self.common.output.output);
        match self.verb {
            Verb::List(list) => list.run(&client, &mut out).await,
            Verb::Describe(describe) => describe.run(&client, &mut out).await,
            Verb::Create(create) => create.run(&client, &mut out).await,
            Verb::Alter(alter) => alter.run(&client, &mut out).await,
            Verb::Delete(delete) => delete.run(&client, &mut out).await,
        }
    }
}

type Out = Output<std::io::StdoutLock<'static>>;

impl List {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        let cluster = client.metadata(None).await?;
        let shown = cluster.topics.values().filter(|topic| self.internal || !topic.is_internal);
        let row = |topic: &std::sync::Arc<klamm_client::Topic>| ListRow {
            name: topic.name.clone(),
            id: topic.id.to_string(),
            partitions: topic.partitions.len(),
            replication_factor: topic
                .partitions
                .values()
                .map(|p| p.replicas.len())
                .max()
                .unwrap_or(0),
            internal: topic.is_internal,
        };
        out.rows(&shown.map(row).collect::<Vec<_>>())
    }
}

impl Create {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        let configs: BTreeMap<String, String> = self.configs.into_iter().collect();
        let topic = |name: &String| NewTopic {
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            configs: configs.clone(),
            ..NewTopic::new(name.clone())
        };
        let topics: Vec<NewTopic> = self.names.iter().map(topic).collect();
        let results = client.create_topics(&topics, self.dry_run).await?;
        let done = if self.dry_run { "can be created" } else { "created" };
        let accepted = self.if_not_exists.then_some(ErrorCode::TopicAlreadyExists);
        tell(out, results, done, accepted.map(|code| (code, "exists")))
    }
}

impl Delete {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if !self.yes {
            let cluster = client.metadata(Some(&names)).await?;
            let of =
                |name: &&str| cluster.topics.get(*name).map_or(0, |topic| topic.partitions.len());
            let partitions: usize = names.iter().map(of).sum();
            confirm(
                &format!(
                    "Delete {} with {partitions} partitions and all records?",
                    names.join(", ")
                ),
                false,
            )?;
        }
        let results = client.delete_topics(&names).await?;
        let accepted = self.if_exists.then_some(ErrorCode::UnknownTopicOrPartition);
        tell(out, results, "deleted", accepted.map(|code| (code, "does not exist")))
    }
}

/// Says what became of each topic; fails if one failed.
fn tell(
    out: &mut Out,
    results: Vec<klamm_client::TopicResult>,
    done: &'static str,
    accepted: Option<(ErrorCode, &'static str)>,
) -> Result<(), CliError> {
    let all = results.len();
    let mut errors = Vec::new();
    let mut outcomes = Vec::new();
    for (name, result) in &results {
        let code = result.as_ref().err().and_then(klamm_client::ClientError::code);
        let outcome = match (result, accepted) {
            (Ok(()), _) => (done, None),
            (Err(_), Some((known, text))) if code == Some(known) => (text, None),
            (Err(error), _) => ("failed", Some(error.to_string())),
        };
        outcomes.push(Outcome { name, result: outcome.0, error: outcome.1 });
    }
    if out.is_json() {
        out.json(&outcomes)?;
    } else {
        for outcome in outcomes.iter().filter(|outcome| outcome.error.is_none()) {
            out.line(&format!("topic {} {}", outcome.name, outcome.result))?;
        }
    }
    let failed: Vec<bool> = outcomes.iter().map(|outcome| outcome.error.is_some()).collect();
    for ((_, result), is_failed) in results.into_iter().zip(failed) {
        match result {
            Err(error) if is_failed => errors.push(error),
            _ => {}
        }
    }
    // Several errors are all told; the hint of one would not fit the others.
    let failed = errors.len();
    let mut errors = errors.into_iter();
    match (failed, errors.next()) {
        (1, Some(error)) => Err(error.into()),
        (0, _) | (_, None) => Ok(()),
        (_, Some(first)) => {
            for error in std::iter::once(first).chain(errors) {
                tracing::error!("{error}");
            }
            Err(CliError::Partly { failed, all })
        }
    }
}

impl Alter {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        if self.partitions.is_none() && self.configs.is_empty() && self.unset.is_empty() {
            let text = "nothing to alter: give --partitions, --config or --unset".to_owned();
            return Err(CliError::Usage(text));
        }
        let set = self.configs.into_iter().map(|(key, value)| (key, Some(value)));
        let unset = self.unset.into_iter().map(|key| (key, None));
        let changes: Vec<_> = set.chain(unset).collect();
        let resource = ConfigResource::topic(self.name.clone());
        // All is checked before anything is done.
        for validate_only in [true, false] {
            if !validate_only && self.dry_run {
                break;
            }
            if let Some(count) = self.partitions {
                client.create_partitions(&self.name, count, validate_only).await?;
            }
            if !changes.is_empty() {
                client.alter_config(&resource, &changes, validate_only).await?;
            }
        }
        let result = if self.dry_run { "can be altered" } else { "altered" };
        let outcome = Outcome { name: &self.name, result, error: None };
        out.done(&format!("topic {} {result}", self.name), &outcome)
    }
}
