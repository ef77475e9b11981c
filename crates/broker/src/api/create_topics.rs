//! CreateTopics (key 19), versions 0 to 7: topics are made, or only checked.
//!
//! Answered when this broker serves the new topics.

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, create_topics_response::CreatableTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass};
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
    let body = body.into_static();
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    // As in Kafka, whose controller finds that the time is up before it begins.
    if body.timeout_ms <= 0 {
        return Outcome::Now(request.answer(&refused(&body, ErrorCode::RequestTimedOut)));
    }
    let asked = body.clone();
    Outcome::Later(Box::pin(async move {
        let response = match broker.quorum.create_topics(body).await {
            Ok(response) => response,
            Err(error) => refused(&asked, error.code()),
        };
        broker.caught_up_with_quorum().await;
        envelope.answer(&response)
    }))
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
