//! DeleteTopics (key 20), versions 0 to 6: topics are deleted, by name or, from version 6 on, by id.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_response::DeletableTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteTopics,
    permissions: &[Permission::TopicDelete],
    quota: QuotaClass::ControllerMutation,
    audit: Some("topic.delete"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DeleteTopicsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let timeout_ms = Some(body.timeout_ms);
    let change = Change {
        answer: |envelope, response| envelope.answer(&in_words_of(envelope.version, response)),
        ..Change::new(body.into_static(), timeout_ms, refused)
    };
    change.ask(cx, &request, |quorum, body| async move { quorum.delete_topics(body).await })
}

/// The answer that no topic was deleted.
fn refused(body: &DeleteTopicsRequest<'_>, error: ErrorCode) -> DeleteTopicsResponse<'static> {
    let by_name = body.topic_names.iter().map(|name| (Some(name.clone()), Default::default()));
    let by_state = body.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let result = |(name, topic_id): (Option<std::borrow::Cow<'_, str>>, _)| DeletableTopicResult {
        name: name.map(|name| name.into_owned().into()),
        topic_id,
        error_code: error.code(),
        ..Default::default()
    };
    DeleteTopicsResponse {
        responses: by_name.chain(by_state).map(result).collect(),
        ..Default::default()
    }
}

/// Versions before 3 do not know TOPIC_DELETION_DISABLED.
fn in_words_of(
    version: i16,
    mut response: DeleteTopicsResponse<'static>,
) -> DeleteTopicsResponse<'static> {
    let disabled = ErrorCode::TopicDeletionDisabled.code();
    for topic in response.responses.iter_mut().filter(|topic| topic.error_code == disabled) {
        if version < 3 {
            topic.error_code = ErrorCode::InvalidRequest.code();
        }
    }
    response
}
