//! PushTelemetry (key 72), version 0: metrics of a client (KIP-714).
//!
//! The request is checked as in Kafka and its metrics are dropped. Left out: looking into them, by
//! which Kafka finds that they do not decompress (INVALID_RECORD).

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{PushTelemetryRequest, PushTelemetryResponse},
};

use super::{Api, Context, Permission, QuotaClass, telemetry::Push};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::PushTelemetry,
    permissions: &[Permission::Anyone],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: PushTelemetryRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let bytes_max = cx.broker.settings.load().requests.telemetry_max_bytes;
    let push = Push {
        client: body.client_instance_id,
        subscription: body.subscription_id,
        terminating: body.terminating,
        compression: body.compression_type,
        bytes: body.metrics.len(),
        bytes_max: usize::try_from(bytes_max).unwrap_or(0),
    };
    let outcome = cx.broker.telemetry.push(&push, cx.peer.address, cx.now_ms);
    let error = outcome.err().unwrap_or(ErrorCode::None);
    Outcome::Now(request.answer(&PushTelemetryResponse {
        error_code: error.code(),
        ..PushTelemetryResponse::default()
    }))
}
