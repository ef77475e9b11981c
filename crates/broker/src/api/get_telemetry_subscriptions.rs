//! GetTelemetrySubscriptions (key 71), version 0: which metrics a client should push (KIP-714).
//!
//! None, as in a Kafka where nobody subscribed: the client gets an id and asks again after the
//! interval. Stored subscriptions (client-metrics resources) change nothing, because this broker
//! has no use for the metrics.

use klamm_protocol::{
    ApiKey,
    messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse},
    wire::Uuid,
};

use super::{Api, Context, Permission, QuotaClass, telemetry};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::GetTelemetrySubscriptions,
    permissions: &[Permission::Anyone],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// zstd, lz4, gzip, snappy: Kafka's order of preference.
const COMPRESSION_TYPES: [i8; 4] = [4, 3, 1, 2];

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: GetTelemetrySubscriptionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let client = match body.client_instance_id {
        Uuid::ZERO => Uuid::from_bytes(cx.broker.env.random.uuid_bytes()),
        known => known,
    };
    let response = match cx.broker.telemetry.ask(client, cx.peer.address, cx.now_ms) {
        Ok(()) => GetTelemetrySubscriptionsResponse {
            client_instance_id: client,
            subscription_id: telemetry::subscription_of(client),
            accepted_compression_types: COMPRESSION_TYPES.to_vec(),
            push_interval_ms: telemetry::PUSH_INTERVAL_MS,
            telemetry_max_bytes: cx.broker.settings.load().requests.telemetry_max_bytes,
            delta_temporality: true,
            ..GetTelemetrySubscriptionsResponse::default()
        },
        Err(error) => GetTelemetrySubscriptionsResponse {
            error_code: error.code(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
    };
    Outcome::Now(request.answer(&response))
}
