//! Fetch (key 1), versions 0 to 18.
//!
//! Reads records from partitions, waits for them if there are too few, and sends them from the
//! file: large ranges with `sendfile`, small ones gathered into one write. The first batch of the
//! first partition that has any is always whole (KIP-74). Sessions are KIP-227's. Readers of
//! versions 0 to 3 get the formats that they know.
//!
//! Cost of a poll that finds its records: per partition one or two short locks and one read; no
//! copy of large ranges.
//!
//! Left out: followers, preferred replicas.

use std::{borrow::Cow, sync::Arc};

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch_response::{
            AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
        },
    },
    wire::{Records, Uuid},
};
use klamm_security::quota::Kind;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use super::{Api, Context, Permission, QuotaClass, told};
use crate::{
    broker::Broker,
    fetch_read::{Loaded, Part, load, read_all},
    fetch_sessions::{Session, SessionError, Target, Want},
    partition::{Isolation, Wait},
    quotas::{Charged, Payer},
    request::{Answer, Envelope, Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::Fetch,
    permissions: &[Permission::TopicRead],
    quota: QuotaClass::Fetch,
    audit: None,
    handle,
};

/// From this version on readers know KAFKA_STORAGE_ERROR.
const STORAGE_ERROR_FROM: i16 = 6;

/// A fetch, independent of its request.
struct Plan {
    envelope: Envelope,
    wants: Vec<(Target, Want)>,
    session: Option<Arc<Mutex<Session>>>,
    /// Whether every partition is answered, not only those with news.
    is_full: bool,
    limits: Limits,
    wait: Duration,
    /// Who is charged, if there are quotas.
    payer: Option<Payer>,
}

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes_min: u64,
    pub(crate) bytes_max: u64,
    pub(crate) isolation: Isolation,
    /// Versions 0 to 2 get a part of the first batch rather than more than they asked for.
    pub(crate) hard: bool,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: FetchRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let plan = match plan(cx, &request, &body) {
        Ok(plan) => plan,
        Err(error) => return Outcome::Now(session_error(&request, error)),
    };
    let parts = read_all(cx.broker, &plan.wants, &plan.limits);
    if is_enough(&plan, &parts) {
        return finish(cx.broker, plan, parts);
    }
    let broker = Arc::clone(cx.broker);
    Outcome::Later(Box::pin(wait(broker, plan, parts)))
}

fn plan(
    cx: &Context<'_>,
    request: &Request,
    body: &FetchRequest<'_>,
) -> Result<Plan, SessionError> {
    let by_id = request.version >= 13;
    let wants = wants(body);
    let session_of = (body.session_id, body.session_epoch);
    let sessions = &cx.broker.fetch_sessions;
    let (wants, session, is_full) = match session_of {
        (id, 0 | -1) => {
            if id != 0 {
                sessions.remove(id);
            }
            let begun = if body.session_epoch == 0 && request.version >= 7 {
                sessions.create(cx.now_ms, by_id, wants.clone())
            } else {
                None
            };
            (wants, begun, true)
        }
        _ => {
            let forgotten = forgotten(body);
            let news = sessions.resume(cx.now_ms, session_of, by_id, wants, &forgotten)?;
            let wants = news.as_ref().map_or_else(Vec::new, |session| session.lock().wants());
            (wants, news, false)
        }
    };
    let quotas = &cx.broker.quotas;
    let payer = quotas.limits(Kind::Fetch).then(|| Payer::new(request.client_id(), &cx.peer.mute));
    let mut limits = limits(cx.broker, request.version, body);
    if let Some(payer) = &payer {
        let settings = cx.broker.settings.load();
        limits.bytes_max = limits.bytes_max.min(quotas.fetch_bytes_max(payer, &settings.quotas));
    }
    Ok(Plan {
        envelope: request.envelope(),
        wants,
        session,
        is_full,
        limits,
        payer,
        wait: Duration::from_millis(u64::try_from(body.max_wait_ms).unwrap_or(0)),
    })
}

fn limits(broker: &Broker, version: i16, body: &FetchRequest<'_>) -> Limits {
    let unsigned = |n: i32| u64::try_from(n).unwrap_or(0);
    Limits {
        bytes_min: unsigned(body.min_bytes),
        // Before version 3 a request has no such limit, but the broker has.
        bytes_max: unsigned(body.max_bytes).min(broker.fetch_bytes_max()),
        isolation: match body.isolation_level {
            1 => Isolation::ReadCommitted,
            _ => Isolation::ReadUncommitted,
        },
        hard: version < 3,
    }
}

