//! The pages.

use std::sync::Arc;

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use klamm_broker::SlowRequest;
use klamm_metrics::Format;
use serde::Serialize;

use crate::{Shared, listener::Caller};

const STARTING: &str = "the broker starts";

pub(crate) async fn index() -> &'static str {
    "/metrics\n/livez\n/readyz\n/debug/slow-requests\n"
}

/// All metrics, in the text that the caller accepts.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let Some(broker) = shared.broker.get() else { return unavailable(STARTING) };
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(&accepts.collect::<Vec<_>>().join(","));
    let text = broker.metrics(format).await;
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// The process answers.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The broker can serve clients, or why not.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.broker.get().map(|broker| broker.unready()) {
        Some(None) => "ok\n".into_response(),
        Some(Some(reason)) => unavailable(&reason),
        None => unavailable(STARTING),
    }
}

fn unavailable(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

/// The requests that were slow, the newest first. It names clients and when they did what, so it is
/// for callers on this machine.
pub(crate) async fn slow_requests(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Caller(caller)): ConnectInfo<Caller>,
) -> Response {
    if !caller.ip().to_canonical().is_loopback() {
        let reason = "this is told to callers on the same machine only\n";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    let Some(broker) = shared.broker.get() else { return unavailable(STARTING) };
    let requests = broker.slow_requests();
    Json(SlowRequests { requests: requests.iter().map(Slow::of).collect() }).into_response()
}

#[derive(Debug, Serialize)]
struct SlowRequests<'a> {
    requests: Vec<Slow<'a>>,
}

/// A request that was slow. Times of stages are microseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Slow<'a> {
    timestamp_ms: i64,
    api: &'a str,
    version: i16,
    correlation_id: i32,
    client_id: &'a str,
    client_address: String,
    listener: &'a str,
    request_bytes: usize,
    response_bytes: u64,
    total_us: u64,
    queue_us: u64,
    local_us: u64,
    remote_us: u64,
    throttle_us: u64,
    send_us: u64,
}

impl<'a> Slow<'a> {
    fn of(request: &'a SlowRequest) -> Self {
        let stages = &request.stages;
        Self {
            timestamp_ms: request.at_ms,
            api: request.api,
            version: request.version,
            correlation_id: request.correlation_id,
            client_id: &request.client_id,
            client_address: request.address.to_string(),
            listener: &request.listener,
            request_bytes: request.request_bytes,
            response_bytes: request.response_bytes,
            total_us: stages.total,
            queue_us: stages.queue,
            local_us: stages.local,
            remote_us: stages.remote,
            throttle_us: stages.throttle,
            send_us: stages.send,
        }
    }
}
