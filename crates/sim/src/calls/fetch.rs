//! Fetch, with and without a session.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_protocol::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
        fetch_response::PartitionData,
    },
    wire::Uuid,
};

use super::QUOTA_KEYS;
use crate::{
    client::Client,
    oracle::{Asked, Format, Oracle, Place, RecordId},
    records::{self, OVERHEAD_BYTES},
    world::{Topic, World},
};

/// A fetch session as the client knows it.
#[derive(Debug, Default)]
pub(crate) struct Session {
    id: i32,
    epoch: i32,
    /// One version as long as the session lasts: topics are named the same way.
    version: i16,
    /// What the broker remembers.
    told: BTreeMap<Place, i64>,
}

/// What is wanted: where to begin in each partition.
pub(crate) type Want = BTreeMap<Place, (Topic, i64)>;

/// What was found in a partition.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: i64,
    /// The records from the offset asked for on.
    pub(crate) records: Vec<(i64, RecordId)>,
    /// Where to go on.
    pub(crate) next: i64,
}

/// How much is read and how long it may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    wait_ms: i32,
    bytes_min: i32,
    bytes_max: i32,
    partition_bytes_max: i32,
}

/// Fetches once. None if there is no answer, or the session is not known any more.
pub(crate) async fn fetch(
    world: &World,
    client: &mut Client,
    session: &mut Option<Session>,
    want: &Want,
    wait_ms: u64,
) -> Option<BTreeMap<Place, Answered>> {
    if !client.is_connected() {
        *session = session.take().map(|_| Session::default());
    }
    let version = version(client, session.as_mut());
    let limits = limits(world, client, version, wait_ms);
    let request = request(version, session.as_ref(), want, limits);
    let asked: BTreeMap<Place, Asked> = {
        let mut oracle = world.oracle();
        want.keys().map(|place| (place.clone(), oracle.asked(place))).collect()
    };
    let reply = client.call(version, &request, wait_ms + 3_000).await.ok()?;
    let Ok(response) = reply.decode::<FetchResponse<'_>>() else {
        world.oracle().not_served(format!("the answer to Fetch v{version} cannot be read"));
        return None;
    };
    world.oracle().held_back(client.name(), QUOTA_KEYS[1], response.throttle_time_ms);
    if response.error_code != 0 {
        if let Some(session) = session {
            *session = Session::default();
        }
        return None;
    }
    if let Some(session) = session {
        session.answered(response.session_id, want);
    }
    let mut found = BTreeMap::new();
    for topic in &response.responses {
        let by_id = |(_, (known, _)): &(&Place, &(Topic, i64))| known.id == topic.topic_id;
        let name = match version {
            13.. => want.iter().find(by_id).map(|(place, _)| place.0.clone()),
            _ => Some(topic.topic.clone().into_owned()),
        };
        for part in &topic.partitions {
            let Some(place) = name.clone().map(|name| (name, part.partition_index)) else {
                continue;
            };
            let (Some((_, from)), Some(asked)) = (want.get(&place), asked.get(&place)) else {
                continue;
            };
            let id = (version >= 13).then_some(topic.topic_id);
            let answered = check(world, &place, *from, asked, (version, id), part);
            found.insert(place, answered);
        }
    }
    Some(found)
}

/// Up to version 2 a reader must ask for enough for a whole batch.
fn limits(world: &World, client: &Client, version: i16, wait_ms: u64) -> Limits {
    let enough = if version < 3 { 5 * (world.plan.value_bytes_max + OVERHEAD_BYTES) } else { 1 };
    let at_least_enough =
        |most: u64| i32::try_from(enough + client.random.below(most)).unwrap_or(i32::MAX);
    Limits {
        wait_ms: i32::try_from(wait_ms).unwrap_or(0),
        bytes_min: if client.random.chance(1, 4) { 500 } else { 1 },
        bytes_max: at_least_enough(200_000),
        partition_bytes_max: at_least_enough(40_000),
    }
}

fn version(client: &Client, session: Option<&mut Session>) -> i16 {
    match session {
        None => client.version::<FetchRequest<'_>>(),
        Some(session) => {
            if session.version == 0 {
                session.version = client.version_within::<FetchRequest<'_>>(7, i16::MAX);
            }
            session.version
        }
    }
}

