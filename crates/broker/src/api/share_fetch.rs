//! ShareFetch (key 78), versions 1 and 2: a member of a share group acquires records, and says in
//! the same request what it did with others (KIP-932). Version 2 has an exact number of records and
//! renewals (KIP-1206, KIP-1222).
//!
//! Records are sent from the file as by Fetch: whole batches, with the ranges of them that were
//! acquired. Without any, the answer waits for appends and for records that come back.

use std::{collections::BTreeMap, sync::Arc};

use klamm_env::net::Piece;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ShareFetchRequest, ShareFetchResponse,
        share_fetch_response::{
            AcquiredRecords, LeaderIdAndEpoch, PartitionData, ShareFetchableTopicResponse,
        },
    },
    wire::Records,
};
use klamm_security::quota::Kind;
use tokio::time::Duration;

use super::{Api, Context, Permission, QuotaClass, share_call};
use crate::{
    broker::Broker,
    quotas::Payer,
    request::{Answer, Envelope, Outcome, Request},
    share::{Fetch, Got, MemberKey, Place, fetch, settings},
};

pub(crate) const API: Api = Api {
    key: ApiKey::ShareFetch,
    permissions: &[Permission::GroupRead, Permission::TopicRead],
    quota: QuotaClass::Fetch,
    audit: None,
    handle,
};

/// With this epoch a session begins.
const INITIAL_EPOCH: i32 = 0;
/// With this epoch a session ends.
const FINAL_EPOCH: i32 = -1;
/// `share_acquire_mode` of an exact number of records.
const RECORD_LIMIT: i8 = 1;

/// A share fetch, independent of its request.
struct Plan {
    envelope: Envelope,
    acknowledged: share_call::Acknowledged,
    fetch: Fetch,
    /// Whether every partition is answered, not only those with news.
    is_full: bool,
    is_final: bool,
    /// Who is charged, if there are quotas.
    payer: Option<Payer>,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ShareFetchRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let plan = match plan(cx, &request, &body) {
        Ok(plan) => plan,
        Err((error, text)) => return refuse(&request, &body, error, text),
    };
    let broker = Arc::clone(cx.broker);
    Outcome::Later(Box::pin(async move { serve(&broker, plan).await }))
}

/// Who meets too many sessions is told so only after the time that it would have waited for
/// records, so that it does not ask again at once.
fn refuse(
    request: &Request,
    body: &ShareFetchRequest<'_>,
    error: ErrorCode,
    text: Option<String>,
) -> Outcome {
    let response = ShareFetchResponse {
        error_code: error.code(),
        error_message: text.map(Into::into).or_else(|| share_call::text_of_request(error)),
        ..ShareFetchResponse::default()
    };
    if error != ErrorCode::ShareSessionLimitReached {
        return Outcome::Now(request.answer(&response));
    }
    let (envelope, wait) = (request.envelope(), millis(body.max_wait_ms));
    Outcome::Later(Box::pin(async move {
        tokio::time::sleep(wait).await;
        envelope.answer(&response)
    }))
}

/// Why a request is not served.
type Refused = (ErrorCode, Option<String>);

fn plan(
    cx: &Context<'_>,
    request: &Request,
    body: &ShareFetchRequest<'_>,
) -> Result<Plan, Refused> {
    let only = |error| (error, None);
    if !share_call::is_on(cx) {
        return Err(only(ErrorCode::UnsupportedVersion));
    }
    let member = share_call::member(body.group_id.as_deref(), body.member_id.as_deref())
        .map_err(|text| (ErrorCode::InvalidRequest, Some(text.to_owned())))?;
    check_renewal(body)?;
    let acknowledged = acknowledged(body);
    let has_any = acknowledged.values().any(|of| of.as_ref().is_ok_and(|of| !of.is_empty()));
    let epoch = body.share_session_epoch;
    let mut places = session(cx, body, &member, has_any).map_err(only)?;
    // Nobody is always last.
    let turn = usize::try_from(epoch.max(0)).unwrap_or(0) % places.len().max(1);
    places.rotate_left(turn);
    if body.is_renew_ack {
        places.clear();
    }
    let unsigned = |n: i32| u64::try_from(n).unwrap_or(0);
    let quotas = &cx.broker.quotas;
    let payer = quotas.limits(Kind::Fetch).then(|| Payer::new(request.client_id(), &cx.peer.mute));
    Ok(Plan {
        envelope: request.envelope(),
        acknowledged: acknowledged.into_iter().filter(|(_, of)| !is_nothing(of)).collect(),
        fetch: Fetch {
            member,
            places,
            records_max: body.max_records.into(),
            batch_size: i64::from(body.batch_size).max(1),
            is_exact: body.share_acquire_mode == RECORD_LIMIT,
            bytes_min: unsigned(body.min_bytes),
            bytes_max: unsigned(body.max_bytes).min(cx.broker.fetch_bytes_max()),
            wait: millis(body.max_wait_ms),
        },
        is_full: epoch == INITIAL_EPOCH,
        is_final: epoch == FINAL_EPOCH,
        payer,
    })
}

