//! CreatePartitions (key 37), versions 0 to 3: topics get more partitions.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::CreatePartitions,
    permissions: &[Permission::TopicAlter],
    quota: QuotaClass::ControllerMutation,
    audit: Some("topic.partitions.create"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: CreatePartitionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let timeout_ms = Some(body.timeout_ms);
    let change = Change::new(body.into_static(), timeout_ms, refused);
    change.ask(cx, &request, |quorum, body| async move { quorum.create_partitions(body).await })
}

/// The answer that nothing was changed.
fn refused(
    body: &CreatePartitionsRequest<'_>,
    error: ErrorCode,
) -> CreatePartitionsResponse<'static> {
    let result = |name: &str| CreatePartitionsTopicResult {
        name: name.to_owned().into(),
        error_code: error.code(),
        ..Default::default()
    };
    CreatePartitionsResponse {
        results: body.topics.iter().map(|topic| result(&topic.name)).collect(),
        ..Default::default()
    }
}
