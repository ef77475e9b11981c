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

use crate::{
    client::Client,
    oracle::{Place, RecordId},
    records,
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
    let limits = Limits {
        wait_ms: i32::try_from(wait_ms).unwrap_or(0),
        bytes_min: if client.random.chance(1, 4) { 500 } else { 1 },
        bytes_max: 1 + i32::try_from(client.random.below(200_000)).unwrap_or(0),
        partition_bytes_max: 1 + i32::try_from(client.random.below(40_000)).unwrap_or(0),
    };
    if !client.is_connected() {
        *session = session.take().map(|_| Session::default());
    }
    let version = version(client, session.as_mut());
    let request = request(version, session.as_ref(), want, limits);
    let asked: BTreeMap<Place, (i64, i64)> = {
        let mut oracle = world.oracle();
        let shown = |place: &Place| (oracle.high_watermark(place), oracle.log_start(place));
        want.keys()
            .cloned()
            .map(|place| (place.clone(), place))
            .map({
                let mut shown = shown;
                move |(key, place)| (key, shown(&place))
            })
            .collect()
    };
    let reply = client.call(version, &request, wait_ms + 3_000).await.ok()?;
    let Ok(response) = reply.decode::<FetchResponse<'_>>() else {
        world.oracle().not_served(format!("the answer to Fetch v{version} cannot be read"));
        return None;
    };
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
            let answered = check(world, &place, *from, *asked, version, part);
            found.insert(place, answered);
        }
    }
    Some(found)
}

fn version(client: &Client, session: Option<&mut Session>) -> i16 {
    match session {
        None => client.version(4, 18),
        Some(session) => {
            if session.version == 0 {
                session.version = client.version(7, 18);
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

fn check(
    world: &World,
    place: &Place,
    from: i64,
    (high_watermark, start): (i64, i64),
    version: i16,
    part: &PartitionData<'_>,
) -> Answered {
    let error = ErrorCode::from_code(part.error_code).unwrap_or(ErrorCode::UnknownServerError);
    let mut answered =
        Answered { error, high_watermark: part.high_watermark, records: Vec::new(), next: from };
    if error != ErrorCode::None {
        return answered;
    }
    let mut oracle = world.oracle();
    oracle.shown(place, high_watermark, part.high_watermark);
    if version >= 5 {
        oracle.shown_start(place, start, part.log_start_offset);
    }
    let batches = match records::read(part.records.bytes(), world.plan.value_bytes_max) {
        Ok(batches) => batches,
        Err(error) => {
            oracle.read_garbage(
                place,
                &format!("from {from}, {} bytes: {error}", part.records.len()),
            );
            return answered;
        }
    };
    for (at, batch) in batches.iter().enumerate() {
        oracle.batch_follows(place, answered.next, at == 0, (batch.base, batch.last));
        if oracle.read_batch(place, &batch.ids, batch.producer) {
            for (offset, id) in (batch.base..).zip(batch.ids.iter().copied().flatten()) {
                oracle.seen(place, offset, id);
                answered.records.push((offset, id));
            }
        }
        answered.next = batch.last + 1;
    }
    oracle.fetched_to(place, answered.next.max(0), part.high_watermark.max(from));
    answered
}
