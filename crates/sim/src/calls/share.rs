//! What members of a share group ask (KIP-932), and who produces for them.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_protocol::{
    ErrorCode,
    messages::{
        FindCoordinatorRequest, FindCoordinatorResponse, IncrementalAlterConfigsResponse,
        ListOffsetsRequest, ListOffsetsResponse, ProduceRequest, ProduceResponse,
        ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse,
        ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
        share_acknowledge_request::{AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch},
        share_fetch_request::{FetchPartition, FetchTopic},
        share_fetch_response::PartitionData,
    },
    records::{BatchBuilder, BatchOptions, Batches, DecompressionLimit, NewRecord},
    wire::{Records, Uuid},
};

use super::{TxnTopic, admin::set_config};
use crate::client::Client;

/// How long an answer is waited for, milliseconds.
const TIMEOUT_MS: u64 = 3_000;

/// The most that a batch decompresses to, bytes.
const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);

/// The number of groups among the kinds of resources.
const GROUP_RESOURCE: i8 = 32;

/// Asks for the coordinator of the state of a share group.
pub(crate) async fn find_share_coordinator(client: &mut Client) -> Option<ErrorCode> {
    let key = format!("any:{}:0", Uuid::from_u128(1));
    let request = FindCoordinatorRequest {
        key_type: 2,
        coordinator_keys: vec![Cow::Owned(key)],
        ..Default::default()
    };
    let reply = client.call(6, &request, TIMEOUT_MS).await.ok()?;
    let response: FindCoordinatorResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.coordinators.first()?.error_code)
}

/// Sets a setting of a group.
pub(crate) async fn alter_group(
    client: &mut Client,
    group: &str,
    key: &str,
    value: &str,
) -> Option<ErrorCode> {
    let request = set_config((GROUP_RESOURCE, group), key, value);
    let reply = client.call(1, &request, TIMEOUT_MS).await.ok()?;
    let response: IncrementalAlterConfigsResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.responses.first()?.error_code)
}

/// Appends records with these values; the offset of the first.
pub(crate) async fn produce_values(
    client: &mut Client,
    (topic, index): (&TxnTopic, i32),
    values: &[u64],
) -> Option<Result<i64, ErrorCode>> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in values {
        let value = value.to_string();
        let value = Some(value.as_bytes());
        let record = NewRecord { timestamp: 1_700_000_000_000, key: None, value, headers: &[] };
        builder.append(&record).expect("a few small records fit into a batch");
    }
    let batch = builder.build().expect("a few small records fit into a batch");
    let records = Records::Slice(Cow::Owned(batch));
    let partition = PartitionProduceData { index, records, ..Default::default() };
    let data = TopicProduceData {
        topic_id: topic.id,
        partition_data: vec![partition],
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 2_000,
        topic_data: vec![data],
        ..Default::default()
    };
    let version = client.version_within::<ProduceRequest<'_>>(13, i16::MAX);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: ProduceResponse<'_> = reply.decode().ok()?;
    let part = response.responses.first()?.partition_responses.first()?;
    let error = ErrorCode::from_code(part.error_code)?;
    Some(if error == ErrorCode::None { Ok(part.base_offset) } else { Err(error) })
}

/// Where the log of a partition begins.
pub(crate) async fn first_offset(client: &mut Client, (topic, index): (&str, i32)) -> Option<i64> {
    let partition = ListOffsetsPartition {
        partition_index: index,
        current_leader_epoch: -1,
        timestamp: super::EARLIEST,
        ..Default::default()
    };
    let topic = ListOffsetsTopic {
        name: Cow::Borrowed(topic),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let reply = client.call(7, &request, TIMEOUT_MS).await.ok()?;
    let response: ListOffsetsResponse<'_> = reply.decode().ok()?;
    let part = response.topics.first()?.partitions.first()?;
    (part.error_code == 0).then_some(part.offset)
}

/// A member of a share group as it knows itself.
#[derive(Debug)]
pub(crate) struct Sharer {
    pub(crate) group: &'static str,
    pub(crate) id: String,
    /// 0 before it has joined.
    pub(crate) epoch: i32,
    /// The epoch of its session with the broker; 0 before it has one.
    pub(crate) session: i32,
    pub(crate) has: Vec<(Uuid, i32)>,
}

/// A range with what is said of it: 1 accept, 2 release, 3 reject.
pub(crate) type Said = (i64, i64, i8);

/// Sends a heartbeat; takes over epoch and partitions.
pub(crate) async fn share_heartbeat(
    client: &mut Client,
    sharer: &mut Sharer,
    topic: &str,
    leaves: bool,
) -> Option<ErrorCode> {
    let names = (sharer.epoch == 0).then(|| vec![Cow::Borrowed(topic)]);
    let request = ShareGroupHeartbeatRequest {
        group_id: Cow::Borrowed(sharer.group),
        member_id: Cow::Borrowed(&sharer.id),
        member_epoch: if leaves { -1 } else { sharer.epoch },
        subscribed_topic_names: names,
        ..Default::default()
    };
    let reply = client.call(1, &request, TIMEOUT_MS).await.ok()?;
    let response: ShareGroupHeartbeatResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error == ErrorCode::None && !leaves {
        sharer.epoch = response.member_epoch;
        if let Some(assignment) = response.assignment {
            let each = assignment.topic_partitions.iter();
            let each = each.flat_map(|t| t.partitions.iter().map(|p| (t.topic_id, *p)));
            sharer.has = each.collect();
        }
    }
    Some(error)
}

/// A record that a member has acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedRecord {
    pub(crate) index: i32,
    pub(crate) offset: i64,
    pub(crate) value: u64,
}

