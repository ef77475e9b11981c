//! Producers, consumers and the admin client as the checks use them.

use std::env;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use crate::WAIT;

static PREFIX: LazyLock<String> = LazyLock::new(|| {
    env::var("PREFIX").unwrap_or_else(|_| format!("interop-rust-{}", std::process::id()))
});

/// A topic or group name of this run.
pub fn name(suffix: &str) -> String {
    format!("{}-{suffix}", *PREFIX)
}

/// Milliseconds since 1970, an hour ago: recent, so that time-based retention leaves the records alone.
pub static START_MS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    now.as_millis() as i64 - 3_600_000
});

/// What a check sends. Header values may be null.
#[derive(Clone, Default)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: Option<i64>,
}

/// The client's configuration: the broker to talk to and what a check adds.
pub fn config(extra: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set(
        "bootstrap.servers",
        env::var("BOOTSTRAP").unwrap_or_else(|_| "localhost:9092".into()),
    );
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config
}

pub fn admin() -> Result<AdminClient<DefaultClientContext>> {
    Ok(config(&[]).create()?)
}

pub fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(WAIT)).request_timeout(Some(WAIT))
}

pub async fn create_topic(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<()> {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (key, value) in configs {
        new = new.set(key, value);
    }
    for result in admin()?.create_topics([&new], &admin_options()).await? {
        result.map_err(|(_, code)| code)?;
    }
    Ok(())
}

/// Sends the records and returns the offsets they were acknowledged with.
pub async fn produce(topic: &str, records: &[Record], extra: &[(&str, &str)]) -> Result<Vec<i64>> {
    // A retried batch must not be overtaken by the next one: the checks know records by their offsets.
    let producer: FutureProducer =
        config(extra).set("linger.ms", "20").set("max.in.flight", "1").create()?;
    let sent = records.iter().map(|record| {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_ref() })
        });
        let mut message =
            FutureRecord::<[u8], [u8]>::to(topic).partition(record.partition).headers(headers);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.timestamp = record.timestamp;
        producer.send_result(message).map_err(|(error, _)| error)
    });
    let sent = sent.collect::<Result<Vec<_>, _>>()?;
    let mut offsets = Vec::new();
    for delivery in try_join_all(sent).await.context("the producer was dropped")? {
        offsets.push(delivery.map_err(|(error, _)| error)?.offset);
    }
    Ok(offsets)
}

pub fn consumer(group: &str) -> Result<StreamConsumer> {
    let settings = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("heartbeat.interval.ms", "500"),
    ];
    Ok(config(&settings).create()?)
}

/// Reads `count` records of one partition from `offset`.
pub async fn read(
    topic: &str,
    partition: i32,
    offset: i64,
    count: usize,
) -> Result<Vec<OwnedMessage>> {
    let reader = consumer("unused")?;
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    reader.assign(&at)?;
    let mut messages = Vec::new();
    while messages.len() < count {
        match receive(&reader, WAIT).await? {
            Some(message) => messages.push(message),
            None => bail!("only {} of {count} records came", messages.len()),
        }
    }
    Ok(messages)
}

/// The next record, if one comes in time.
pub async fn receive(reader: &StreamConsumer, wait: Duration) -> Result<Option<OwnedMessage>> {
    match tokio::time::timeout(wait, reader.recv()).await {
        Ok(message) => Ok(Some(message?.detach())),
        Err(_) => Ok(None),
    }
}

/// The headers of a message as a list.
pub fn headers(message: &OwnedMessage) -> Vec<(String, Option<Vec<u8>>)> {
    message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    })
}
