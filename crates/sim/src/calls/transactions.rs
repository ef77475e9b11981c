//! What transactional producers ask, and who reads only what is committed.

use std::{borrow::Cow, collections::BTreeSet};

use klamm_protocol::{
    ErrorCode,
    messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse,
        FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse,
        InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
        add_partitions_to_txn_request::AddPartitionsToTxnTopic,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{
        BatchBuilder, BatchOptions, Batches, DecompressionLimit, NewRecord, control::ControlType,
    },
    wire::{Records, Uuid},
};

use crate::client::Client;

/// How long an answer is waited for, milliseconds.
const TIMEOUT_MS: u64 = 4_000;

/// How long a transaction may take, milliseconds.
const TRANSACTION_MS: i32 = 3_000;

/// The most that a batch decompresses to, bytes.
const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);

/// Producer id and epoch.
pub(crate) type Producer = (i64, i16);

/// The name and id of the topic of the transactions.
#[derive(Debug, Clone)]
pub(crate) struct TxnTopic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
}

/// Asks for the coordinator of a transactional id.
pub(crate) async fn find_transaction_coordinator(client: &mut Client) -> Option<ErrorCode> {
    let request = FindCoordinatorRequest {
        key_type: 1,
        coordinator_keys: vec![Cow::Borrowed("any")],
        ..Default::default()
    };
    let version = client.version_within::<FindCoordinatorRequest<'_>>(4, i16::MAX);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: FindCoordinatorResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.coordinators.first()?.error_code)
}

/// Begins with a transactional id.
pub(crate) async fn init_transactions(
    client: &mut Client,
    id: &str,
) -> Option<Result<Producer, ErrorCode>> {
    let version = client.version::<InitProducerIdRequest<'_>>();
    let request = InitProducerIdRequest {
        transactional_id: Some(Cow::Borrowed(id)),
        transaction_timeout_ms: TRANSACTION_MS,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: InitProducerIdResponse = reply.decode().ok()?;
    match ErrorCode::from_code(response.error_code)? {
        ErrorCode::None => Some(Ok((response.producer_id, response.producer_epoch))),
        error => Some(Err(error)),
    }
}

/// Adds a partition to the transaction, as producers before version 2 do.
pub(crate) async fn add_partition(
    client: &mut Client,
    id: &str,
    producer: Producer,
    (topic, index): (&TxnTopic, i32),
) -> Option<ErrorCode> {
    let version = client.version_within::<AddPartitionsToTxnRequest<'_>>(0, 3);
    let topic = AddPartitionsToTxnTopic {
        name: Cow::Borrowed(&topic.name),
        partitions: vec![index],
        ..Default::default()
    };
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: Cow::Borrowed(id),
        v3_and_below_producer_id: producer.0,
        v3_and_below_producer_epoch: producer.1,
        v3_and_below_topics: vec![topic],
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: AddPartitionsToTxnResponse<'_> = reply.decode().ok()?;
    let topic = response.results_by_topic_v3_and_below.first()?;
    ErrorCode::from_code(topic.results_by_partition.first()?.partition_error_code)
}

/// Produces a batch of a transaction, as a producer of transactions version 2 (`bumps`) or 1.
pub(crate) async fn produce_in_transaction(
    client: &mut Client,
    id: &str,
    (producer, sequence): (Producer, i32),
    (topic, index): (&TxnTopic, i32),
    bumps: bool,
    values: &[String],
) -> Option<ErrorCode> {
    let (low, high) = if bumps { (12, i16::MAX) } else { (3, 11) };
    let version = client.version_within::<ProduceRequest<'_>>(low, high);
    let partition = PartitionProduceData {
        index,
        records: Records::Slice(Cow::Owned(batch(producer, sequence, values))),
        ..Default::default()
    };
    let mut data = TopicProduceData { partition_data: vec![partition], ..Default::default() };
    if version < 13 {
        data.name = Cow::Borrowed(&topic.name);
    } else {
        data.topic_id = topic.id;
    }
    let request = ProduceRequest {
        transactional_id: Some(Cow::Borrowed(id)),
        acks: -1,
        timeout_ms: 3_000,
        topic_data: vec![data],
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: ProduceResponse<'_> = reply.decode().ok()?;
    let part = response.responses.first()?.partition_responses.first()?;
    ErrorCode::from_code(part.error_code)
}

fn batch(producer: Producer, base_sequence: i32, values: &[String]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: producer.0,
        producer_epoch: producer.1,
        base_sequence,
        is_transactional: true,
        ..BatchOptions::default()
    });
    for value in values {
        let value = Some(value.as_bytes());
        // Where the topic is compacted no record takes the place of another.
        let record = NewRecord { timestamp: 1_700_000_000_000, key: value, value, headers: &[] };
        builder.append(&record).expect("a few small records fit into a batch");
    }
    builder.build().expect("a few small records fit into a batch")
}

