//! One client that keeps values of keys in a compacted topic, and reads them all now and then.

use std::{borrow::Cow, sync::Arc};

use klamm_protocol::{
    ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, FetchRequest, FetchResponse, ProduceRequest,
        ProduceResponse,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        fetch_request::{FetchPartition, FetchTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{
        BatchBuilder, BatchOptions, Batches, Compression, CompressionType, DecompressionLimit,
        Header, NewRecord, RecordRef,
    },
    wire::Records,
};

use crate::{
    client::Client,
    oracle::{Kept, Reading},
    world::World,
};

const TOPIC: &str = "kept";
const TIMEOUT_MS: u64 = 5_000;
/// Few enough for each to be written often.
const KEYS: u64 = 12;
const LIMIT: DecompressionLimit = DecompressionLimit(16 << 20);

/// Writes and reads until the run ends.
pub(super) async fn keep(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    while !create(&world, &mut client).await {
        if !world.is_running() {
            return;
        }
        world.pause(&client.random, 500).await;
    }
    world.set_keeping();
    while world.is_running() {
        world.pause(&client.random, world.plan.think_ms).await;
        if client.random.chance(1, 6) {
            let whole = read_whole(&world, &mut client).await;
            world.note(&name, &format!("read: {whole:?}"));
        } else {
            let written = write(&world, &mut client).await;
            world.note(&name, &format!("written: {written:?}"));
        }
    }
}

async fn create(world: &World, client: &mut Client) -> bool {
    let plan = &world.plan;
    let configs = [
        ("cleanup.policy", "compact".to_owned()),
        ("flush.messages", "1".to_owned()),
        ("internal.segment.bytes", (700 + plan.segment_bytes / 20).to_string()),
        ("min.cleanable.dirty.ratio", "0.05".to_owned()),
        ("delete.retention.ms", plan.delete_retention_ms.to_string()),
        ("file.delete.delay.ms", "300".to_owned()),
        ("index.interval.bytes", "100".to_owned()),
    ];
    let config = |(name, value): &(&'static str, String)| CreatableTopicConfig {
        name: Cow::Borrowed(*name),
        value: Some(Cow::Owned(value.clone())),
        ..CreatableTopicConfig::default()
    };
    let topic = CreatableTopic {
        name: Cow::Borrowed(TOPIC),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 4_000, ..Default::default() };
    world.oracle().kept.delete_retention_ms = plan.delete_retention_ms;
    let version = client.version::<CreateTopicsRequest<'_>>();
    let Ok(reply) = client.call(version, &request, TIMEOUT_MS).await else { return false };
    let Ok(response) = reply.decode::<CreateTopicsResponse<'_>>() else { return false };
    let code = response.topics.first().map(|topic| topic.error_code);
    code == Some(0) || code == Some(ErrorCode::TopicAlreadyExists.code())
}

/// Sends a batch; gives the offset if it was acknowledged.
async fn write(world: &World, client: &mut Client) -> Option<i64> {
    let random = client.random.clone();
    let codec = CompressionType::from_id(u8::try_from(random.below(5)).unwrap_or(0))?;
    let options = BatchOptions { compression: Compression::of(codec), ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    let mut numbers = Vec::new();
    for _ in 0..=random.below(4) {
        let (number, key) = (world.number(), random.below(KEYS));
        let kept = Kept { key, is_tombstone: random.chance(1, 5), sent_ms: world.clock.now_ms() };
        let (name, value) = (format!("key {key}"), format!("value {number:0>60}"));
        let mark = number.to_be_bytes();
        let headers = [Header { key: b"number", value: Some(&mark) }];
        let record = NewRecord {
            timestamp: kept.sent_ms,
            key: Some(name.as_bytes()),
            value: (!kept.is_tombstone).then_some(value.as_bytes()),
            headers: &headers,
        };
        builder.append(&record).ok()?;
        world.oracle().keeping(number, kept);
        numbers.push(number);
    }
    let partition = PartitionProduceData {
        records: Records::Slice(Cow::Owned(builder.build().ok()?)),
        ..PartitionProduceData::default()
    };
    let topic = TopicProduceData {
        name: Cow::Borrowed(TOPIC),
        partition_data: vec![partition],
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 4_000,
        topic_data: vec![topic],
        ..Default::default()
    };
    let version = client.version_within::<ProduceRequest<'_>>(7, 12);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: ProduceResponse<'_> = reply.decode().ok()?;
    let part = response.responses.first()?.partition_responses.first()?;
    if part.error_code != 0 {
        return None;
    }
    world.oracle().is_kept(part.base_offset, &numbers);
    Some(part.base_offset)
}

/// So many fetches in a row may bring nothing below the high watermark.
const IN_VAIN_MAX: u32 = 100;

/// Reads from the start to the high watermark; how many records, if that could be done.
pub(crate) async fn read_whole(world: &World, client: &mut Client) -> Option<usize> {
    let known_to = world.oracle().kept_to();
    let began_ms = world.clock.now_ms();
    let mut reading = Reading { began_ms, known_to, ..Reading::default() };
    let (mut next, mut in_vain) = (0, 0);
    loop {
        let (end, is_at_end) = read_from(world, client, next, &mut reading).await?;
        if is_at_end {
            break;
        }
        // One that promises more than it has is not asked for ever.
        in_vain = if end > next { 0 } else { in_vain + 1 };
        if in_vain > IN_VAIN_MAX {
            return None;
        }
        next = end;
    }
    reading.ended_ms = world.clock.now_ms();
    if next < known_to {
        world.oracle().kept_garbage(&format!("the log ends at {next}, {known_to} was reached"));
    }
    world.oracle().read_kept(&reading);
    Some(reading.found.len())
}

/// Fetches once; where to go on, and whether nothing is there.
async fn read_from(
    world: &World,
    client: &mut Client,
    from: i64,
    reading: &mut Reading,
) -> Option<(i64, bool)> {
    let partition = FetchPartition {
        fetch_offset: from,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: 3_000,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: Cow::Borrowed(TOPIC),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 10,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    let version = client.version_within::<FetchRequest<'_>>(10, 12);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: FetchResponse<'_> = reply.decode().ok()?;
    let part = response.responses.first()?.partitions.first()?;
    if response.error_code != 0 || part.error_code != 0 {
        return None;
    }
    let mut next = from;
    for entry in Batches::new(part.records.bytes()) {
        match take(entry, reading) {
            Ok(end) if end > next => next = end,
            Ok(end) => return garbage(world, &format!("a batch ends at {end}, {next} was asked")),
            Err(error) => return garbage(world, &error),
        }
    }
    Some((next, from >= part.high_watermark))
}

fn garbage(world: &World, text: &str) -> Option<(i64, bool)> {
    world.oracle().kept_garbage(text);
    None
}

/// Notes the records of a batch; gives the offset after it.
fn take(
    entry: Result<klamm_protocol::records::BatchEntry<'_>, klamm_protocol::records::BatchError>,
    reading: &mut Reading,
) -> Result<i64, String> {
    let batch = entry.and_then(|entry| entry.batch()).map_err(|error| error.to_string())?;
    batch.check_crc().map_err(|error| error.to_string())?;
    let records = batch.records(LIMIT).map_err(|error| error.to_string())?;
    for record in records.iter() {
        let record = record.map_err(|error| error.to_string())?;
        let found = identify(&record).ok_or_else(|| format!("offset {} is torn", record.offset))?;
        reading.found.insert(record.offset, found);
    }
    Ok(batch.next_offset())
}

/// Number, key, and whether it is a tombstone.
fn identify(record: &RecordRef<'_>) -> Option<(u64, u64, bool)> {
    let key = std::str::from_utf8(record.key?).ok()?.strip_prefix("key ")?.parse().ok()?;
    let mark = record.headers.clone().next()?.value?;
    let number = u64::from_be_bytes(mark.try_into().ok()?);
    let value = format!("value {number:0>60}");
    let is_whole = record.value.is_none_or(|found| found == value.as_bytes());
    is_whole.then_some((number, key, record.value.is_none()))
}
