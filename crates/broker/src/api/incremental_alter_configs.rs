//! IncrementalAlterConfigs (key 44), versions 0 and 1: single keys of a resource are set, taken back,
//! or have entries added or removed (KIP-339).

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::IncrementalAlterConfigs,
    permissions: &[Permission::TopicAlterConfigs, Permission::ClusterAlterConfigs],
    quota: QuotaClass::Request,
    audit: Some("config.alter"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: IncrementalAlterConfigsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    let asked = body.clone();
    Outcome::Later(Box::pin(async move {
        let response = match broker.quorum.incremental_alter_configs(body).await {
            Ok(response) => response,
            Err(error) => refused(&asked, error.code()),
        };
        broker.caught_up_with_quorum().await;
        envelope.answer(&response)
    }))
}

/// The answer that nothing was changed.
fn refused(
    body: &IncrementalAlterConfigsRequest<'_>,
    error: ErrorCode,
) -> IncrementalAlterConfigsResponse<'static> {
    let resource = |kind: i8, name: &str| AlterConfigsResourceResponse {
        error_code: error.code(),
        resource_type: kind,
        resource_name: name.to_owned().into(),
        ..Default::default()
    };
    let resources = body.resources.iter();
    IncrementalAlterConfigsResponse {
        responses: resources.map(|r| resource(r.resource_type, &r.resource_name)).collect(),
        ..Default::default()
    }
}