/// Ends a transaction; gives what the producer goes on with.
pub(crate) async fn end_transaction(
    client: &mut Client,
    id: &str,
    producer: Producer,
    committed: bool,
    bumps: bool,
) -> Option<Result<Producer, ErrorCode>> {
    let (low, high) = if bumps { (5, i16::MAX) } else { (0, 4) };
    let version = client.version_within::<EndTxnRequest<'_>>(low, high);
    let request = EndTxnRequest {
        transactional_id: Cow::Borrowed(id),
        producer_id: producer.0,
        producer_epoch: producer.1,
        committed,
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: EndTxnResponse = reply.decode().ok()?;
    match ErrorCode::from_code(response.error_code)? {
        ErrorCode::None if bumps => Some(Ok((response.producer_id, response.producer_epoch))),
        ErrorCode::None => Some(Ok(producer)),
        error => Some(Err(error)),
    }
}

/// What a reader of committed records found.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) values: Vec<String>,
    /// Where to go on.
    pub(crate) next: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) high_watermark: i64,
}

/// Reads what is committed from an offset on, as Kafka's consumer does.
pub(crate) async fn read_committed(
    client: &mut Client,
    (topic, index): (&TxnTopic, i32),
    from: i64,
) -> Option<Committed> {
    let version = client.version_within::<FetchRequest<'_>>(4, i16::MAX);
    let bytes_max = i32::try_from(200 + client.random.below(20_000)).unwrap_or(i32::MAX);
    let partition = FetchPartition {
        partition: index,
        current_leader_epoch: -1,
        fetch_offset: from,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: bytes_max,
        ..Default::default()
    };
    let by_id = version >= 13;
    let wanted = FetchTopic {
        topic: Cow::Borrowed(if by_id { "" } else { &topic.name }),
        topic_id: if by_id { topic.id } else { Uuid::ZERO },
        partitions: vec![partition],
        ..Default::default()
    };
    let request = FetchRequest {
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation_level: 1,
        session_epoch: -1,
        topics: vec![wanted],
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: FetchResponse<'_> = reply.decode().ok()?;
    let part = response.responses.first()?.partitions.first()?;
    (part.error_code == 0).then(|| pass_over_aborted(part, from))?
}

/// Leaves out what was aborted: from the first offset of an aborted transaction to its marker.
fn pass_over_aborted(part: &PartitionData<'_>, from: i64) -> Option<Committed> {
    let Records::Slice(bytes) = &part.records else { return None };
    let mut ahead: Vec<(i64, i64)> = part
        .aborted_transactions
        .iter()
        .flatten()
        .map(|of| (of.first_offset, of.producer_id))
        .collect();
    ahead.sort_unstable();
    let mut aborted = BTreeSet::new();
    let (mut values, mut next) = (Vec::new(), from);
    for entry in Batches::new(bytes) {
        let Ok(view) = entry.and_then(|entry| entry.batch()) else { break };
        ahead.retain(|(first, producer_id)| {
            let is_ahead = *first > view.last_offset();
            if !is_ahead {
                aborted.insert(*producer_id);
            }
            is_ahead
        });
        next = view.next_offset();
        for record in view.records(LIMIT).ok()?.iter().map_while(Result::ok) {
            if view.is_control() {
                if ControlType::parse(record.key) == Ok(ControlType::Abort) {
                    aborted.remove(&view.producer_id());
                }
            } else if record.offset >= from && !aborted.contains(&view.producer_id()) {
                let value = record.value.unwrap_or_default();
                values.push(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    let (last_stable_offset, high_watermark) = (part.last_stable_offset, part.high_watermark);
    Some(Committed { values, next, last_stable_offset, high_watermark })
}
