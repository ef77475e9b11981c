//! Produce (key 0), versions 0 to 13.
//!
//! Appends record batches to partitions. Records are checked and appended where they stand in the
//! request's buffer; only message sets of the old formats, and batches whose topic wants another
//! codec, are rebuilt.
//!
//! Cost per partition: one CRC, one `pwrite`; per request: the decoded list of partitions.
//!
//! Left out: transactions.

use std::{borrow::Cow, ops::Range, sync::Arc};

use klamm_log::{AppendError, AppendOptions, Appended, Origin};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ProduceRequest, ProduceResponse,
        produce_response::{
            BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
        },
    },
    records::{TimestampType, patch::set_max_timestamp},
    wire::{Records, Uuid},
};
use klamm_security::quota::Kind;
use klamm_transactions::Refusal;

use super::{Api, Context, Permission, QuotaClass, told};
use crate::{
    partition::{Partition, Topic},
    quotas::Payer,
    records::{self, Fault, Prepared},
    request::{Answer, Envelope, Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::Produce,
    permissions: &[Permission::TopicWrite],
    quota: QuotaClass::Produce,
    audit: None,
    handle,
};

/// From this version on producers know KAFKA_STORAGE_ERROR.
const STORAGE_ERROR_FROM: i16 = 4;

/// One partition's part of a request, and what became of it.
struct Part {
    topic: usize,
    index: i32,
    records: Range<usize>,
    prepared: Prepared,
    partition: Option<Arc<Partition>>,
    result: Result<Appended, Fault>,
}

/// A topic as the request names it.
struct Named {
    name: String,
    id: Uuid,
    topic: Option<Arc<Topic>>,
}

fn handle(cx: &Context<'_>, mut request: Request) -> Outcome {
    let (acks, timeout_ms, topics, mut parts) = match plan(cx, &request) {
        Ok(plan) => plan,
        Err(error) => return error.into(),
    };
    for part in &mut parts {
        if part.result.is_ok() {
            append(cx, &mut request, &topics[part.topic], part, acks);
        }
    }
    let throttle_ms = charge(cx, &request, &topics, &parts);
    let envelope = request.envelope();
    if acks == 0 {
        return Outcome::Now(without_answer(&topics, &parts));
    }
    if parts.iter().any(|part| part.must_wait(acks)) {
        let wait = wait_for_all(envelope, topics, parts, (acks, timeout_ms), throttle_ms);
        return Outcome::Pipelined(Box::pin(wait));
    }
    Outcome::Now(answer(&envelope, &topics, &parts, throttle_ms))
}

/// Charges the client for the request and the topics for their records; how long the client is
/// held back, milliseconds.
fn charge(cx: &Context<'_>, request: &Request, topics: &[Named], parts: &[Part]) -> i32 {
    let quotas = &cx.broker.quotas;
    if !quotas.limits(Kind::Produce) {
        return 0;
    }
    let payer = Payer::new(request.client_id(), &cx.peer.mute);
    let settings = cx.broker.settings.load();
    let records = parts.iter().filter(|part| part.result.is_ok() && part.partition.is_some());
    let records = records.filter_map(|part| {
        let topic = topics[part.topic].topic.as_ref()?;
        Some((&*topic.name, part.records.len() as u64))
    });
    let total = request.len() as u64;
    let kind = Kind::Produce;
    let charged = quotas.charge_bytes(kind, &payer, total, records, cx.now_ms, &settings.quotas);
    payer.hold_back(charged.throttle_ms, cx.now_ms);
    i32::try_from(charged.throttle_ms).unwrap_or(i32::MAX)
}

type Plan = (i16, i32, Vec<Named>, Vec<Part>);

/// Looks at everything that borrows from the request, so that the records may be changed later.
fn plan(cx: &Context<'_>, request: &Request) -> Result<Plan, klamm_protocol::wire::DecodeError> {
    let body: ProduceRequest<'_> = request.body()?;
    let mut topics = Vec::with_capacity(body.topic_data.len());
    let mut parts = Vec::new();
    for (at, data) in body.topic_data.iter().enumerate() {
        let topic = match request.version {
            13.. => cx.broker.topics.by_id(data.topic_id),
            _ => cx.broker.topics.by_name(&data.name),
        };
        for partition in &data.partition_data {
            let Records::Slice(Cow::Borrowed(bytes)) = &partition.records else {
                parts.push(Part::refused(at, partition.index, no_batch(request.version)));
                continue;
            };
            let found = topic.as_ref().map(|topic| (topic, topic.partition(partition.index)));
            let mut part = Part::new(at, partition.index, request.range_of(bytes));
            match check(cx, request, &body, found, bytes) {
                Ok((partition, prepared)) => {
                    part.partition = Some(partition);
                    part.prepared = prepared;
                }
                Err(fault) => part.result = Err(fault),
            }
            parts.push(part);
        }
        topics.push(Named { name: data.name.clone().into_owned(), id: data.topic_id, topic });
    }
    Ok((body.acks, body.timeout_ms, topics, parts))
}

type Found<'a> = Option<(&'a Arc<Topic>, Option<Arc<Partition>>)>;

