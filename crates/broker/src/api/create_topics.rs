//! CreateTopics (key 19), versions 0 to 7: topics are made, or only checked.
//!
//! Answered when this broker serves the new topics.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, create_topics_request::CreatableTopic,
        create_topics_response::CreatableTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change, throttle::admit};
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
    let mut body = body.into_static();
    let default = cx.broker.settings.load().topics.num_partitions;
    let partitions = |topic: &CreatableTopic<'_>| partitions(topic, default);
    let admission = admit(cx, &request, STRICT_SINCE, &mut body.topics, partitions);
    let exceeded = ErrorCode::ThrottlingQuotaExceeded;
    let too_many: Vec<_> =
        admission.refused.iter().map(|topic| result(&topic.name, exceeded)).collect();
    let change = Change::new(body, timeout_ms, refused);
    let outcome = change.ask(cx, &request, |quorum, body| async move {
        let mut response = quorum.create_topics(body).await?;
        response.topics.extend(too_many);
        Ok(response)
    });
    admission.throttle(cx, &request, outcome)
}

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_SINCE: i16 = 6;

/// How many partitions a topic is to get.
fn partitions(topic: &CreatableTopic<'_>, default: i32) -> u32 {
    let asked = match topic.assignments.len() {
        0 if topic.num_partitions < 0 => return u32::try_from(default).unwrap_or(0),
        0 => topic.num_partitions,
        assigned => return u32::try_from(assigned).unwrap_or(u32::MAX),
    };
    u32::try_from(asked).unwrap_or(0)
}

fn result(name: &str, error: ErrorCode) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        name: name.to_owned().into(),
        error_code: error.code(),
        error_message: None,
        ..Default::default()
    }
}

/// The answer that no topic was made.
fn refused(body: &CreateTopicsRequest<'_>, error: ErrorCode) -> CreateTopicsResponse<'static> {
    CreateTopicsResponse {
        topics: body.topics.iter().map(|topic| result(&topic.name, error)).collect(),
        ..Default::default()
    }
}
