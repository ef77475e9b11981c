//! Quotas: setting and describing them; and requests that count against them.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_protocol::{
    ErrorCode,
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, CreateTopicsRequest,
        CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
        DescribeClientQuotasRequest, DescribeClientQuotasResponse, FetchRequest, FetchResponse,
        ProduceRequest, ProduceResponse,
        alter_client_quotas_request::{EntityData, EntryData, OpData},
        create_topics_request::CreatableTopic,
        fetch_request::{FetchPartition, FetchTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{BatchBuilder, BatchOptions, NewRecord},
    wire::Records,
};

use crate::{
    client::{Client, Failure},
    oracle::{QuotaEntity, REQUEST},
    world::World,
};

const TIMEOUT_MS: u64 = 6_000;

/// The topic of metered clients, which nobody else uses.
pub(crate) const METERED: &str = "metered";

/// The keys that runs set.
pub(crate) const QUOTA_KEYS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "controller_mutation_rate", REQUEST];

/// What a request that counts against a quota came to.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) error: ErrorCode,
    pub(crate) throttle_ms: i32,
    /// Bytes of records, or partitions, that were taken or given.
    pub(crate) amount: u64,
    /// Where a reader goes on, or the offset of what was written.
    pub(crate) next: i64,
}

impl Got {
    fn new(code: i16, throttle_ms: i32, amount: u64, next: i64) -> Self {
        let error = ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
        let amount = if error == ErrorCode::None { amount } else { 0 };
        Self { error, throttle_ms, amount, next }
    }
}

/// Sets a quota, or removes it.
pub(crate) async fn alter_quota(
    world: &World,
    client: &mut Client,
    entity: &QuotaEntity,
    key: &'static str,
    value: Option<u64>,
) -> Option<ErrorCode> {
    world.oracle().quota(entity, key, value);
    let part = |(kind, name): &'_ (&'static str, Option<String>)| EntityData {
        entity_type: Cow::Borrowed(*kind),
        entity_name: name.clone().map(Cow::Owned),
        ..Default::default()
    };
    let op = OpData {
        key: Cow::Borrowed(key),
        value: value.unwrap_or(0) as f64,
        remove: value.is_none(),
        ..Default::default()
    };
    let entry = EntryData {
        entity: entity.iter().map(part).collect(),
        ops: vec![op],
        ..Default::default()
    };
    let request = AlterClientQuotasRequest { entries: vec![entry], ..Default::default() };
    let version = client.version::<AlterClientQuotasRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: AlterClientQuotasResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.entries.first()?.error_code)?;
    if error == ErrorCode::None {
        world.oracle().quota_set(entity, key, value);
    }
    Some(error)
}

/// Asks for all quotas.
pub(crate) async fn describe_quotas(world: &World, client: &mut Client) -> Option<ErrorCode> {
    let version = client.version::<DescribeClientQuotasRequest<'_>>();
    let request = DescribeClientQuotasRequest::default();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: DescribeClientQuotasResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error != ErrorCode::None {
        return Some(error);
    }
    let mut found = BTreeMap::new();
    for entry in response.entries.iter().flatten() {
        let mut entity = QuotaEntity::new();
        for kind in ["user", "client-id", "topic"] {
            let part = entry.entity.iter().find(|part| part.entity_type == kind);
            entity.extend(part.map(|of| (kind, of.entity_name.as_deref().map(str::to_owned))));
        }
        for value in &entry.values {
            // Only whole numbers are set.
            found.insert((entity.clone(), value.key.to_string()), value.value as u64);
        }
    }
    world.oracle().quotas_described(&found);
    Some(error)
}

