//! `klamm group reset-offsets`: a plan that is always shown, and carried out if asked to.

use std::{collections::BTreeMap, io::Write};

use clap::Args;
use klamm_client::{Client, ErrorCode, Isolation, OffsetSpec, TopicPartition};
use serde::Serialize;

use super::{
    error::CliError,
    offset::Place,
    output::{Output, Row},
    topic_describe::known,
};

/// Move a group's offsets.
#[derive(Debug, Args)]
pub(crate) struct ResetOffsets {
    /// Id of the group, which must have no members
    group: String,
    /// Topic, or some partitions of it; may be repeated
    #[arg(
        short,
        long = "topic",
        value_name = "TOPIC[:0,1,...]",
        required_unless_present = "all_topics"
    )]
    topics: Vec<String>,
    /// All topics that the group has offsets of
    #[arg(long, conflicts_with = "topics")]
    all_topics: bool,
    /// Where to: beginning, end, N, -N (N before the end), or @TIME, where TIME is milliseconds,
    /// 2026-01-31T12:00:00Z or an age like -15m
    #[arg(
        long,
        value_name = "PLACE",
        allow_hyphen_values = true,
        required_unless_present = "shift_by"
    )]
    to: Option<Place>,
    /// How far from the committed offset
    #[arg(long, value_name = "N", allow_hyphen_values = true, conflicts_with = "to")]
    shift_by: Option<i64>,
    /// Do it; without this the plan is only shown
    #[arg(long, visible_alias = "yes")]
    execute: bool,
}

#[derive(Serialize)]
struct PlanRow {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    new: i64,
    start: i64,
    end: i64,
    /// Records that will be read again; below 0, records that will be left out.
    again: Option<i64>,
}

impl Row for PlanRow {
    const HEADINGS: &'static [&'static str] =
        &["topic", "partition", "committed", "new", "read again", "start", "end"];

    fn cells(&self) -> Vec<String> {
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        vec![
            self.topic.clone(),
            self.partition.to_string(),
            number(self.committed),
            self.new.to_string(),
            number(self.again),
            self.start.to_string(),
            self.end.to_string(),
        ]
    }
}

impl ResetOffsets {
    pub(crate) async fn run<W: Write>(
        self,
        client: &Client,
        out: &mut Output<W>,
    ) -> Result<(), CliError> {
        self.check_members(client).await?;
        let plan = self.plan(client).await?;
        out.rows(&plan)?;
        if plan.is_empty() {
            return Err(CliError::Usage(format!("group {} has no offsets to reset", self.group)));
        }
        if !self.execute {
            if !out.is_json() {
                out.line("\nNothing was changed. Give --execute to do it.")?;
            }
            return Ok(());
        }
        let offset = |row: &PlanRow| (TopicPartition::new(&*row.topic, row.partition), row.new);
        let offsets: BTreeMap<_, _> = plan.iter().map(offset).collect();
        client.commit_offsets(&self.group, &offsets).await?;
        match out.is_json() {
            true => Ok(()),
            false => out.line(&format!("\nOffsets of group {} are reset.", self.group)),
        }
    }

    /// The coordinator refuses as well; but it is better known before the plan is read.
    async fn check_members(&self, client: &Client) -> Result<(), CliError> {
        match client.describe_group(&self.group).await {
            Ok(group) if !group.members.is_empty() => Err(CliError::Usage(format!(
                "group {} has {} members; their offsets cannot be reset while they run",
                self.group,
                group.members.len()
            ))),
            Err(error) if error.code() != Some(ErrorCode::GroupIdNotFound) => Err(error.into()),
            // A group that does not exist yet can be given offsets to begin with.
            _ => Ok(()),
        }
    }

    async fn plan(&self, client: &Client) -> Result<Vec<PlanRow>, CliError> {
        let committed = client.committed(&self.group).await?;
        let committed: BTreeMap<_, _> =
            committed.into_iter().map(|(at, c)| (at, c.offset)).collect();
        let partitions = match self.all_topics {
            true => committed.keys().cloned().collect(),
            false => self.chosen(client).await?,
        };
        let ask = |spec: OffsetSpec| partitions.iter().map(|at| (at.clone(), spec)).collect();
        let isolation = Isolation::ReadUncommitted;
        let starts = client.list_offsets(&ask(OffsetSpec::Earliest), isolation).await?;
        let ends = client.list_offsets(&ask(OffsetSpec::Latest), isolation).await?;
        let found = match self.to.and_then(|place| place.spec(klamm_env::Clock::system().now_ms()))
        {
            Some(spec) => client.list_offsets(&ask(spec), isolation).await?,
            None => BTreeMap::new(),
        };
        let offset = |of: &BTreeMap<_, klamm_client::ListedOffset>, at: &TopicPartition| {
            of.get(at).and_then(|listed| listed.offset)
        };
        let row = |at: &TopicPartition| {
            let (start, end) = (offset(&starts, at).unwrap_or(0), offset(&ends, at).unwrap_or(0));
            let committed = committed.get(at).copied();
            let new = match (self.to, self.shift_by) {
                (Some(place), _) => place.resolve(offset(&found, at), start, end),
                (None, shift) => {
                    let from = committed.unwrap_or(start);
                    from.saturating_add(shift.unwrap_or(0)).clamp(start, end.max(start))
                }
            };
            let (topic, partition) = (at.topic.to_string(), at.partition);
            let again = committed.map(|committed| committed - new);
            PlanRow { topic, partition, committed, new, start, end, again }
        };
        Ok(partitions.iter().map(row).collect())
    }

    /// The partitions named on the command line.
    async fn chosen(&self, client: &Client) -> Result<Vec<TopicPartition>, CliError> {
        let mut chosen = Vec::new();
        for text in &self.topics {
            let (name, wanted) = split(text)?;
            let cluster = client.metadata(Some(&[name])).await?;
            let topic = known(cluster.topics.get(name).map(AsRef::as_ref), name)?;
            let unknown = wanted.iter().find(|id| !topic.partitions.contains_key(id));
            if let Some(&partition) = unknown {
                let topic = name.to_owned();
                return Err(klamm_client::ClientError::UnknownPartition { topic, partition }.into());
            }
            let all = topic.partitions.keys().copied();
            let ids: Vec<i32> = if wanted.is_empty() { all.collect() } else { wanted };
            chosen.extend(ids.into_iter().map(|id| TopicPartition::new(name, id)));
        }
        chosen.sort();
        chosen.dedup();
        Ok(chosen)
    }
}

/// `orders` or `orders:0,2`.
fn split(text: &str) -> Result<(&str, Vec<i32>), CliError> {
    let Some((name, partitions)) = text.split_once(':') else { return Ok((text, Vec::new())) };
    let number = |number: &str| {
        number.trim().parse().map_err(|_| {
            CliError::Usage(format!("`{text}`: `{number}` is not the number of a partition"))
        })
    };
    Ok((name, partitions.split(',').map(number).collect::<Result<_, _>>()?))
}
