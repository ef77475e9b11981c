//! Produce (key 0), versions 0 to 13.
//!
//! Appends record batches to partitions. Records are checked and appended where they stand in the
//! request's buffer; only message sets of the old formats, and batches whose topic wants another
//! codec, are rebuilt.
//!
//! Cost per partition: one CRC, one `pwrite`; per request: the decoded list of partitions.
//!
//! The first records of a transaction in a partition are appended when the transaction's coordinator
//! knows of the partition: from version 12 on it is told, before it is asked (KIP-890).

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
use klamm_transactions::{Batch, Guard, Refusal, Verified, coordinator::Partitions};

use super::{Api, Context, Permission, QuotaClass, told};
use crate::{
    broker::Broker,
    partition::{Partition, Topic},
    quotas::Payer,
    records::{self, Fault, Prepared},
    request::{Answer, Envelope, Outcome, Request},
    transactions::{Enlisted, Operation, Refused, enlist},
};

pub(crate) const API: Api = Api {
    key: ApiKey::Produce,
    permissions: &[Permission::TopicWrite, Permission::TransactionalIdWrite],
    quota: QuotaClass::Produce,
    audit: None,
    handle,
};

/// From this version on producers know KAFKA_STORAGE_ERROR.
const STORAGE_ERROR_FROM: i16 = 4;

/// From this version on clients know TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;

/// From this version on clients leave it to the broker to add partitions to transactions.
const ADDS_FROM: i16 = 12;

/// One partition's part of a request, and what became of it.
struct Part {
    topic: usize,
    index: i32,
    records: Range<usize>,
    prepared: Prepared,
    /// Whether the records get the time of their append.
    append_time: bool,
    /// The batch of a transaction, if it is one.
    transactional: Option<Batch>,
    /// What shows that the transaction is open.
    guard: Guard,
    partition: Option<Arc<Partition>>,
    result: Result<Appended, Fault>,
}

/// A topic as the request names it.
struct Named {
    name: String,
    id: Uuid,
    topic: Option<Arc<Topic>>,
}

/// A request that has been looked at, and what to do it with.
struct Produce {
    broker: Arc<Broker>,
    now_ms: i64,
    request: Request,
    acks: i16,
    timeout_ms: i32,
    topics: Vec<Named>,
    parts: Vec<Part>,
    /// Who pays for it, if quotas are set.
    payer: Option<Payer>,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let (acks, timeout_ms, topics, mut parts) = match plan(cx, &request) {
        Ok(plan) => plan,
        Err(error) => return error.into(),
    };
    let enlisted = enlist_new(cx, &request, &topics, &mut parts);
    let broker = Arc::clone(cx.broker);
    let payer = broker.quotas.limits(Kind::Produce);
    let payer = payer.then(|| Payer::new(request.client_id(), &cx.peer.mute));
    let mut produce =
        Produce { broker, now_ms: cx.now_ms, request, acks, timeout_ms, topics, parts, payer };
    match enlisted {
        None => produce.append(),
        Some(Enlisted::Now(refused)) => {
            produce.refuse(refused);
            produce.append()
        }
        // The next request must not overtake this one, so it is not looked at before.
        Some(Enlisted::Later(refused)) => Outcome::Later(Box::pin(async move {
            produce.refuse(refused.await);
            match produce.append() {
                Outcome::Now(answer) => answer,
                Outcome::Later(later) | Outcome::Pipelined(later) => later.await,
            }
        })),
    }
}