/// What a fetch gave: the records, and what became of acknowledgements by partition.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) records: Vec<SharedRecord>,
    pub(crate) acknowledged: BTreeMap<i32, ErrorCode>,
}

/// Fetches with the member's session; says what it did with records, which takes a session.
pub(crate) async fn share_fetch(
    client: &mut Client,
    sharer: &mut Sharer,
    topic: Uuid,
    said: &BTreeMap<i32, Vec<Said>>,
) -> Option<Result<Shared, ErrorCode>> {
    let of = |said: &Said| klamm_protocol::messages::share_fetch_request::AcknowledgementBatch {
        first_offset: said.0,
        last_offset: said.1,
        acknowledge_types: vec![said.2],
        ..Default::default()
    };
    let partition = |(topic_id, index): &(Uuid, i32)| FetchPartition {
        partition_index: *index,
        acknowledgement_batches: said
            .get(index)
            .filter(|_| *topic_id == topic)
            .map_or_else(Vec::new, |said| said.iter().map(of).collect()),
        ..Default::default()
    };
    let mut places = sharer.has.clone();
    places.extend(said.keys().map(|index| (topic, *index)));
    places.sort_unstable();
    places.dedup();
    let wanted = FetchTopic {
        topic_id: topic,
        partitions: places.iter().map(partition).collect(),
        ..Default::default()
    };
    let request = ShareFetchRequest {
        group_id: Some(Cow::Borrowed(sharer.group)),
        member_id: Some(Cow::Borrowed(&sharer.id)),
        share_session_epoch: sharer.session,
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_records: i32::try_from(1 + client.random.below(20)).unwrap_or(1),
        batch_size: 10,
        share_acquire_mode: i8::from(client.random.chance(1, 3)),
        topics: if places.is_empty() { Vec::new() } else { vec![wanted] },
        ..Default::default()
    };
    let reply = client.call(2, &request, TIMEOUT_MS).await.ok()?;
    let response: ShareFetchResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    sharer.session += 1;
    let mut shared = Shared::default();
    for part in response.responses.iter().flat_map(|topic| &topic.partitions) {
        let error = ErrorCode::from_code(part.acknowledge_error_code)?;
        shared.acknowledged.insert(part.partition_index, error);
        records_of(part, &mut shared.records);
    }
    Some(Ok(shared))
}

/// The records that are in ranges which were acquired.
fn records_of(part: &PartitionData<'_>, found: &mut Vec<SharedRecord>) {
    let Records::Slice(bytes) = &part.records else { return };
    let is_acquired = |offset: i64| {
        let mut ranges = part.acquired_records.iter();
        ranges.any(|range| (range.first_offset..=range.last_offset).contains(&offset))
    };
    for entry in Batches::new(bytes) {
        let Ok(view) = entry.and_then(|entry| entry.batch()) else { return };
        let Ok(records) = view.records(LIMIT) else { return };
        for record in records.iter().map_while(Result::ok).filter(|r| is_acquired(r.offset)) {
            let text = record.value.and_then(|value| std::str::from_utf8(value).ok());
            if let Some(value) = text.and_then(|text| text.parse().ok()) {
                let (index, offset) = (part.partition_index, record.offset);
                found.push(SharedRecord { index, offset, value });
            }
        }
    }
}

/// Says what the member did with records; with `ends` its session ends.
pub(crate) async fn share_acknowledge(
    client: &mut Client,
    sharer: &mut Sharer,
    topic: Uuid,
    said: &BTreeMap<i32, Vec<Said>>,
    ends: bool,
) -> Option<Result<BTreeMap<i32, ErrorCode>, ErrorCode>> {
    let of = |said: &Said| AcknowledgementBatch {
        first_offset: said.0,
        last_offset: said.1,
        acknowledge_types: vec![said.2],
        ..Default::default()
    };
    let partition = |(index, said): (&i32, &Vec<Said>)| AcknowledgePartition {
        partition_index: *index,
        acknowledgement_batches: said.iter().map(of).collect(),
        ..Default::default()
    };
    let partitions = said.iter().map(partition).collect();
    let topics = vec![AcknowledgeTopic { topic_id: topic, partitions, ..Default::default() }];
    let request = ShareAcknowledgeRequest {
        group_id: Some(Cow::Borrowed(sharer.group)),
        member_id: Some(Cow::Borrowed(&sharer.id)),
        share_session_epoch: if ends { -1 } else { sharer.session },
        topics,
        ..Default::default()
    };
    let reply = client.call(2, &request, TIMEOUT_MS).await.ok()?;
    let response: ShareAcknowledgeResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    sharer.session = if ends { 0 } else { sharer.session + 1 };
    let parts = response.responses.iter().flat_map(|topic| &topic.partitions);
    Some(Ok(parts
        .map(|part| {
            let error = ErrorCode::from_code(part.error_code);
            (part.partition_index, error.unwrap_or(ErrorCode::UnknownServerError))
        })
        .collect()))
}
