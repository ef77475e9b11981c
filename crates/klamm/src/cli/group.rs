//! `klamm group`.

use std::{collections::BTreeMap, io::StdoutLock};

use clap::{Args, Subcommand};
use klamm_client::{
    Client, ClientError, GroupDescription, GroupListing, Isolation, OffsetSpec, TopicPartition,
};
use serde::Serialize;

use super::{
    ask::confirm,
    common::CommonArgs,
    error::CliError,
    output::{Output, Row},
    reset_offsets::ResetOffsets,
};

/// List, describe and delete groups, and reset their offsets.
#[derive(Debug, Args)]
pub(crate) struct GroupNoun {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List groups
    #[command(visible_alias = "ls")]
    List,
    /// Show a group's members, offsets and lag
    Describe(Describe),
    /// Delete groups with their offsets
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// Move a group's offsets; shows the plan, and does it with --execute
    ResetOffsets(ResetOffsets),
}

#[derive(Debug, Args)]
struct Describe {
    /// Id of the group
    group: String,
    /// Show only the members
    #[arg(long)]
    members: bool,
}

#[derive(Debug, Args)]
struct Delete {
    /// Ids of the groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Serialize)]
struct ListRow {
    group: String,
    state: String,
    kind: String,
    protocol_type: String,
}

impl Row for ListRow {
    const HEADINGS: &'static [&'static str] = &["group", "state", "type", "protocol"];

    fn cells(&self) -> Vec<String> {
        vec![self.group.clone(), self.state.clone(), self.kind.clone(), self.protocol_type.clone()]
    }
}

#[derive(Serialize)]
struct Report {
    group: String,
    state: String,
    coordinator: i32,
    protocol_type: String,
    assignor: String,
    members: Vec<MemberRow>,
    partitions: Vec<LagRow>,
    lag: i64,
}

#[derive(Serialize)]
struct MemberRow {
    member_id: String,
    instance_id: Option<String>,
    client_id: String,
    host: String,
    partitions: Vec<String>,
}

impl Row for MemberRow {
    const HEADINGS: &'static [&'static str] = &["member", "client", "host", "partitions"];

    fn cells(&self) -> Vec<String> {
        let name = self.instance_id.as_ref().unwrap_or(&self.member_id);
        let partitions = self.partitions.join(" ");
        vec![name.clone(), self.client_id.clone(), self.host.clone(), partitions]
    }
}

#[derive(Serialize)]
struct LagRow {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    member_id: Option<String>,
    client_id: Option<String>,
    host: Option<String>,
}

impl Row for LagRow {
    const HEADINGS: &'static [&'static str] =
        &["topic", "partition", "committed", "end", "lag", "client", "host", "member"];

    fn cells(&self) -> Vec<String> {
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            self.topic.clone(),
            self.partition.to_string(),
            number(self.committed),
            number(self.end),
            number(self.lag),
            text(&self.client_id),
            text(&self.host),
            text(&self.member_id),
        ]
    }
}

type Out = Output<StdoutLock<'static>>;

impl GroupNoun {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let client = self.common.cluster.client();
        let mut out = Output::stdout(self.common.output.output);
        match self.verb {
            Verb::List => list(&client, &mut out).await,
            Verb::Describe(describe) => describe.run(&client, &mut out).await,
            Verb::Delete(delete) => delete.run(&client, &mut out).await,
            Verb::ResetOffsets(reset) => reset.run(&client, &mut out).await,
        }
    }
}

async fn list(client: &Client, out: &mut Out) -> Result<(), CliError> {
    let row = |listing: GroupListing| ListRow {
        group: listing.group,
        state: listing.state,
        kind: listing.kind,
        protocol_type: listing.protocol_type,
    };
    out.rows(&client.list_groups().await?.into_iter().map(row).collect::<Vec<_>>())
}