fn is_nothing(
    of: &Result<Vec<klamm_groups::share::partition::Acknowledgement>, ErrorCode>,
) -> bool {
    of.as_ref().is_ok_and(Vec::is_empty)
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Who renews does not fetch.
fn check_renewal(body: &ShareFetchRequest<'_>) -> Result<(), Refused> {
    if !body.is_renew_ack {
        return Ok(());
    }
    let limits = [
        ("maxBytes", body.max_bytes),
        ("minBytes", body.min_bytes),
        ("maxRecords", body.max_records),
        ("maxWaitMs", body.max_wait_ms),
    ];
    let set = limits.iter().filter(|(_, value)| *value != 0);
    let text: String = set.map(|(name, _)| format!("{name} must be set to 0, ")).collect();
    if text.is_empty() {
        return Ok(());
    }
    Err((ErrorCode::InvalidRequest, Some(format!("{text}if isRenewAck is true."))))
}

fn acknowledged(body: &ShareFetchRequest<'_>) -> share_call::Acknowledged {
    let rules = share_call::Rules { may_renew: body.is_renew_ack };
    let mut acknowledged = BTreeMap::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            let ranges = partition.acknowledgement_batches.iter();
            let ranges =
                ranges.map(|of| (of.first_offset, of.last_offset, of.acknowledge_types.clone()));
            let place = (topic.topic_id, partition.partition_index);
            acknowledged.insert(place, share_call::checked(ranges, rules));
        }
    }
    acknowledged
}

/// Begins, takes up or ends the member's session; gives what is to be fetched.
fn session(
    cx: &Context<'_>,
    body: &ShareFetchRequest<'_>,
    member: &MemberKey,
    acknowledges: bool,
) -> Result<Vec<Place>, ErrorCode> {
    let named = body.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.topic_id, partition.partition_index))
    });
    let named: Vec<Place> = named.collect();
    let sessions = &cx.broker.shares.sessions;
    match body.share_session_epoch {
        FINAL_EPOCH => sessions.check(member).map(|()| Vec::new()),
        INITIAL_EPOCH if acknowledges => Err(ErrorCode::InvalidRequest),
        INITIAL_EPOCH => {
            let max = cx.broker.settings.load().groups.share.sessions_max;
            sessions.begin(member.clone(), named.clone(), cx.peer.address, max)?;
            Ok(named)
        }
        epoch => {
            let forgotten = body.forgotten_topics_data.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| (topic.topic_id, *partition))
            });
            let forgotten: Vec<Place> = forgotten.collect();
            sessions.resume(member, epoch, &named, &forgotten)
        }
    }
}

async fn serve(broker: &Arc<Broker>, plan: Plan) -> Answer {
    let Plan { envelope, acknowledged, fetch: wanted, is_full, is_final, payer } = plan;
    let done = share_call::acknowledge(broker, &wanted.member, acknowledged).await;
    let mut got = fetch(broker, &wanted).await;
    if !is_full {
        got.retain(|got| got.has_news() || done.contains_key(&got.place));
    }
    let throttle_ms = charge(broker, payer, &got);
    let (response, pieces) = response(broker, &wanted.member, done, got, throttle_ms);
    if is_final {
        broker.shares.end_session(broker, &wanted.member);
    }
    envelope.answer_with(&response, pieces)
}