impl Produce {
    fn append(mut self) -> Outcome {
        for part in &mut self.parts {
            if part.result.is_ok() {
                let named = &self.topics[part.topic];
                append(&self.broker, self.now_ms, &mut self.request, named, part, self.acks);
            }
        }
        self.count();
        let throttle_ms = self.payer.as_ref().map_or(0, |payer| self.charge(payer));
        let Self { request, acks, timeout_ms, topics, parts, .. } = self;
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

    /// Counts what came of it.
    fn count(&self) {
        let (mut records, mut bytes) = (0, 0);
        for part in &self.parts {
            let Some(topic) = &self.topics[part.topic].topic else { continue };
            let traffic = &topic.traffic;
            traffic.produce_requests.one();
            match &part.result {
                Ok(appended) if !appended.duplicate => {
                    let new = (appended.last_offset - appended.base_offset + 1).unsigned_abs();
                    traffic.records_in.add(new);
                    traffic.record_bytes_in.add(part.records.len() as u64);
                    records += new;
                    bytes += part.records.len() as u64;
                }
                Ok(_) => {}
                Err(_) => traffic.produce_failures.one(),
            }
        }
        self.broker.metrics.produced(records, bytes);
    }

    /// Charges the client for the request and the topics for their records; how long the client is
    /// held back, milliseconds.
    fn charge(&self, payer: &Payer) -> i32 {
        let settings = self.broker.settings.load();
        let taken = |part: &&Part| part.result.is_ok() && part.partition.is_some();
        let records = self.parts.iter().filter(taken).filter_map(|part| {
            let topic = self.topics[part.topic].topic.as_ref()?;
            Some((&*topic.name, part.records.len() as u64))
        });
        let (total, now_ms) = (self.request.len() as u64, self.now_ms);
        let (kind, quotas) = (Kind::Produce, &self.broker.quotas);
        let charged = quotas.charge_bytes(kind, payer, total, records, now_ms, &settings.quotas);
        payer.hold_back(charged.throttle_ms, now_ms);
        self.broker.metrics.throttled(kind, charged.throttle_ms);
        i32::try_from(charged.throttle_ms).unwrap_or(i32::MAX)
    }

    /// Takes out the partitions that are not part of the transaction.
    fn refuse(&mut self, refused: Refused) {
        let adds = self.request.version >= ADDS_FROM;
        for ((topic, index), error) in refused {
            let named = |part: &&mut Part| {
                let name = self.topics[part.topic].topic.as_ref().map(|topic| &topic.name);
                part.index == index && name == Some(&topic) && part.result.is_ok()
            };
            for part in self.parts.iter_mut().filter(named) {
                part.result = Err(unlisted(error, adds));
            }
        }
    }
}

/// What a producer is told when its partition is not part of the transaction. Errors that it would
/// not try again after have another name for it.
fn unlisted(error: ErrorCode, adds: bool) -> Fault {
    match error {
        ErrorCode::InvalidTxnState => {
            Fault::new(error, "Partition was not added to the transaction")
        }
        ErrorCode::ConcurrentTransactions if adds => Fault::of(error),
        ErrorCode::ConcurrentTransactions
        | ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => {
            let text = format!(
                "Unable to verify the partition has been added to the transaction. Underlying \
                 error: {}",
                error.name()
            );
            Fault::new(ErrorCode::NotEnoughReplicas, text)
        }
        error => Fault::of(error),
    }
}

/// Begins to ask the coordinator about partitions that do not know the transaction of their records.
fn enlist_new(
    cx: &Context<'_>,
    request: &Request,
    topics: &[Named],
    parts: &mut [Part],
) -> Option<Enlisted> {
    if parts.iter().all(|part| part.transactional.is_none()) {
        return None;
    }
    let adds = request.version >= ADDS_FROM;
    let settings = cx.broker.settings.load();
    if !adds && !settings.transactions.partition_verification_enable {
        return None;
    }
    let mut producer = None;
    let mut partitions = Partitions::new();
    for part in parts.iter_mut().filter(|part| part.result.is_ok()) {
        let (Some(batch), Some(partition)) = (part.transactional, &part.partition) else {
            continue;
        };
        let of = (batch.producer_id, batch.epoch);
        if *producer.get_or_insert(of) != of {
            let text = "Transactional records contained more than one producer ID";
            part.result = Err(Fault::new(ErrorCode::InvalidProducerIdMapping, text));
            continue;
        }
        let Some(log) = partition.log() else { continue };
        match log.begin_verification(&batch, adds, cx.now_ms) {
            Ok(Verified::Ongoing) => part.guard = Guard::Ongoing,
            Ok(Verified::Ask(guard)) => {
                part.guard = Guard::Asked(guard);
                let name = topics[part.topic].topic.as_ref().map(|topic| topic.name.clone());
                partitions.entry(name.unwrap_or_default()).or_default().insert(part.index);
            }
            Err(refusal) => {
                let text = refusal.to_string();
                part.result = Err(Fault::new(ErrorCode::InvalidProducerEpoch, text));
            }
        }
    }
    if partitions.is_empty() {
        return None;
    }
    let body: ProduceRequest<'_> = request.body().ok()?;
    let operation = match adds {
        true => Operation::Add,
        false => Operation::Verify { abortable: request.version >= ABORTABLE_FROM },
    };
    let id = body.transactional_id.unwrap_or_default();
    Some(enlist(cx.broker, &id, producer?, partitions, operation))
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
                Ok((partition, prepared, append_time)) => {
                    part.partition = Some(partition);
                    part.prepared = prepared;
                    part.append_time = append_time;
                    if body.transactional_id.is_some() {
                        part.transactional = records::transactional(bytes);
                    }
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

/// Everything that can be said against the records before they are appended; if nothing, where they
/// go, in which form, and whether they get the time of their append.
fn check(
    cx: &Context<'_>,
    request: &Request,
    body: &ProduceRequest<'_>,
    found: Found<'_>,
    bytes: &[u8],
) -> Result<(Arc<Partition>, Prepared, bool), Fault> {
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
    Ok((partition, prepared, records::has_append_time(&config)))
}

fn no_batch(version: i16) -> Fault {
    let text = format!(
        "Produce requests with version {version} must have at least one record batch per partition"
    );
    Fault::new(ErrorCode::InvalidRecord, text)
}

fn append(
    broker: &Arc<Broker>,
    now_ms: i64,
    request: &mut Request,
    named: &Named,
    part: &mut Part,
    acks: i16,
) {
    let (Some(partition), Some(topic)) = (&part.partition, &named.topic) else { return };
    let options = AppendOptions {
        log_append_time: part.append_time,
        guard: part.guard,
        ..AppendOptions::new(Origin::Client, partition.leader_epoch(), now_ms)
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
    part.result = appended.map_err(|error| fault_of(broker, topic, partition, error));
    if let Ok(appended) = &part.result {
        partition.storage_took(&topic.name);
        broker.after_append(partition, appended, acks == 0);
    }
}

fn fault_of(broker: &Broker, topic: &Topic, partition: &Partition, error: AppendError) -> Fault {
    let code = match &error {
        AppendError::Batch(_) => ErrorCode::CorruptMessage,
        AppendError::Invalid(_) => ErrorCode::InvalidRecord,
        AppendError::TooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Producer(Refusal::Fenced { .. }) => ErrorCode::InvalidProducerEpoch,
        AppendError::Producer(Refusal::OutOfOrder { .. }) => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::Producer(_) => ErrorCode::InvalidTxnState,
        AppendError::OutOfOrder { .. } => ErrorCode::UnknownServerError,
        AppendError::Restricted => {
            broker.metrics.disks.refused_appends.one();
            return Fault::new(ErrorCode::KafkaStorageError, error.to_string());
        }
        AppendError::Full(_) | AppendError::Offline(_) => ErrorCode::KafkaStorageError,
        AppendError::Io(error) => {
            broker.disk_failed(partition, error);
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
        Self {
            topic,
            index,
            records,
            prepared: Prepared::AsTheyAre,
            append_time: false,
            transactional: None,
            guard: Guard::NotAsked,
            partition: None,
            result,
        }
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
