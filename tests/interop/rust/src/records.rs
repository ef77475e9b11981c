//! Producing with every codec, consuming from the beginning and by time, the idempotent producer.

use anyhow::Result;
use rdkafka::consumer::Consumer;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Record, START_MS, consumer, create_topic, headers, name, produce, read};
use crate::{WAIT, check, equal};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const COUNT: i64 = 100;

pub async fn run() {
    let topic = name("codecs");
    check("create-topic", create_topic(&topic, 5, &[("retention.ms", "86400000")])).await;
    for (partition, codec) in (0..).zip(CODECS) {
        check(&format!("produce-{codec}"), produce_sample(&topic, partition, codec)).await;
    }
    for (partition, codec) in (0..).zip(CODECS) {
        check(&format!("consume-{codec}"), consume_sample(&topic, partition)).await;
    }
    check("empty-bytes", empty_bytes()).await;
    check("null-header", null_header()).await;
    check("consume-by-time", by_time(&topic)).await;
    check("idempotent-producer", idempotent()).await;
}

/// Record `i` of those every client writes with every codec and expects back byte for byte.
fn sample(partition: i32, i: i64) -> Record {
    let mut value = format!("value-{i} ").repeat(i as usize + 1).into_bytes();
    value.extend(0..=255);
    let header = |key: &str, value: &[u8]| (key.to_owned(), Some(value.to_vec()));
    let headers = vec![
        header("trace", b"first"),
        header("trace", b"second"),
        header("binary", &[0, 0xff, 0x80]),
    ];
    Record {
        partition,
        key: (i % 5 != 1).then(|| format!("key-{i}").into_bytes()),
        value: (i % 5 != 3).then_some(value),
        headers: if i % 2 == 0 { headers } else { Vec::new() },
        timestamp: Some(*START_MS + i * 1000),
    }
}

fn verify(message: &OwnedMessage, i: i64) -> Result<()> {
    let want = sample(0, i);
    equal("offset", i, message.offset())?;
    equal("timestamp", want.timestamp, message.timestamp().to_millis())?;
    equal("key", want.key.as_deref(), message.key())?;
    equal("value", want.value.as_deref(), message.payload())?;
    equal("headers", want.headers, headers(message))
}

/// Each codec has its own partition, so offsets tell whether all of it arrived.
async fn produce_sample(topic: &str, partition: i32, codec: &str) -> Result<()> {
    let records: Vec<_> = (0..COUNT).map(|i| sample(partition, i)).collect();
    let offsets = produce(topic, &records, &[("compression.type", codec)]).await?;
    equal("offsets", (0..COUNT).collect(), offsets)
}

async fn consume_sample(topic: &str, partition: i32) -> Result<()> {
    let messages = read(topic, partition, 0, COUNT as usize).await?;
    (0..).zip(&messages).try_for_each(|(i, message)| verify(message, i))
}

/// Writes one record to a new topic and reads it back.
async fn one(topic: &str, record: Record) -> Result<OwnedMessage> {
    create_topic(topic, 1, &[]).await?;
    produce(topic, &[record], &[]).await?;
    Ok(read(topic, 0, 0, 1).await?.remove(0))
}

/// An empty key and an empty value are not null ones.
async fn empty_bytes() -> Result<()> {
    let record = Record { key: Some(Vec::new()), value: Some(Vec::new()), ..Record::default() };
    let message = one(&name("empty"), record).await?;
    let empty: Option<&[u8]> = Some(&[]);
    equal("key and value", (empty, empty), (message.key(), message.payload()))
}

/// A header whose value is null is not one whose value is empty.
async fn null_header() -> Result<()> {
    let list = vec![("null".to_owned(), None), ("empty".to_owned(), Some(Vec::new()))];
    let record =
        Record { value: Some(b"value".to_vec()), headers: list.clone(), ..Record::default() };
    equal("headers", list, headers(&one(&name("null-header"), record).await?))
}

async fn by_time(topic: &str) -> Result<()> {
    equal("exact time", Offset::Offset(50), offset_at(topic, *START_MS + 50_000)?)?;
    equal("between two records", Offset::Offset(51), offset_at(topic, *START_MS + 50_001)?)?;
    equal("before the first", Offset::Offset(0), offset_at(topic, *START_MS - 1)?)?;
    equal("after the last", Offset::End, offset_at(topic, *START_MS + COUNT * 1000)?)?;
    verify(&read(topic, 0, 50, 50).await?[0], 50)
}

fn offset_at(topic: &str, timestamp: i64) -> Result<Offset> {
    let mut times = TopicPartitionList::new();
    times.add_partition_offset(topic, 0, Offset::Offset(timestamp))?;
    Ok(consumer("unused")?.offsets_for_times(times, WAIT)?.elements()[0].offset())
}

async fn idempotent() -> Result<()> {
    let topic = name("idempotent");
    create_topic(&topic, 1, &[]).await?;
    let records: Vec<_> =
        (0..50).map(|i| Record { value: Some(vec![i]), ..Record::default() }).collect();
    produce(&topic, &records, &[("enable.idempotence", "true")]).await?;
    let values = read(&topic, 0, 0, 50)
        .await?
        .iter()
        .flat_map(|m| m.payload().map(<[u8]>::to_vec))
        .collect();
    equal("values", (0..50).map(|i| vec![i]).collect::<Vec<_>>(), values)
}
