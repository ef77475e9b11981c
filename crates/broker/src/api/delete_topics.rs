//! DeleteTopics (key 20), versions 0 to 6: topics are deleted, by name or, from version 6 on, by id.

use std::sync::Arc;

use klamm_metadata::Topic;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_response::DeletableTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change, throttle::admit};
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
    let mut body = body.into_static();
    let image = cx.broker.quorum.image();
    let count = |topic: Option<&Arc<Topic>>| {
        topic.map_or(0, |topic| u32::try_from(topic.partitions().count()).unwrap_or(u32::MAX))
    };
    let by_name =
        admit(cx, &request, STRICT_SINCE, &mut body.topic_names, |name| count(image.topic(name)));
    let by_state = admit(cx, &request, STRICT_SINCE, &mut body.topics, |topic| {
        count(match topic.name.as_deref() {
            Some(name) => image.topic(name),
            None => image.topic_by_id(topic.topic_id),
        })
    });
    let left_out = DeleteTopicsRequest {
        topic_names: by_name.refused.clone(),
        topics: by_state.refused.clone(),
        ..DeleteTopicsRequest::default()
    };
    let too_many = refused(&left_out, ErrorCode::ThrottlingQuotaExceeded).responses;
    let change = Change {
        answer: |envelope, response| envelope.answer(&in_words_of(envelope.version, response)),
        ..Change::new(body, timeout_ms, refused)
    };
    let outcome = change.ask(cx, &request, |quorum, body| async move {
        let mut response = quorum.delete_topics(body).await?;
        response.responses.extend(too_many);
        Ok(response)
    });
    by_state.throttle(cx, &request, outcome)
}

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_SINCE: i16 = 5;

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
