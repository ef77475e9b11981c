//! A group of two members with a rebalance, and a group that commits, leaves and resumes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::Message;

use crate::client::{Record, consumer, create_topic, name, produce, receive};
use crate::{check, equal, eventually};

pub async fn run() {
    check("group-rebalance", rebalance()).await;
    check("commit-resume", commit_and_resume()).await;
}

/// One member has all four partitions, two have two each, and the one that stays has all again.
async fn rebalance() -> Result<()> {
    let group = name("group");
    create_topic(&group, 4, &[]).await?;
    let mut seen = BTreeMap::new();
    let first = member(&group)?;
    fill(&group, 4, 0..40).await?;
    consume(&mut seen, &[&first], 40, &[4]).await?;
    let second = member(&group)?;
    consume(&mut seen, &[&first, &second], 40, &[2, 2]).await?;
    fill(&group, 4, 40..80).await?;
    consume(&mut seen, &[&first, &second], 80, &[2, 2]).await?;
    drop(second);
    consume(&mut seen, &[&first], 80, &[4]).await?;
    fill(&group, 4, 80..120).await?;
    consume(&mut seen, &[&first], 120, &[4]).await?;
    equal("records read more than once", 0, seen.values().filter(|times| **times != 1).count())
}

fn member(topic: &str) -> Result<StreamConsumer> {
    let member = consumer(topic)?;
    member.subscribe(&[topic])?;
    Ok(member)
}

async fn fill(topic: &str, partitions: i32, numbers: std::ops::Range<i32>) -> Result<()> {
    let records: Vec<_> = numbers
        .map(|i| Record {
            partition: i % partitions,
            value: Some(i.to_string().into_bytes()),
            ..Record::default()
        })
        .collect();
    produce(topic, &records, &[]).await?;
    Ok(())
}

/// Polls until all records were seen and the members have their shares of the partitions.
async fn consume(
    seen: &mut BTreeMap<Vec<u8>, u32>,
    members: &[&StreamConsumer],
    count: usize,
    shares: &[usize],
) -> Result<()> {
    eventually(&format!("{count} records by members with {shares:?} partitions"), async || {
        let mut assigned = Vec::new();
        for member in members {
            while let Some(message) = receive(member, Duration::from_millis(100)).await? {
                *seen.entry(message.payload().unwrap_or_default().to_vec()).or_default() += 1;
                member.store_offset(message.topic(), message.partition(), message.offset())?;
                member.commit_consumer_state(CommitMode::Sync)?;
            }
            assigned.push(member.assignment()?.count());
        }
        Ok(seen.len() == count && assigned == shares)
    })
    .await
}

async fn commit_and_resume() -> Result<()> {
    let topic = name("commit");
    create_topic(&topic, 1, &[]).await?;
    fill(&topic, 1, 0..20).await?;
    consume_ten(&topic, 0).await?;
    consume_ten(&topic, 10).await
}

/// Joins, reads ten records, commits and leaves.
async fn consume_ten(topic: &str, from: i64) -> Result<()> {
    let member = member(topic)?;
    let mut next = from;
    eventually("ten records", async || {
        if let Some(message) = receive(&member, Duration::from_millis(100)).await? {
            equal("offset", next, message.offset())?;
            next += 1;
            if next == from + 10 {
                member.store_offset(topic, 0, message.offset())?;
            }
        }
        Ok(next == from + 10)
    })
    .await?;
    Ok(member.commit_consumer_state(CommitMode::Sync)?)
}