fn wants(body: &FetchRequest<'_>) -> Vec<(Target, Want)> {
    let mut wants = Vec::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            let target = Target {
                topic: topic.topic.clone().into_owned(),
                id: topic.topic_id,
                index: partition.partition,
            };
            let want = Want {
                offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                // Any negative number is none.
                leader_epoch: partition.current_leader_epoch.max(-1),
                last_fetched_epoch: partition.last_fetched_epoch,
            };
            wants.push((target, want));
        }
    }
    wants
}

fn forgotten(body: &FetchRequest<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    for topic in &body.forgotten_topics_data {
        for index in &topic.partitions {
            let topic_name = topic.topic.clone().into_owned();
            targets.push(Target { topic: topic_name, id: topic.topic_id, index: *index });
        }
    }
    targets
}

/// Whether the answer need not wait for more.
fn is_enough(plan: &Plan, parts: &[Part]) -> bool {
    let bytes: u64 = parts.iter().map(Part::len).sum();
    plan.wait.is_zero()
        || parts.is_empty()
        || bytes >= plan.limits.bytes_min
        || parts.iter().any(|part| part.is_error() || part.diverging.is_some())
}

/// Waits until there is enough or the time is up. So far this is there.
async fn wait(broker: Arc<Broker>, plan: Plan, mut parts: Vec<Part>) -> Answer {
    let deadline = Instant::now() + plan.wait;
    let wait = Wait::new();
    let watching: Vec<_> = parts.iter().filter_map(|part| part.watch(&wait)).collect();
    // What came after the partitions were read and before they were watched wakes nobody.
    let mut is_outdated = parts.iter().any(Part::is_outdated);
    loop {
        if is_outdated {
            parts = read_all(&broker, &plan.wants, &plan.limits);
            if is_enough(&plan, &parts) {
                break;
            }
        }
        if tokio::time::timeout_at(deadline, wait.notified()).await.is_err() {
            break;
        }
        is_outdated = true;
    }
    drop(watching);
    match finish(&broker, plan, parts) {
        Outcome::Now(answer) => answer,
        Outcome::Later(later) | Outcome::Pipelined(later) => later.await,
    }
}

/// Brings the records to where they can be sent from, and answers.
fn finish(broker: &Arc<Broker>, plan: Plan, parts: Vec<Part>) -> Outcome {
    let version = plan.envelope.version;
    let charged = charge(broker, &plan, &parts);
    broker.metrics.throttled(Kind::Fetch, charged.throttle_ms);
    let throttle_ms = i32::try_from(charged.throttle_ms).unwrap_or(i32::MAX);
    if charged.was_above && throttle_ms > 0 {
        return Outcome::Now(nothing_yet(&plan, throttle_ms));
    }
    count(broker, &parts);
    match load(broker, version, parts) {
        Loaded::Ready(parts) => Outcome::Now(answer(&plan, parts, throttle_ms)),
        Loaded::Cold(later) => {
            Outcome::Later(Box::pin(async move { answer(&plan, later.await, throttle_ms) }))
        }
    }
}

/// Counts what is about to be answered.
fn count(broker: &Broker, parts: &[Part]) {
    let mut bytes = 0;
    for part in parts {
        let Some(topic) = &part.topic else { continue };
        topic.traffic.fetch_requests.one();
        if part.is_error() {
            topic.traffic.fetch_failures.one();
        } else if part.len() > 0 {
            topic.traffic.record_bytes_out.add(part.len());
            bytes += part.len();
        }
    }
    broker.metrics.fetched(bytes);
}

/// Charges the client and the topics for what was found, and holds the client back. What brings a
/// client above its quota is still sent, however large: a batch that is larger than the quota
/// would never come otherwise. A client that is above gets nothing, and is not charged.
fn charge(broker: &Broker, plan: &Plan, parts: &[Part]) -> Charged {
    let Some(payer) = &plan.payer else { return Charged::FREE };
    let (now_ms, settings) = (broker.env.clock.now_ms(), broker.settings.load());
    let topics = || {
        let with_records = parts.iter().filter(|part| part.len() > 0);
        with_records.filter_map(|part| Some((&*part.topic.as_ref()?.name, part.len())))
    };
    let total = topics().map(|(_, bytes)| bytes).sum();
    let (quotas, kind) = (&broker.quotas, Kind::Fetch);
    let charged = quotas.charge_bytes(kind, payer, total, topics(), now_ms, &settings.quotas);
    if charged.was_above && charged.throttle_ms > 0 {
        quotas.refund_bytes(kind, payer, total, topics(), now_ms, &settings.quotas);
    }
    payer.hold_back(charged.throttle_ms, now_ms);
    charged
}

