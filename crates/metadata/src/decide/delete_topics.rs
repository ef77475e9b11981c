//! DeleteTopics.

use klamm_protocol::{
    ErrorCode,
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, RemoveTopicRecord,
        delete_topics_response::DeletableTopicResult, metadata_record::MetadataRecord,
    },
    wire::Uuid,
};

use super::{Context, Decision, Refusal};
use crate::Image;

/// One entry of the request, of any version: a name, an id, both or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted<'a> {
    name: Option<&'a str>,
    id: Uuid,
}

/// Decides about topics to be deleted, by name or by id, each by itself.
///
/// # Errors
/// `TOPIC_DELETION_DISABLED` for the whole request if `delete.topic.enable` is off. Clients of
/// versions before 3 do not know that code: Kafka tells them `INVALID_REQUEST`.
pub fn delete_topics(
    image: &Image,
    context: &Context<'_>,
    request: &DeleteTopicsRequest<'_>,
) -> Result<Decision<DeleteTopicsResponse<'static>>, Refusal> {
    if !context.settings.delete_topic_enable {
        let text = "Topic deletion is disabled.";
        return Err(Refusal::new(ErrorCode::TopicDeletionDisabled, text));
    }
    let by_name =
        request.topic_names.iter().map(|name| Wanted { name: Some(name), id: Uuid::ZERO });
    let by_state =
        request.topics.iter().map(|t| Wanted { name: t.name.as_deref(), id: t.topic_id });
    let wanted: Vec<Wanted<'_>> = by_name.chain(by_state).collect();
    let mut records = Vec::new();
    let mut responses = Vec::new();
    for result in wanted.iter().enumerate().filter_map(|(at, _)| decide(image, &wanted, at)) {
        if result.error_code == ErrorCode::None as i16 {
            records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord {
                topic_id: result.topic_id,
                ..RemoveTopicRecord::default()
            }));
        }
        responses.push(result);
    }
    let response = DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
    Ok(Decision { records, response })
}

/// The result for the entry at `at`; none if an earlier entry's result speaks for it.
fn decide(
    image: &Image,
    wanted: &[Wanted<'_>],
    at: usize,
) -> Option<DeletableTopicResult<'static>> {
    let one = wanted[at];
    let duplicate = wanted.iter().filter(|other| **other == one).count() > 1;
    let first = wanted.iter().position(|other| *other == one) == Some(at);
    let refuse = |text: &str| Some(refused(one, Refusal::invalid_request(text)));
    match one {
        Wanted { name: Some(_), id } if !id.is_zero() => {
            refuse("You may not specify both topic name and topic id.")
        }
        Wanted { name: None, id } if id.is_zero() => {
            refuse("Neither topic name nor id were specified.")
        }
        Wanted { name: Some(_), .. } if duplicate => {
            if first {
                refuse("Duplicate topic name.")
            } else {
                None
            }
        }
        _ if duplicate => {
            if first {
                refuse("Duplicate topic id.")
            } else {
                None
            }
        }
        Wanted { name: Some(name), .. } => Some(by_name(image, wanted, one, name)),
        Wanted { id, .. } => Some(match image.topic_by_id(id) {
            Some(topic) => deleted(&topic.name, id),
            None => refused(one, Refusal::unknown_topic_id()),
        }),
    }
}

fn by_name(
    image: &Image,
    wanted: &[Wanted<'_>],
    one: Wanted<'_>,
    name: &str,
) -> DeletableTopicResult<'static> {
    let Some(topic) = image.topic(name) else { return refused(one, Refusal::unknown_topic()) };
    if wanted.iter().any(|other| other.name.is_none() && other.id == topic.id) {
        let text = "The provided topic name maps to an ID that was already supplied.";
        return refused(one, Refusal::invalid_request(text));
    }
    deleted(name, topic.id)
}

fn deleted(name: &str, id: Uuid) -> DeletableTopicResult<'static> {
    DeletableTopicResult {
        name: Some(name.to_owned().into()),
        topic_id: id,
        error_code: ErrorCode::None as i16,
        error_message: None,
        ..DeletableTopicResult::default()
    }
}

fn refused(one: Wanted<'_>, refusal: Refusal) -> DeletableTopicResult<'static> {
    DeletableTopicResult {
        name: one.name.map(|name| name.to_owned().into()),
        topic_id: one.id,
        error_code: refusal.number(),
        error_message: Some(refusal.message.into()),
        ..DeletableTopicResult::default()
    }
}
