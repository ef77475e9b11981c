//! GetTelemetrySubscriptions (key 71), version 0: which metrics a client should push (KIP-714).
//!
//! What the client-metrics resources of the cluster want of a client like this one; nothing if no
//! one matches, then the client asks again after the interval. Jitter of the first push is up to
//! clients, as the KIP has it.

use klamm_protocol::{
    ApiKey,
    messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse},
    wire::Uuid,
};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    request::{Outcome, Request},
    telemetry::Facts,
};

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
    let facts = facts(cx, &request, client);
    let response = match cx.broker.telemetry.ask(&facts, cx.now_ms) {
        Ok(asked) => GetTelemetrySubscriptionsResponse {
            client_instance_id: client,
            subscription_id: asked.subscription,
            accepted_compression_types: COMPRESSION_TYPES.to_vec(),
            push_interval_ms: asked.interval_ms,
            telemetry_max_bytes: cx.broker.settings.load().requests.telemetry_max_bytes,
            delta_temporality: true,
            requested_metrics: asked.metrics.into_iter().map(Into::into).collect(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
        Err(error) => GetTelemetrySubscriptionsResponse {
            error_code: error.code(),
            ..GetTelemetrySubscriptionsResponse::default()
        },
    };
    Outcome::Now(request.answer(&response))
}

/// What is known of a client.
pub(super) fn facts(cx: &Context<'_>, request: &Request, instance: Uuid) -> Facts {
    let software = cx.peer.client.software();
    Facts {
        instance,
        client_id: request.client_id().to_owned(),
        software_name: software.name.to_string(),
        software_version: software.version.to_string(),
        address: cx.peer.address,
    }
}