impl Describe {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        let report = report(client, &self.group).await?;
        if out.is_json() {
            return out.json(&report);
        }
        let assignor = match report.assignor.as_str() {
            "" => String::new(),
            name => format!(", assignor {name}"),
        };
        out.line(&format!(
            "group {}: {}, {} members, lag {}, coordinator {}{assignor}",
            report.group,
            report.state,
            report.members.len(),
            report.lag,
            report.coordinator
        ))?;
        match self.members {
            true => out.rows(&report.members),
            false => out.rows(&report.partitions),
        }
    }
}

async fn report(client: &Client, group: &str) -> Result<Report, CliError> {
    let description = client.describe_group(group).await?;
    let committed = client.committed(group).await?;
    let mut partitions: BTreeMap<TopicPartition, Option<i64>> =
        committed.into_iter().map(|(at, committed)| (at, Some(committed.offset))).collect();
    for at in description.members.iter().flat_map(|member| &member.partitions) {
        partitions.entry(at.clone()).or_default();
    }
    let ends = ends(client, partitions.keys()).await?;
    let row = |(at, committed): (TopicPartition, Option<i64>)| {
        lag_row(&description, &ends, &at, committed)
    };
    let partitions: Vec<LagRow> = partitions.into_iter().map(row).collect();
    let member = |member: &klamm_client::GroupMember| MemberRow {
        member_id: member.member_id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        host: member.host.clone(),
        partitions: member.partitions.iter().map(ToString::to_string).collect(),
    };
    Ok(Report {
        members: description.members.iter().map(member).collect(),
        lag: partitions.iter().filter_map(|row| row.lag).sum(),
        partitions,
        group: description.group,
        state: description.state,
        coordinator: description.coordinator,
        protocol_type: description.protocol_type,
        assignor: description.assignor,
    })
}

/// The ends of partitions; those of topics that were deleted are left out.
async fn ends<'p>(
    client: &Client,
    partitions: impl Iterator<Item = &'p TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Option<i64>>, CliError> {
    let partitions: Vec<&TopicPartition> = partitions.collect();
    let mut names: Vec<&str> = partitions.iter().map(|at| &*at.topic).collect();
    names.dedup();
    let cluster = client.metadata(Some(&names)).await?;
    let exists = |at: &&&TopicPartition| {
        let topic = cluster.topics.get(&*at.topic);
        let found = topic.and_then(|topic| topic.partitions.get(&at.partition));
        found.is_some_and(|partition| partition.leader >= 0)
    };
    let wanted = partitions.iter().filter(exists).map(|at| ((*at).clone(), OffsetSpec::Latest));
    let ends = client.list_offsets(&wanted.collect(), Isolation::ReadUncommitted).await?;
    Ok(ends.into_iter().map(|(at, listed)| (at, listed.offset)).collect())
}

fn lag_row(
    description: &GroupDescription,
    ends: &BTreeMap<TopicPartition, Option<i64>>,
    at: &TopicPartition,
    committed: Option<i64>,
) -> LagRow {
    let owner = description.members.iter().find(|member| member.partitions.contains(at));
    let end = ends.get(at).copied().flatten();
    LagRow {
        topic: at.topic.to_string(),
        partition: at.partition,
        committed,
        end,
        lag: end.zip(committed).map(|(end, committed)| (end - committed).max(0)),
        member_id: owner.map(|owner| owner.member_id.clone()),
        client_id: owner.map(|owner| owner.client_id.clone()),
        host: owner.map(|owner| owner.host.clone()),
    }
}

impl Delete {
    async fn run(self, client: &Client, out: &mut Out) -> Result<(), CliError> {
        let question = format!("Delete {} with all committed offsets?", self.groups.join(", "));
        confirm(&question, self.yes)?;
        let mut failure: Option<ClientError> = None;
        let mut deleted = Vec::new();
        for group in &self.groups {
            match client.delete_group(group).await {
                Ok(()) => deleted.push(group),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match out.is_json() {
            true => out.json(&serde_json::json!({ "deleted": deleted }))?,
            false => deleted.iter().try_for_each(|g| out.line(&format!("group {g} deleted")))?,
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }
}
