//! CreateTopics (key 19), versions 0 to 7: topics are made, or only checked.
//!
//! Answered when this broker serves the new topics.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, create_topics_response::CreatableTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::CreateTopics,
    permissions: &[Permission::ClusterCreate, Permission::TopicCreate],
    quota: QuotaClass::ControllerMutation,
    audit: Some("topic.create"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: CreateTopicsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let timeout_ms = Some(body.timeout_ms);
    let change = Change::new(body.into_static(), timeout_ms, refused);
    change.ask(cx, &request, |quorum, body| async move { quorum.create_topics(body).await })
}

/// The answer that no topic was made.
fn refused(body: &CreateTopicsRequest<'_>, error: ErrorCode) -> CreateTopicsResponse<'static> {
    let topic = |name: &str| CreatableTopicResult {
        name: name.to_owned().into(),
        error_code: error.code(),
        error_message: None,
        ..Default::default()
    };
    CreateTopicsResponse {
        topics: body.topics.iter().map(|t| topic(&t.name)).collect(),
        ..Default::default()
    }
}
