//! AllocateProducerIds: brokers get blocks of producer ids, each id once in the cluster's life.

use klamm_protocol::{
    ErrorCode,
    messages::{
        AllocateProducerIdsRequest, AllocateProducerIdsResponse, ProducerIdsRecord,
        metadata_record::MetadataRecord,
    },
};

use super::{Decision, Refusal, brokers::current_broker};
use crate::Image;

/// How many ids a block has.
pub const PRODUCER_ID_BLOCK: i32 = 1000;

/// Gives the next block to a broker.
///
/// # Errors
/// `STALE_BROKER_EPOCH`; `UNKNOWN_SERVER_ERROR` if there are no more ids.
pub fn allocate_producer_ids(
    image: &Image,
    request: &AllocateProducerIdsRequest<'_>,
) -> Result<Decision<AllocateProducerIdsResponse<'static>>, Refusal> {
    current_broker(image, request.broker_id, request.broker_epoch)?;
    let start = image.producer_id_next().max(0);
    let next = start.checked_add(i64::from(PRODUCER_ID_BLOCK)).ok_or_else(|| {
        let text = "Exhausted all producerIds as the next block's end producerId has exceeded the \
                    int64 type limit";
        Refusal::new(ErrorCode::UnknownServerError, text)
    })?;
    let record = ProducerIdsRecord {
        broker_id: request.broker_id,
        broker_epoch: request.broker_epoch,
        next_producer_id: next,
        ..ProducerIdsRecord::default()
    };
    Ok(Decision {
        records: vec![MetadataRecord::ProducerIds(record)],
        response: AllocateProducerIdsResponse {
            producer_id_start: start,
            producer_id_len: PRODUCER_ID_BLOCK,
            ..AllocateProducerIdsResponse::default()
        },
    })
}
