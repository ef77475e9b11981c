//! InitProducerId (key 22), versions 0 to 6: an id for an idempotent producer.
//!
//! Left out: transactional ids.

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::InitProducerId,
    permissions: &[Permission::ClusterIdempotentWrite],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: InitProducerIdRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let failed = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    // Both or neither, as in Kafka.
    if (body.producer_id == -1) != (body.producer_epoch == -1) {
        return Outcome::Now(request.answer(&failed(ErrorCode::InvalidRequest)));
    }
    if body.transactional_id.as_deref() == Some("") {
        return Outcome::Now(request.answer(&failed(ErrorCode::InvalidRequest)));
    }
    if body.transactional_id.is_some() {
        return Outcome::Now(request.answer(&failed(ErrorCode::CoordinatorNotAvailable)));
    }
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    Outcome::Later(Box::pin(async move {
        let response = match broker.producer_ids.next(&broker).await {
            Ok(producer_id) => {
                InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }
            }
            Err(error) => failed(error),
        };
        envelope.answer(&response)
    }))
}
