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

use crate::{
    client::{Client, Failure},
    oracle::{Batch, Place},
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

/// Sends a batch once. `is_first` says that it was never sent before.
pub(crate) async fn produce(
    world: &World,
    client: &mut Client,
    (place, topic): (&Place, Topic),
    batch: &Batch,
    acks: i16,
    is_first: bool,
) -> Produced {
    let codec = match client.random.below(8) {
        0 => Some(CompressionType::Gzip),
        1 => Some(CompressionType::Lz4),
        2 => Some(CompressionType::Snappy),
        _ => None,
    };
    let bytes = records::build(batch, world.plan.value_bytes_max, world.clock.now_ms(), codec);
    let version = client.version(3, 13);
    let partition = PartitionProduceData {
        index: place.1,
        records: Records::Slice(Cow::Owned(bytes)),
        ..Default::default()
    };
    let mut data = TopicProduceData { partition_data: vec![partition], ..Default::default() };
    match version {
        13.. => data.topic_id = topic.id,
        _ => data.name = Cow::Borrowed(&place.0),
    }
    let timeout_ms = i32::try_from(TIMEOUT_MS).unwrap_or(i32::MAX) - 500;
    let request = ProduceRequest { acks, timeout_ms, topic_data: vec![data], ..Default::default() };
    let (shown, start) = {
        let mut oracle = world.oracle();
        oracle.sending(place, *batch);
        (oracle.high_watermark(place), oracle.log_start(place))
    };
    if acks == 0 {
        let sent = client.send(version, &request).await;
        return sent.map_or_else(unanswered, |()| Produced::Unknown(None));
    }
    let reply = match client.call(version, &request, TIMEOUT_MS).await {
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
    if error == ErrorCode::None {
        let mut oracle = world.oracle();
        oracle.acknowledged(place, batch, part.base_offset, is_first.then_some(shown));
        if version >= 5 {
            oracle.shown_start(place, start, part.log_start_offset);
        }
        return Produced::Acknowledged(part.base_offset);
    }
    judge(error)
}

fn unanswered(failure: Failure) -> Produced {
    match failure {
        Failure::NotSent => Produced::Refused(ErrorCode::NetworkException),
        Failure::Unknown => Produced::Unknown(None),
    }
}

/// Errors that come before anything is appended, and others.
fn judge(error: ErrorCode) -> Produced {
    match error {
        ErrorCode::RequestTimedOut
        | ErrorCode::KafkaStorageError
        | ErrorCode::UnknownServerError
        | ErrorCode::NotEnoughReplicasAfterAppend => Produced::Unknown(Some(error)),
        _ => Produced::Refused(error),
    }
}

/// Asks for a producer id.
pub(crate) async fn producer_id(world: &World, client: &mut Client) -> Option<(i64, i16)> {
    let version = client.version(0, 5);
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
