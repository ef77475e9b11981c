//! `klamm topic describe`.

use std::collections::BTreeMap;

use clap::Args;
use klamm_client::{
    Client, ConfigResource, ErrorCode, Isolation, OffsetSpec, Partition, Topic, TopicPartition,
};
use serde::Serialize;

use super::{
    error::CliError,
    output::{Output, Row},
};

/// Show partitions, offsets and configurations of topics.
#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
}

#[derive(Serialize)]
struct Description {
    name: String,
    id: String,
    internal: bool,
    partitions: Vec<PartitionRow>,
    /// Configurations that differ from the defaults.
    configs: BTreeMap<String, Option<String>>,
}

#[derive(Serialize)]
struct PartitionRow {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    offline: Vec<i32>,
    /// None where there is no leader to ask.
    start_offset: Option<i64>,
    end_offset: Option<i64>,
}

impl Row for PartitionRow {
    const HEADINGS: &'static [&'static str] =
        &["partition", "leader", "replicas", "in sync", "start", "end", "records"];

    fn cells(&self) -> Vec<String> {
        let list = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let number = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |o| o.to_string());
        let count = self.end_offset.zip(self.start_offset).map(|(end, start)| end - start);
        vec![
            self.partition.to_string(),
            self.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
            list(&self.replicas),
            list(&self.isr),
            number(self.start_offset),
            number(self.end_offset),
            number(count),
        ]
    }
}

impl Describe {
    pub(crate) async fn run<W: std::io::Write>(
        self,
        client: &Client,
        out: &mut Output<W>,
    ) -> Result<(), CliError> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let cluster = client.metadata(Some(&names)).await?;
        let mut descriptions = Vec::new();
        for name in names {
            let topic = known(cluster.topics.get(name).map(AsRef::as_ref), name)?;
            descriptions.push(describe(client, topic).await?);
        }
        if out.is_json() {
            return out.json(&descriptions);
        }
        for (index, description) in descriptions.iter().enumerate() {
            if index > 0 {
                out.line("")?;
            }
            out.line(&format!("topic {} (id {})", description.name, description.id))?;
            for (key, value) in &description.configs {
                out.line(&format!("  {key} = {}", value.as_deref().unwrap_or("(hidden)")))?;
            }
            out.rows(&description.partitions)?;
        }
        Ok(())
    }
}

/// The topic, unless the broker says that it is not there.
pub(crate) fn known<'t>(topic: Option<&'t Topic>, name: &str) -> Result<&'t Topic, CliError> {
    let unknown = || klamm_client::ClientError::UnknownTopic { topic: name.to_owned() };
    let topic = topic.ok_or_else(unknown)?;
    match topic.error_code() {
        None => Ok(topic),
        Some(ErrorCode::UnknownTopicOrPartition) => Err(unknown().into()),
        Some(_) => Err(klamm_client::ClientError::Refused {
            subject: format!("topic {name}"),
            code: topic.error,
            message: None,
        }
        .into()),
    }
}

async fn describe(client: &Client, topic: &Topic) -> Result<Description, CliError> {
    let led = topic.partitions.values().filter(|partition| partition.leader >= 0);
    let led: Vec<TopicPartition> =
        led.map(|partition| TopicPartition::new(topic.name.as_str(), partition.id)).collect();
    let ask = |spec| led.iter().map(move |at| (at.clone(), spec)).collect();
    let isolation = Isolation::ReadUncommitted;
    let starts = client.list_offsets(&ask(OffsetSpec::Earliest), isolation).await?;
    let ends = client.list_offsets(&ask(OffsetSpec::Latest), isolation).await?;
    let row = |partition: &Partition| {
        let at = TopicPartition::new(topic.name.as_str(), partition.id);
        PartitionRow {
            partition: partition.id,
            leader: Some(partition.leader).filter(|&leader| leader >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            offline: partition.offline.clone(),
            start_offset: starts.get(&at).and_then(|listed| listed.offset),
            end_offset: ends.get(&at).and_then(|listed| listed.offset),
        }
    };
    let configs = client.describe_config(&ConfigResource::topic(&*topic.name), false).await?;
    let own = configs.into_iter().filter(|entry| entry.source == "DYNAMIC_TOPIC_CONFIG");
    Ok(Description {
        name: topic.name.clone(),
        id: topic.id.to_string(),
        internal: topic.is_internal,
        partitions: topic.partitions.values().map(row).collect(),
        configs: own.map(|entry| (entry.name, entry.value)).collect(),
    })
}