/// The answer to a client that is above its quota: it is to come again.
fn nothing_yet(plan: &Plan, throttle_ms: i32) -> Answer {
    let session_id = plan.session.as_ref().map_or(0, |session| session.lock().id);
    let response =
        FetchResponse { throttle_time_ms: throttle_ms, session_id, ..FetchResponse::default() };
    plan.envelope.answer(&response)
}

fn answer(plan: &Plan, parts: Vec<Part>, throttle_ms: i32) -> Answer {
    let mut session = plan.session.as_ref().map(|session| session.lock());
    let mut response = FetchResponse {
        throttle_time_ms: throttle_ms,
        session_id: session.as_ref().map_or(0, |session| session.id),
        ..FetchResponse::default()
    };
    let mut pieces = Vec::new();
    for part in parts {
        let told = (part.high_watermark, part.log_start_offset);
        let must_tell = session.as_mut().is_none_or(|session| {
            let has_records = part.len() > 0 || part.diverging.is_some();
            let is_error = part.is_error();
            session.tell(&part.target, plan.is_full, has_records, is_error, told)
        });
        if !must_tell {
            continue;
        }
        let data = partition_data(plan, &part);
        pieces.extend(part.piece.filter(|piece| !piece.is_empty()));
        push(&mut response.responses, part.target, data);
    }
    drop(session);
    plan.envelope.answer_with(&response, pieces)
}

/// Adds a partition to the topic it follows, or begins the topic.
fn push(
    topics: &mut Vec<FetchableTopicResponse<'static>>,
    target: Target,
    data: PartitionData<'static>,
) {
    match topics.last_mut() {
        Some(topic) if topic.topic == target.topic && topic.topic_id == target.id => {
            topic.partitions.push(data);
        }
        _ => topics.push(FetchableTopicResponse {
            topic: Cow::Owned(target.topic),
            topic_id: target.id,
            partitions: vec![data],
            ..FetchableTopicResponse::default()
        }),
    }
}

fn partition_data(plan: &Plan, part: &Part) -> PartitionData<'static> {
    let committed = plan.limits.isolation == Isolation::ReadCommitted;
    let records = match usize::try_from(part.len()) {
        Ok(len) if len > 0 => Records::External(len),
        _ => Records::Slice(Cow::Borrowed(&[])),
    };
    let diverging = part.diverging.map(|(epoch, end_offset)| EpochEndOffset {
        epoch,
        end_offset,
        ..EpochEndOffset::default()
    });
    PartitionData {
        partition_index: part.target.index,
        error_code: told(part.error, plan.envelope.version, STORAGE_ERROR_FROM).code(),
        high_watermark: part.high_watermark,
        last_stable_offset: part.last_stable_offset,
        log_start_offset: part.log_start_offset,
        diverging_epoch: diverging.unwrap_or_default(),
        aborted_transactions: (committed && !part.is_error())
            .then(|| part.aborted.iter().map(aborted).collect()),
        records,
        ..PartitionData::default()
    }
}

fn aborted(of: &klamm_log::AbortedTransaction) -> AbortedTransaction<'static> {
    AbortedTransaction {
        producer_id: of.producer_id,
        first_offset: of.first_offset,
        ..AbortedTransaction::default()
    }
}

fn session_error(request: &Request, error: SessionError) -> Answer {
    let code = match error {
        SessionError::NotFound => ErrorCode::FetchSessionIdNotFound,
        SessionError::InvalidEpoch => ErrorCode::InvalidFetchSessionEpoch,
        SessionError::TopicIdsDiffer => ErrorCode::FetchSessionTopicIdError,
    };
    request.answer(&FetchResponse { error_code: code.code(), ..FetchResponse::default() })
}

/// Whether a target names its topic by id.
pub(crate) fn names_by_id(target: &Target) -> bool {
    target.id != Uuid::ZERO
}
