//! PushTelemetry (key 72), version 0: metrics of a client (KIP-714).
//!
//! Checked as in Kafka; what is pushed becomes series of `/metrics`.

use std::sync::Arc;

use klamm_env::disk;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{PushTelemetryRequest, PushTelemetryResponse},
};

use super::{Api, Context, Permission, QuotaClass, get_telemetry_subscriptions::facts};
use crate::{
    broker::{Broker, unsigned},
    request::{Answer, Outcome, Request},
    telemetry::{Facts, Push},
};

pub(crate) const API: Api = Api {
    key: ApiKey::PushTelemetry,
    permissions: &[Permission::Anyone],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// What is pushed is read on the disk's threads: it may become large.
fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let client = match request.body::<PushTelemetryRequest<'_>>() {
        Ok(body) => body.client_instance_id,
        Err(error) => return error.into(),
    };
    let (facts, now_ms) = (facts(cx, &request, client), cx.now_ms);
    let broker = Arc::clone(cx.broker);
    Outcome::Later(Box::pin(async move {
        let disk = Arc::clone(&broker.env.disk);
        let work = move || push(&broker, &request, &facts, now_ms);
        let stopped = |error| Answer::Close(format!("cannot read what is pushed: {error}"));
        disk::run(&disk, work).await.unwrap_or_else(stopped)
    }))
}

fn push(broker: &Broker, request: &Request, facts: &Facts, now_ms: i64) -> Answer {
    let body: PushTelemetryRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return Answer::Close(format!("malformed request: {error}")),
    };
    let settings = broker.settings.load();
    let push = Push {
        subscription: body.subscription_id,
        terminating: body.terminating,
        compression: body.compression_type,
        bytes: &body.metrics,
        bytes_max: unsigned(settings.requests.telemetry_max_bytes),
        series_max: unsigned(settings.observe.client_series_max),
    };
    let outcome = broker.telemetry.push(facts, &push, now_ms);
    let error = outcome.err().unwrap_or(ErrorCode::None);
    request.answer(&PushTelemetryResponse {
        error_code: error.code(),
        ..PushTelemetryResponse::default()
    })
}