/// Everything that can be said against the records before they are appended.
fn check(
    cx: &Context<'_>,
    request: &Request,
    body: &ProduceRequest<'_>,
    found: Found<'_>,
    bytes: &[u8],
) -> Result<(Arc<Partition>, Prepared), Fault> {
    let acks = body.acks;
    if !(-1..=1).contains(&acks) {
        return Err(Fault::of(ErrorCode::InvalidRequiredAcks));
    }
    let unknown = match request.version {
        13.. => ErrorCode::UnknownTopicId,
        _ => ErrorCode::UnknownTopicOrPartition,
    };
    let (topic, partition) = found.ok_or(Fault::of(unknown))?;
    if topic.internal && request.client_id() != "__admin_client" {
        let text = format!("Cannot append to internal topic {}", topic.name);
        return Err(Fault::new(ErrorCode::InvalidTopicException, text));
    }
    records::check_format(bytes, request.version)?;
    if body.transactional_id.is_none() && records::is_transactional(bytes) {
        return Err(Fault::of(ErrorCode::TransactionalIdAuthorizationFailed));
    }
    let partition = partition.ok_or(Fault::of(ErrorCode::UnknownTopicOrPartition))?;
    let config = topic.config.load();
    let needed = usize::try_from(config.min_insync_replicas).unwrap_or(1);
    if acks == -1 && partition.isr_len() < needed {
        return Err(Fault::of(ErrorCode::NotEnoughReplicas));
    }
    let prepared = records::prepare(bytes, &config, cx.now_ms, cx.broker.decompression_limit())?;
    Ok((partition, prepared))
}

fn no_batch(version: i16) -> Fault {
    let text = format!(
        "Produce requests with version {version} must have at least one record batch per partition"
    );
    Fault::new(ErrorCode::InvalidRecord, text)
}

fn append(cx: &Context<'_>, request: &mut Request, named: &Named, part: &mut Part, acks: i16) {
    let (Some(partition), Some(topic)) = (&part.partition, &named.topic) else { return };
    let options = AppendOptions {
        origin: Origin::Client,
        leader_epoch: partition.leader_epoch(),
        now_ms: cx.now_ms,
        log_append_time: records::has_append_time(&topic.config.load()),
    };
    let appended = match &mut part.prepared {
        Prepared::Rebuilt(rebuilt) => partition.append(rebuilt, &options),
        Prepared::AsTheyAre => partition.append(request.part_mut(part.records.clone()), &options),
        Prepared::Corrected(time) => {
            let bytes = request.part_mut(part.records.clone());
            set_max_timestamp(bytes, TimestampType::CreateTime, *time)
                .map_err(AppendError::Batch)
                .and_then(|()| partition.append(bytes, &options))
        }
    };
    part.result = appended.map_err(|error| fault_of(cx, topic, partition, error));
    if let Ok(appended) = &part.result {
        partition.storage_took(&topic.name);
        cx.broker.metrics.appended(part.records.len());
        cx.broker.after_append(partition, appended, acks == 0);
    }
}

fn fault_of(cx: &Context<'_>, topic: &Topic, partition: &Partition, error: AppendError) -> Fault {
    let code = match &error {
        AppendError::Batch(_) => ErrorCode::CorruptMessage,
        AppendError::Invalid(_) => ErrorCode::InvalidRecord,
        AppendError::TooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Producer(Refusal::Fenced { .. }) => ErrorCode::InvalidProducerEpoch,
        AppendError::Producer(Refusal::OutOfOrder { .. }) => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::Producer(Refusal::NotInTransaction { .. }) => ErrorCode::InvalidTxnState,
        AppendError::OutOfOrder { .. } => ErrorCode::UnknownServerError,
        AppendError::Full(_) | AppendError::Offline(_) => ErrorCode::KafkaStorageError,
        AppendError::Io(error) => {
            cx.broker.disk_failed(partition, error);
            ErrorCode::KafkaStorageError
        }
    };
    if code == ErrorCode::KafkaStorageError {
        partition.storage_refused(&topic.name, &error);
    }
    Fault::new(code, error.to_string())
}

