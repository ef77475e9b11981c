//! ApiVersions (key 18): which APIs in which versions this broker serves (KIP-35, KIP-511).
//!
//! A version that is not known is answered with error UNSUPPORTED_VERSION in the form of version 0
//! and the range of this API alone, so that the client can ask again.

use std::sync::Arc;

use klamm_metadata::{ResourceKind, features::SUPPORTED};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
};

use super::{APIS, Api, Context, Permission, QuotaClass};
use crate::{
    broker::Broker,
    request::{Envelope, Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::ApiVersions,
    permissions: &[Permission::Anyone],
    quota: QuotaClass::Exempt,
    audit: None,
    handle,
};

/// The oldest versions that clients must see for Produce: librdkafka compresses only if 0 is in
/// the range (KAFKA-18659), which is served anyway.
fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ApiVersionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let named = request.version < 3
        || (is_name(&body.client_software_name) && is_name(&body.client_software_version));
    if !named {
        let response = ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            ..ApiVersionsResponse::default()
        };
        return Outcome::Now(request.answer(&response));
    }
    if request.version >= 3 {
        cx.peer.client.named(&body.client_software_name, &body.client_software_version);
    }
    Outcome::Now(request.answer(&supported(cx.broker, request.version)))
}

/// A name as KIP-511 allows it: letters, digits, dots and dashes, no dot or dash at either end.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.chars().all(inner) && edge(name.chars().next()) && edge(name.chars().next_back())
}

fn supported(broker: &Broker, version: i16) -> ApiVersionsResponse<'static> {
    let image = broker.quorum.image();
    let features = image.features();
    // As Kafka, which offers telemetry only if somebody wants it: clients would ask in vain.
    let measured = image.configured().any(|resource| resource.kind == ResourceKind::ClientMetrics);
    ApiVersionsResponse {
        api_keys: APIS
            .iter()
            .filter(|api| measured || !is_telemetry(api.key))
            .map(|api| range_of(api))
            .collect(),
        // Clients of version 3 take a range that begins at 0 for damage (KAFKA-17011).
        supported_features: SUPPORTED
            .iter()
            .filter(|feature| version >= 4 || feature.min > 0)
            .map(|feature| SupportedFeatureKey {
                name: feature.name.into(),
                min_version: feature.min,
                max_version: feature.max,
                ..SupportedFeatureKey::default()
            })
            .collect(),
        finalized_features_epoch: broker.quorum.applied_offset(),
        finalized_features: features
            .iter()
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.to_owned().into(),
                max_version_level: level,
                min_version_level: level,
                ..FinalizedFeatureKey::default()
            })
            .collect(),
        ..ApiVersionsResponse::default()
    }
}

fn is_telemetry(key: ApiKey) -> bool {
    matches!(key, ApiKey::GetTelemetrySubscriptions | ApiKey::PushTelemetry)
}

fn range_of(api: &Api) -> ApiVersion<'static> {
    let versions = api.versions();
    ApiVersion {
        api_key: api.key as i16,
        min_version: versions.min,
        max_version: versions.max,
        ..ApiVersion::default()
    }
}

/// The answer to a version that is not known.
pub(crate) fn unsupported_version(_broker: &Arc<Broker>, request: &Request) -> Outcome {
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![range_of(&API)],
        ..ApiVersionsResponse::default()
    };
    let envelope = Envelope { version: 0, ..request.envelope() };
    Outcome::Now(envelope.answer(&response))
}