/// Charges the client and the topics for what was acquired, and holds the client back.
fn charge(broker: &Broker, payer: Option<Payer>, got: &[Got]) -> i32 {
    let Some(payer) = payer else { return 0 };
    let (now_ms, settings) = (broker.env.clock.now_ms(), broker.settings.load());
    let topics: Vec<_> = got
        .iter()
        .filter(|got| got.len() > 0)
        .filter_map(|got| Some((broker.topics.by_id(got.place.0)?, got.len())))
        .collect();
    let total = topics.iter().map(|(_, bytes)| bytes).sum();
    let each = topics.iter().map(|(topic, bytes)| (&*topic.name, *bytes));
    let quotas = &broker.quotas;
    let charged = quotas.charge_bytes(Kind::Fetch, &payer, total, each, now_ms, &settings.quotas);
    payer.hold_back(charged.throttle_ms, now_ms);
    i32::try_from(charged.throttle_ms).unwrap_or(i32::MAX)
}

fn response(
    broker: &Broker,
    member: &MemberKey,
    mut done: BTreeMap<Place, ErrorCode>,
    mut got: Vec<Got>,
    throttle_time_ms: i32,
) -> (ShareFetchResponse<'static>, Vec<Piece>) {
    let mut pieces = Vec::new();
    let mut responses = Vec::new();
    // A topic stands once, and the records in the order of the partitions.
    got.sort_by_key(|got| got.place.0);
    for got in got {
        let error = done.remove(&got.place).unwrap_or(ErrorCode::None);
        let place = got.place;
        push(&mut responses, place, partition_data(broker, &got, error));
        pieces.extend(got.piece.filter(|piece| !piece.is_empty()));
    }
    for (place, error) in done {
        let nothing = Got { place, error: ErrorCode::None, acquired: Vec::new(), piece: None };
        push(&mut responses, place, partition_data(broker, &nothing, error));
    }
    let (of_group, _) = settings(broker, &member.0);
    let response = ShareFetchResponse {
        throttle_time_ms,
        acquisition_lock_timeout_ms: of_group.record_lock_duration_ms,
        responses,
        ..ShareFetchResponse::default()
    };
    (response, pieces)
}

/// Adds a partition to its topic, or begins the topic.
fn push(
    topics: &mut Vec<ShareFetchableTopicResponse<'static>>,
    place: Place,
    data: PartitionData<'static>,
) {
    match topics.iter_mut().find(|topic| topic.topic_id == place.0) {
        Some(topic) => topic.partitions.push(data),
        None => topics.push(ShareFetchableTopicResponse {
            topic_id: place.0,
            partitions: vec![data],
            ..ShareFetchableTopicResponse::default()
        }),
    }
}

fn partition_data(broker: &Broker, got: &Got, acknowledged: ErrorCode) -> PartitionData<'static> {
    let records = match usize::try_from(got.len()) {
        Ok(len) if len > 0 => Records::External(len),
        _ => Records::Slice(std::borrow::Cow::Borrowed(&[])),
    };
    let acquired = |of: &klamm_groups::share::partition::Acquired| AcquiredRecords {
        first_offset: of.first,
        last_offset: of.last,
        delivery_count: of.deliveries,
        ..AcquiredRecords::default()
    };
    let mut data = PartitionData {
        partition_index: got.place.1,
        error_code: got.error.code(),
        error_message: share_call::text(got.error),
        acknowledge_error_code: acknowledged.code(),
        acknowledge_error_message: share_call::text(acknowledged),
        records,
        acquired_records: got.acquired.iter().map(acquired).collect(),
        ..PartitionData::default()
    };
    if share_call::has_moved(got.error) || share_call::has_moved(acknowledged) {
        let (leader_id, leader_epoch) = share_call::leader(broker, got.place);
        data.current_leader =
            LeaderIdAndEpoch { leader_id, leader_epoch, ..LeaderIdAndEpoch::default() };
    }
    data
}
