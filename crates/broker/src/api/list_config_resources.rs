//! ListConfigResources (key 74), versions 0 and 1: what can be configured, by type (KIP-1142).
//!
//! Version 0 was ListClientMetricsResources and lists only those. Topics and brokers are listed
//! whether or not anything is configured on them, groups and client metrics only if something is.
//!
//! Left out: authorization.

use std::borrow::Cow;

use klamm_metadata::{Image, ResourceKind};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ListConfigResourcesRequest, ListConfigResourcesResponse,
        list_config_resources_response::ConfigResource,
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ListConfigResources,
    permissions: &[Permission::ClusterDescribeConfigs],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// All types, in the order in which Kafka answers them.
const KINDS: [ResourceKind; 5] = [
    ResourceKind::Group,
    ResourceKind::ClientMetrics,
    ResourceKind::BrokerLogger,
    ResourceKind::Broker,
    ResourceKind::Topic,
];

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ListConfigResourcesRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let asked = body.resource_types.iter().map(|number| ResourceKind::from_number(*number));
    let asked: Vec<ResourceKind> = match request.version {
        0 => vec![ResourceKind::ClientMetrics],
        _ if body.resource_types.is_empty() => KINDS.to_vec(),
        _ => asked.collect(),
    };
    if asked.iter().any(|kind| !KINDS.contains(kind)) {
        return Outcome::Now(request.answer(&ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ListConfigResourcesResponse::default()
        }));
    }
    let image = cx.broker.quorum.image();
    let mut resources = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| asked.contains(kind)) {
        let names = names(&image, &cx.peer.listener, kind);
        resources.extend(names.into_iter().map(|name| ConfigResource {
            resource_name: name,
            resource_type: kind.number(),
            ..ConfigResource::default()
        }));
    }
    Outcome::Now(request.answer(&ListConfigResourcesResponse {
        config_resources: resources,
        ..ListConfigResourcesResponse::default()
    }))
}

fn names<'a>(image: &'a Image, listener: &str, kind: ResourceKind) -> Vec<Cow<'a, str>> {
    match kind {
        ResourceKind::Topic => image.topics().map(|topic| Cow::Borrowed(&*topic.name)).collect(),
        ResourceKind::Broker | ResourceKind::BrokerLogger => {
            let nodes = cluster_view::nodes(image, listener);
            nodes.map(|(node, _)| Cow::Owned(node.id.to_string())).collect()
        }
        kind => {
            let configured = image.configured().filter(|resource| resource.kind == kind);
            configured.map(|resource| Cow::Borrowed(&*resource.name)).collect()
        }
    }
}
