//! AlterConfigs (key 33), versions 0 to 2: everything that is configured on a resource is
//! replaced. IncrementalAlterConfigs is the better way.

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse,
        alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::AlterConfigs,
    permissions: &[Permission::TopicAlterConfigs, Permission::ClusterAlterConfigs],
    quota: QuotaClass::Request,
    audit: Some("config.alter"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AlterConfigsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    let asked = body.clone();
    Outcome::Later(Box::pin(async move {
        let response = match broker.quorum.alter_configs(body).await {
            Ok(response) => response,
            Err(error) => refused(&asked, error.code()),
        };
        broker.caught_up_with_quorum().await;
        envelope.answer(&response)
    }))
}

/// The answer that nothing was changed.
fn refused(body: &AlterConfigsRequest<'_>, error: ErrorCode) -> AlterConfigsResponse<'static> {
    let resource = |kind: i8, name: &str| AlterConfigsResourceResponse {
        error_code: error.code(),
        resource_type: kind,
        resource_name: name.to_owned().into(),
        ..Default::default()
    };
    let resources = body.resources.iter();
    AlterConfigsResponse {
        responses: resources.map(|r| resource(r.resource_type, &r.resource_name)).collect(),
        ..Default::default()
    }
}