fn request<'a>(
    version: i16,
    session: Option<&Session>,
    want: &'a Want,
    limits: Limits,
) -> FetchRequest<'a> {
    let is_new = |place: &Place, from: i64| match session {
        Some(session) if session.id != 0 => session.told.get(place) != Some(&from),
        _ => true,
    };
    let mut topics: Vec<FetchTopic<'a>> = Vec::new();
    for (place, (topic, from)) in want.iter().filter(|(place, (_, from))| is_new(place, *from)) {
        let partition = FetchPartition {
            partition: place.1,
            current_leader_epoch: -1,
            fetch_offset: *from,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: limits.partition_bytes_max,
            ..Default::default()
        };
        let (name, id) = match version {
            13.. => (Cow::Borrowed(""), topic.id),
            _ => (Cow::Borrowed(place.0.as_str()), Uuid::ZERO),
        };
        match topics.last_mut() {
            Some(last) if last.topic == name && last.topic_id == id => {
                last.partitions.push(partition);
            }
            _ => topics.push(FetchTopic {
                topic: name,
                topic_id: id,
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    FetchRequest {
        replica_id: -1,
        max_wait_ms: limits.wait_ms,
        min_bytes: limits.bytes_min,
        max_bytes: limits.bytes_max,
        session_id: session.map_or(0, |session| session.id),
        session_epoch: session.map_or(-1, |session| session.epoch),
        topics,
        forgotten_topics_data: Vec::<ForgottenTopic<'_>>::new(),
        ..Default::default()
    }
}

impl Session {
    fn answered(&mut self, id: i32, want: &Want) {
        if id == 0 {
            *self = Self::default();
            return;
        }
        self.id = id;
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
        self.told = want.iter().map(|(place, (_, from))| (place.clone(), *from)).collect();
    }
}

/// Tells the oracle what one partition gave, by the id of its topic if that was asked for.
fn check(
    world: &World,
    place: &Place,
    from: i64,
    asked: &Asked,
    (version, id): (i16, Option<Uuid>),
    part: &PartitionData<'_>,
) -> Answered {
    let error = ErrorCode::from_code(part.error_code).unwrap_or(ErrorCode::UnknownServerError);
    let mut answered =
        Answered { error, high_watermark: part.high_watermark, records: Vec::new(), next: from };
    let mut oracle = world.oracle();
    if error != ErrorCode::None {
        return answered;
    }
    if !oracle.is_of_now(place, asked) {
        answered.error = ErrorCode::UnknownTopicOrPartition;
        return answered;
    }
    if let Some(id) = id {
        oracle.read_by_id(&place.0, id);
    }
    oracle.shown(place, asked, part.high_watermark);
    if version >= 5 {
        oracle.shown_start(place, asked, part.log_start_offset);
    }
    let (bytes, value_bytes_max) = (part.records.bytes(), world.plan.value_bytes_max);
    let read = match version {
        0 | 1 => {
            read_messages(&mut oracle, place, bytes, Format::V0, value_bytes_max, &mut answered)
        }
        2 | 3 => {
            read_messages(&mut oracle, place, bytes, Format::V1, value_bytes_max, &mut answered)
        }
        _ => read_batches(&mut oracle, place, bytes, value_bytes_max, &mut answered),
    };
    match read {
        Ok(()) => {
            oracle.fetched_to(place, answered.next.max(0), part.high_watermark.max(from));
        }
        Err(error) => {
            let text = format!("Fetch v{version} from {from}, {} bytes: {error}", bytes.len());
            oracle.read_garbage(place, &text);
        }
    }
    answered
}

fn read_batches(
    oracle: &mut Oracle,
    place: &Place,
    bytes: &[u8],
    value_bytes_max: u64,
    answered: &mut Answered,
) -> Result<(), String> {
    for (at, batch) in records::read(bytes, value_bytes_max)?.iter().enumerate() {
        oracle.batch_follows(place, answered.next, at == 0, (batch.base, batch.last));
        if oracle.read_batch(place, &batch.records, batch.producer) {
            for (offset, id) in batch.records.iter().filter_map(|r| Some((r.offset, r.id?))) {
                oracle.seen(place, offset, id);
                answered.records.push((offset, id));
            }
        }
        answered.next = batch.last + 1;
    }
    Ok(())
}

/// Batches are no batches any more for an old reader. What it did not ask for, as the beginning of
/// a compressed message, it leaves out.
fn read_messages(
    oracle: &mut Oracle,
    place: &Place,
    bytes: &[u8],
    format: Format,
    value_bytes_max: u64,
    answered: &mut Answered,
) -> Result<(), String> {
    let from = answered.next;
    for record in records::read_messages(bytes, format, value_bytes_max)? {
        let is_whole = oracle.read_record(place, &record, format);
        if let Some(id) = record.id.filter(|_| is_whole) {
            oracle.seen(place, record.offset, id);
        }
        if record.offset < from {
            continue;
        }
        oracle.batch_follows(place, answered.next, false, (record.offset, record.offset));
        answered.records.extend(record.id.map(|id| (record.offset, id)));
        answered.next = record.offset + 1;
    }
    Ok(())
}
