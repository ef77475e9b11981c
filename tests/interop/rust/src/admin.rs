//! What an administrator does: look at cluster, topics, configs and groups, change and delete them.

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AlterConfig, ConfigSource, NewPartitions, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Record, admin, admin_options, consumer, create_topic, name, produce};
use crate::{WAIT, check, equal, eventually};

pub async fn run() {
    let (topic, codecs, group) = (name("admin"), name("codecs"), name("commit"));
    check("admin-describe-cluster", describe_cluster()).await;
    check("admin-list-topics", async { Ok(ensure!(topics()?.contains(&codecs), "not listed")) })
        .await;
    check("admin-describe-topic", describe_topic(&codecs)).await;
    check("admin-describe-configs", describe_configs(&codecs)).await;
    check("admin-alter-configs", alter_configs(&topic)).await;
    check("admin-create-partitions", create_partitions(&topic)).await;
    check("admin-delete-records", delete_records(&topic)).await;
    check("admin-list-groups", async { state(&group).map(drop) }).await;
    check("admin-describe-group", async {
        equal("group", ("Empty".to_owned(), 0), state(&group)?)
    })
    .await;
    check("admin-group-offsets", group_offsets(&group)).await;
    check("admin-delete-group", delete_group(&group)).await;
    check("admin-delete-topic", delete_topic(&topic)).await;
}

async fn describe_cluster() -> Result<()> {
    let admin = admin()?;
    let client = admin.inner();
    let nodes = client.fetch_metadata(None, WAIT)?;
    ensure!(client.fetch_cluster_id(WAIT).is_some_and(|id| !id.is_empty()), "no cluster id");
    ensure!(!nodes.brokers().is_empty(), "no nodes");
    Ok(())
}

fn topics() -> Result<Vec<String>> {
    let metadata = admin()?.inner().fetch_metadata(None, WAIT)?;
    Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
}

async fn describe_topic(topic: &str) -> Result<()> {
    let metadata = admin()?.inner().fetch_metadata(Some(topic), WAIT)?;
    let partitions = metadata.topics()[0].partitions();
    equal("partitions", 5, partitions.len())?;
    for partition in partitions {
        equal("replicas", &[partition.leader()][..], partition.replicas())?;
        equal("in-sync replicas", &[partition.leader()][..], partition.isr())?;
    }
    Ok(())
}

async fn config(topic: &str, key: &str) -> Result<(Option<String>, ConfigSource)> {
    let mut answers =
        admin()?.describe_configs([&ResourceSpecifier::Topic(topic)], &admin_options()).await?;
    let resource = answers.pop().context("no answer")??;
    let entry = resource.entries.into_iter().find(|entry| entry.name == key);
    entry.map(|entry| (entry.value, entry.source)).with_context(|| format!("no {key}"))
}

async fn describe_configs(topic: &str) -> Result<()> {
    let text = |value: &str| Some(value.to_owned());
    equal(
        "set value",
        (text("86400000"), ConfigSource::DynamicTopic),
        config(topic, "retention.ms").await?,
    )?;
    equal(
        "default value",
        (text("producer"), ConfigSource::Default),
        config(topic, "compression.type").await?,
    )
}

async fn alter_configs(topic: &str) -> Result<()> {
    create_topic(topic, 1, &[]).await?;
    let before = config(topic, "retention.ms").await?.0;
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    alter(change.set("retention.ms", "7200000")).await?;
    let becomes = async |value: Option<String>| {
        eventually("the new value", async || Ok(config(topic, "retention.ms").await?.0 == value))
            .await
    };
    becomes(Some("7200000".to_owned())).await?;
    // AlterConfigs replaces the whole set of a topic's configs.
    alter(AlterConfig::new(ResourceSpecifier::Topic(topic))).await?;
    becomes(before).await
}

async fn alter(change: AlterConfig<'_>) -> Result<()> {
    for answer in admin()?.alter_configs([&change], &admin_options()).await? {
        answer.map_err(|(_, code)| code)?;
    }
    Ok(())
}

async fn create_partitions(topic: &str) -> Result<()> {
    for answer in
        admin()?.create_partitions([&NewPartitions::new(topic, 3)], &admin_options()).await?
    {
        answer.map_err(|(_, code)| code)?;
    }
    eventually("three partitions", async || {
        Ok(admin()?.inner().fetch_metadata(Some(topic), WAIT)?.topics()[0].partitions().len() == 3)
    })
    .await
}

async fn delete_records(topic: &str) -> Result<()> {
    let records = vec![Record { value: Some(b"value".to_vec()), ..Record::default() }; 10];
    produce(topic, &records, &[]).await?;
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(topic, 0, Offset::Offset(4))?;
    let answer = admin()?.delete_records(&before, &admin_options()).await?;
    equal("low watermark", Offset::Offset(4), answer.elements()[0].offset())?;
    equal("earliest offset", 4, consumer("unused")?.fetch_watermarks(topic, 0, WAIT)?.0)
}

/// State and member count of a group that is listed.
fn state(group: &str) -> Result<(String, usize)> {
    let groups = consumer("unused")?.fetch_group_list(None, WAIT)?;
    match groups.groups().iter().find(|one| one.name() == group) {
        Some(one) => Ok((one.state().to_owned(), one.members().len())),
        None => bail!("{group} is not listed"),
    }
}

async fn group_offsets(group: &str) -> Result<()> {
    let mut partition = TopicPartitionList::new();
    partition.add_partition(group, 0);
    let committed = consumer(group)?.committed_offsets(partition, WAIT)?;
    equal("committed offset", Offset::Offset(20), committed.elements()[0].offset())
}

async fn delete_group(group: &str) -> Result<()> {
    for answer in admin()?.delete_groups(&[group], &admin_options()).await? {
        answer.map_err(|(_, code)| code)?;
    }
    Ok(ensure!(state(group).is_err(), "still listed"))
}

async fn delete_topic(topic: &str) -> Result<()> {
    for answer in admin()?.delete_topics(&[topic], &admin_options()).await? {
        answer.map_err(|(_, code)| code)?;
    }
    eventually("the topic is gone", async || Ok(!topics()?.iter().any(|one| one == topic))).await
}