/// Writes a batch of one record into the topic of metered clients.
pub(crate) async fn produce_metered(
    client: &mut Client,
    index: i32,
    timeout_ms: u64,
) -> Result<Got, Failure> {
    let len = usize::try_from(client.random.below(600)).unwrap_or(0);
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = vec![b'q'; len];
    let record =
        NewRecord { timestamp: 1_700_000_000_000, key: None, value: Some(&value), headers: &[] };
    builder.append(&record).expect("a small record fits into a batch");
    let bytes = builder.build().expect("a small record fits into a batch");
    let amount = bytes.len() as u64;
    let records = Records::Slice(Cow::Owned(bytes));
    let partition = PartitionProduceData { index, records, ..Default::default() };
    let data = TopicProduceData {
        name: Cow::Borrowed(METERED),
        partition_data: vec![partition],
        ..Default::default()
    };
    let request =
        ProduceRequest { acks: 1, timeout_ms: 3_000, topic_data: vec![data], ..Default::default() };
    let version = client.version_within::<ProduceRequest<'_>>(3, 12);
    let reply = client.call(version, &request, timeout_ms).await?;
    let response: ProduceResponse<'_> = reply.decode().map_err(|_| Failure::Unknown)?;
    let part = response.responses.first().and_then(|topic| topic.partition_responses.first());
    let (code, base) = part.map_or((0, 0), |part| (part.error_code, part.base_offset));
    Ok(Got::new(code, response.throttle_time_ms, amount, base))
}

/// Reads from the topic of metered clients.
pub(crate) async fn fetch_metered(
    client: &mut Client,
    (index, from): (i32, i64),
    timeout_ms: u64,
) -> Result<Got, Failure> {
    let bytes_max = 1 + i32::try_from(client.random.below(4_000)).unwrap_or(0);
    let partition = FetchPartition {
        partition: index,
        current_leader_epoch: -1,
        fetch_offset: from,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: bytes_max,
        ..Default::default()
    };
    let wanted = FetchTopic {
        topic: Cow::Borrowed(METERED),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = FetchRequest {
        min_bytes: 1,
        max_bytes: bytes_max,
        session_epoch: -1,
        topics: vec![wanted],
        ..Default::default()
    };
    let version = client.version_within::<FetchRequest<'_>>(5, 12);
    let reply = client.call(version, &request, timeout_ms).await?;
    let response: FetchResponse<'_> = reply.decode().map_err(|_| Failure::Unknown)?;
    let throttle_ms = response.throttle_time_ms;
    let Some(part) = response.responses.first().and_then(|topic| topic.partitions.first()) else {
        return Ok(Got::new(response.error_code, throttle_ms, 0, from));
    };
    let bytes = part.records.bytes();
    let next = match ErrorCode::from_code(part.error_code) {
        // Every batch has one record; what is cut is not counted.
        Some(ErrorCode::None) => from + i64::try_from(batches(bytes)).unwrap_or(0),
        _ => from,
    };
    Ok(Got::new(part.error_code, throttle_ms, bytes.len() as u64, next))
}

fn batches(bytes: &[u8]) -> usize {
    klamm_protocol::records::Batches::new(bytes).map_while(Result::ok).count()
}

/// Makes a topic that nobody uses.
pub(crate) async fn create_metered(
    client: &mut Client,
    version: i16,
    (name, partitions): (&str, i32),
    timeout_ms: u64,
) -> Result<Got, Failure> {
    let topic = CreatableTopic {
        name: Cow::Borrowed(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() };
    let reply = client.call(version, &request, timeout_ms).await?;
    let response: CreateTopicsResponse<'_> = reply.decode().map_err(|_| Failure::Unknown)?;
    let code = response.topics.first().map_or(-1, |topic| topic.error_code);
    let amount = u64::try_from(partitions).unwrap_or(0);
    Ok(Got::new(code, response.throttle_time_ms, amount, 0))
}

/// Deletes it.
pub(crate) async fn delete_metered(
    client: &mut Client,
    version: i16,
    (name, partitions): (&str, i32),
    timeout_ms: u64,
) -> Result<Got, Failure> {
    let request = DeleteTopicsRequest {
        topic_names: vec![Cow::Borrowed(name)],
        timeout_ms: 5_000,
        ..Default::default()
    };
    let reply = client.call(version, &request, timeout_ms).await?;
    let response: DeleteTopicsResponse<'_> = reply.decode().map_err(|_| Failure::Unknown)?;
    let code = response.responses.first().map_or(-1, |topic| topic.error_code);
    let amount = u64::try_from(partitions).unwrap_or(0);
    Ok(Got::new(code, response.throttle_time_ms, amount, 0))
}
