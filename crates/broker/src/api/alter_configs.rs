//! AlterConfigs (key 33), versions 0 to 2: everything that is configured on a resource is
//! replaced. IncrementalAlterConfigs is the better way.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse,
        alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
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
    let change = Change::new(body.into_static(), None, refused);
    change.ask(cx, &request, |quorum, body| async move { quorum.alter_configs(body).await })
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
