//! Produce and InitProducerId.

use std::borrow::Cow;

use klamm_protocol::{
    ErrorCode,
    messages::{
        InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::CompressionType,
    wire::Records,
};

use super::QUOTA_KEYS;
use crate::{
    client::{Client, Failure, Sent},
    oracle::{Asked, Batch, Format, Place},
    records,
    world::{Topic, World},
};

/// How long a producer waits for an answer, milliseconds.
const TIMEOUT_MS: u64 = 3_000;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Produced {
    Acknowledged(i64),
    /// It was not appended by this request.
    Refused(ErrorCode),
    /// It may have been appended.
    Unknown(Option<ErrorCode>),
}

/// A batch that was sent and whose answer was not yet waited for.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    sent: Sent,
    version: i16,
    asked: Asked,
    is_first: bool,
    /// Which time without faults it was sent in.
    well: Option<u64>,
}

/// A batch as a client of this age sends it.
pub(crate) fn new_batch(
    world: &World,
    client: &Client,
    count_max: u64,
    producer: Option<(i64, i16, i32)>,
) -> Batch {
    let format = match client.version::<ProduceRequest<'_>>() {
        _ if producer.is_some() => Format::V2,
        0 | 1 => Format::V0,
        2 if client.random.chance(1, 4) => Format::V0,
        2 => Format::V1,
        _ => Format::V2,
    };
    let count = 1 + u32::try_from(client.random.below(count_max)).unwrap_or(0);
    Batch { id: world.number(), count, producer, format, timestamp: world.clock.now_ms() }
}

/// Sends a batch once. `is_first` says that it was never sent before.
pub(crate) async fn produce(
    world: &World,
    client: &mut Client,
    (place, topic): (&Place, Topic),
    batch: &Batch,
    acks: i16,
    is_first: bool,
) -> Produced {
    match begin_produce(world, client, (place, topic), batch, acks, is_first).await {
        Ok(_) if acks == 0 => Produced::Unknown(None),
        Ok(on_its_way) => end_produce(world, client, place, batch, on_its_way).await,
        Err(produced) => produced,
    }
}

/// Sends a batch and does not wait for the answer.
pub(crate) async fn begin_produce(
    world: &World,
    client: &mut Client,
    (place, topic): (&Place, Topic),
    batch: &Batch,
    acks: i16,
    is_first: bool,
) -> Result<OnItsWay, Produced> {
    let codec = match client.random.below(8) {
        0 => Some(CompressionType::Gzip),
        1 => Some(CompressionType::Lz4),
        2 => Some(CompressionType::Snappy),
        _ => None,
    };
    let bytes = records::build(batch, world.plan.value_bytes_max, codec);
    let version = match batch.format {
        Format::V0 => client.version_within::<ProduceRequest<'_>>(0, 2),
        Format::V1 => 2,
        Format::V2 => client.version_within::<ProduceRequest<'_>>(3, i16::MAX),
    };
    let partition = PartitionProduceData {
        index: place.1,
        records: Records::Slice(Cow::Owned(bytes)),
        ..Default::default()
    };
    let mut data = TopicProduceData { partition_data: vec![partition], ..Default::default() };
    let by_name = version < 13;
    if by_name {
        data.name = Cow::Borrowed(&place.0);
    } else {
        data.topic_id = topic.id;
    }
    let timeout_ms = i32::try_from(TIMEOUT_MS).unwrap_or(i32::MAX) - 500;
    let request = ProduceRequest { acks, timeout_ms, topic_data: vec![data], ..Default::default() };
    let well = world.well();
    let asked = world.oracle().sending(place, *batch, by_name);
    match client.send(version, &request).await {
        Ok(sent) => Ok(OnItsWay { sent, version, asked, is_first, well }),
        Err(failure) => {
            if failure == Failure::NotSent {
                world.oracle().settled(place, batch);
            }
            Err(unanswered(failure))
        }
    }
}

/// Waits for the answer to the batch that was sent first of those that wait for one.
pub(crate) async fn end_produce(
    world: &World,
    client: &mut Client,
    place: &Place,
    batch: &Batch,
    OnItsWay { sent, version, asked, is_first, well }: OnItsWay,
) -> Produced {
    let reply = match client.answer(sent, TIMEOUT_MS).await {
        Ok(reply) => reply,
        Err(failure) => return unanswered(failure),
    };
    let Ok(response) = reply.decode::<ProduceResponse<'_>>() else {
        world.oracle().not_served(format!("the answer to Produce v{version} cannot be read"));
        return Produced::Unknown(None);
    };
    let answered = response.responses.first().and_then(|topic| topic.partition_responses.first());
    let Some(part) = answered else { return Produced::Unknown(None) };
    let error = ErrorCode::from_code(part.error_code).unwrap_or(ErrorCode::UnknownServerError);
    let mut oracle = world.oracle();
    oracle.held_back(client.name(), QUOTA_KEYS[0], response.throttle_time_ms);
    if !oracle.is_of_now(place, &asked) {
        return judge(error, part.base_offset);
    }
    if error == ErrorCode::None {
        oracle.acknowledged(place, batch, part.base_offset, &asked, is_first);
        if version >= 5 {
            oracle.shown_start(place, &asked, part.log_start_offset);
        }
    }
    oracle.settled(place, batch);
    // Where no disk was at fault, a volume is too full: nothing is written then.
    let is_full = error == ErrorCode::KafkaStorageError && well.is_some() && well == world.well();
    let produced = judge(error, part.base_offset);
    if is_first && is_before_append(produced) {
        oracle.refused(place, batch);
    }
    if is_first && is_full {
        oracle.had_no_room(place, batch);
    }
    produced
}

fn unanswered(failure: Failure) -> Produced {
    match failure {
        Failure::NotSent => Produced::Refused(ErrorCode::NetworkException),
        Failure::Unknown => Produced::Unknown(None),
    }
}

/// Whether an error says that nothing was appended. Old clients hear NOT_LEADER_OR_FOLLOWER of a
/// disk that failed, too.
fn is_before_append(produced: Produced) -> bool {
    !matches!(
        produced,
        Produced::Refused(ErrorCode::NotLeaderOrFollower)
            | Produced::Acknowledged(_)
            | Produced::Unknown(_)
    )
}

/// Errors that come before anything is appended, and others.
fn judge(error: ErrorCode, base_offset: i64) -> Produced {
    match error {
        ErrorCode::None => Produced::Acknowledged(base_offset),
        ErrorCode::RequestTimedOut
        | ErrorCode::KafkaStorageError
        | ErrorCode::UnknownServerError
        | ErrorCode::NotEnoughReplicasAfterAppend => Produced::Unknown(Some(error)),
        _ => Produced::Refused(error),
    }
}

/// Asks for a producer id.
pub(crate) async fn producer_id(world: &World, client: &mut Client) -> Option<(i64, i16)> {
    let version = client.version::<InitProducerIdRequest<'_>>();
    let request = InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: InitProducerIdResponse = reply.decode().ok()?;
    if response.error_code != 0 {
        world.note("producer id", &format!("error {}", response.error_code));
        return None;
    }
    Some((response.producer_id, response.producer_epoch))
}
