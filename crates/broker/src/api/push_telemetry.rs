//! PushTelemetry (key 72), version 0: metrics of a client (KIP-714).
//!
//! Checked as in Kafka; what is pushed becomes series of `/metrics`.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{PushTelemetryRequest, PushTelemetryResponse},
};

use super::{Api, Context, Permission, QuotaClass, get_telemetry_subscriptions::facts};
use crate::{
    broker::unsigned,
    request::{Outcome, Request},
    telemetry::Push,
};

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
    let settings = cx.broker.settings.load();
    let push = Push {
        subscription: body.subscription_id,
        terminating: body.terminating,
        compression: body.compression_type,
        bytes: &body.metrics,
        bytes_max: unsigned(settings.requests.telemetry_max_bytes),
        series_max: unsigned(settings.observe.client_series_max),
    };
    let facts = facts(cx, &request, body.client_instance_id);
    let outcome = cx.broker.telemetry.push(&facts, &push, cx.now_ms);
    let error = outcome.err().unwrap_or(ErrorCode::None);
    Outcome::Now(request.answer(&PushTelemetryResponse {
        error_code: error.code(),
        ..PushTelemetryResponse::default()
    }))
}
