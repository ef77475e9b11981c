//! InitProducerId (key 22), versions 0 to 5: an id and an epoch for an idempotent producer, or for
//! the producer of a transactional id, which fences whoever had the id before.

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};
use klamm_transactions::coordinator::{Answer as Told, Command};

use super::{Api, Context, Permission, QuotaClass, txn_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::InitProducerId,
    permissions: &[Permission::TransactionalIdWrite, Permission::ClusterIdempotentWrite],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// From this version on producers know PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: InitProducerIdRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let expected = match (body.producer_id, body.producer_epoch) {
        (-1, -1) => None,
        // Both or neither, as in Kafka.
        (-1, _) | (_, -1) => {
            let told = Told::error(ErrorCode::InvalidRequest);
            return Outcome::Now(request.answer(&response(told, request.version)));
        }
        expected => Some(expected),
    };
    if let Some(id) = &body.transactional_id {
        let command = Command::InitProducerId {
            timeout_ms: body.transaction_timeout_ms,
            two_phase: body.enable_2pc,
            keep_prepared: body.keep_prepared_txn,
            expected,
        };
        return txn_call::call(cx, &request, id, command, |envelope, told| {
            envelope.answer(&response(told, envelope.version))
        });
    }
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    Outcome::Later(Box::pin(async move {
        let told = match broker.producer_ids.next(&broker).await {
            Ok(producer_id) => Told { error: ErrorCode::None, producer: (producer_id, 0) },
            Err(error) => Told::error(error),
        };
        envelope.answer(&response(told, envelope.version))
    }))
}

fn response(told: Told, version: i16) -> InitProducerIdResponse<'static> {
    let error = match told.error {
        ErrorCode::ProducerFenced if version < FENCED_FROM => ErrorCode::InvalidProducerEpoch,
        error => error,
    };
    let (producer_id, producer_epoch) = told.producer;
    InitProducerIdResponse {
        error_code: error.code(),
        producer_id,
        producer_epoch,
        ..InitProducerIdResponse::default()
    }
}