impl Part {
    fn new(topic: usize, index: i32, records: Range<usize>) -> Self {
        let result = Ok(Appended {
            base_offset: -1,
            last_offset: -1,
            log_append_time: -1,
            duplicate: false,
            rolled: false,
            sync_due: false,
        });
        Self { topic, index, records, prepared: Prepared::AsTheyAre, partition: None, result }
    }

    fn refused(topic: usize, index: i32, fault: Fault) -> Self {
        Self { result: Err(fault), ..Self::new(topic, index, 0..0) }
    }

    /// Whether the append is not yet as durable as the client, or the topic, wants it.
    fn must_wait(&self, acks: i16) -> bool {
        let (Ok(appended), Some(partition)) = (&self.result, &self.partition) else { return false };
        let below = partition.must_wait(appended.last_offset + 1);
        appended.sync_due || (below && (acks == -1 || partition.syncs()))
    }
}

async fn wait_for_all(
    envelope: Envelope,
    topics: Vec<Named>,
    mut parts: Vec<Part>,
    (acks, timeout_ms): (i16, i32),
    throttle_ms: i32,
) -> Answer {
    let timeout = std::time::Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let deadline = tokio::time::Instant::now() + timeout;
    for part in &mut parts {
        if !part.must_wait(acks) {
            continue;
        }
        let (Ok(appended), Some(partition)) = (&part.result, &part.partition) else { continue };
        let settled = partition.settled(appended, acks == -1);
        match tokio::time::timeout_at(deadline, settled).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                part.result = Err(Fault::new(ErrorCode::KafkaStorageError, error.to_string()));
            }
            Err(_) => part.result = Err(Fault::of(ErrorCode::RequestTimedOut)),
        }
    }
    answer(&envelope, &topics, &parts, throttle_ms)
}

/// With acks=0 nothing is sent; an error closes the connection, so that the client looks again
/// where the partitions are.
fn without_answer(topics: &[Named], parts: &[Part]) -> Answer {
    let failed = parts.iter().find_map(|part| Some((part, part.result.as_ref().err()?)));
    match failed {
        None => Answer::Silent,
        Some((part, fault)) => {
            let (name, index) = (&topics[part.topic].name, part.index);
            Answer::Close(format!("acks=0 produce to {name}-{index} failed: {}", fault.code.name()))
        }
    }
}

fn answer(envelope: &Envelope, topics: &[Named], parts: &[Part], throttle_ms: i32) -> Answer {
    let mut responses: Vec<TopicProduceResponse<'_>> = topics
        .iter()
        .map(|named| TopicProduceResponse {
            name: Cow::Borrowed(&named.name),
            topic_id: named.id,
            ..TopicProduceResponse::default()
        })
        .collect();
    for part in parts {
        let response = partition_response(part, envelope.version);
        responses[part.topic].partition_responses.push(response);
    }
    let response =
        ProduceResponse { responses, throttle_time_ms: throttle_ms, ..ProduceResponse::default() };
    envelope.answer(&response)
}

fn partition_response(part: &Part, version: i16) -> PartitionProduceResponse<'_> {
    let none = PartitionProduceResponse { index: part.index, ..Default::default() };
    match &part.result {
        Ok(appended) => PartitionProduceResponse {
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time,
            log_start_offset: part.partition.as_ref().map_or(-1, |p| p.start_offset()),
            ..none
        },
        Err(fault) => PartitionProduceResponse {
            error_code: told(fault.code, version, STORAGE_ERROR_FROM).code(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            error_message: fault.text.as_deref().map(Cow::Borrowed),
            record_errors: fault.records.iter().map(record_error).collect(),
            ..none
        },
    }
}

fn record_error((index, text): &(i32, String)) -> BatchIndexAndErrorMessage<'_> {
    BatchIndexAndErrorMessage {
        batch_index: *index,
        batch_index_error_message: Some(Cow::Borrowed(text)),
        ..BatchIndexAndErrorMessage::default()
    }
}
