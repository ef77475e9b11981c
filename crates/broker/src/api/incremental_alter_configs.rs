//! IncrementalAlterConfigs (key 44), versions 0 and 1: single keys of a resource are set, taken back,
//! or have entries added or removed (KIP-339).

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
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
    let change = Change::new(body.into_static(), None, refused);
    change.ask(
        cx,
        &request,
        |quorum, body| async move { quorum.incremental_alter_configs(body).await },
    )
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
