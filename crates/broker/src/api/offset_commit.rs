//! OffsetCommit (key 8), versions 0 to 10: a consumer notes how far it has come.
//!
//! From version 10 on topics are named by id. Partitions that do not exist are refused alone.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit_request::OffsetCommitRequestTopic,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Answer, Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetCommit,
    permissions: &[Permission::GroupRead, Permission::TopicRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: OffsetCommitRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let mut body = body.into_static();
    let refused = take_unknown(cx, request.version, &mut body);
    let group = body.group_id.clone();
    let asked = body.clone();
    let envelope = request.envelope();
    if body.topics.is_empty() && !refused.is_empty() {
        let response = OffsetCommitResponse { topics: refused, ..Default::default() };
        return Outcome::Now(envelope.answer(&response));
    }
    let caller = group_call::caller(cx, &request);
    let wanted = groups::Request::Commit(body);
    let called = cx.broker.groups.call(cx.broker, &group, &caller, wanted);
    let reply = move |result: Result<groups::Response, ErrorCode>| -> Answer {
        let mut response = match result {
            Ok(groups::Response::Commit(response)) => response,
            Ok(_) => OffsetCommitResponse::default(),
            Err(error) => failed(&asked, error),
        };
        response.topics.extend(refused);
        envelope.answer(&response)
    };
    match called {
        crate::groups::Called::Now(response) => Outcome::Now(reply(Ok(response))),
        crate::groups::Called::Refused(error) => Outcome::Now(reply(Err(error))),
        later @ crate::groups::Called::Later(_) => {
            Outcome::Later(Box::pin(async move { reply(group_call::settle(later).await) }))
        }
    }
}

/// Takes the partitions out of the request that do not exist, and makes their answers. Topics that
/// are named by id get their names.
fn take_unknown(
    cx: &Context<'_>,
    version: i16,
    body: &mut OffsetCommitRequest<'static>,
) -> Vec<OffsetCommitResponseTopic<'static>> {
    let image = cx.broker.quorum.image();
    let mut refused = Vec::new();
    for mut topic in std::mem::take(&mut body.topics) {
        let found = match version {
            10.. => image.topic_by_id(topic.topic_id),
            _ => image.topic(&topic.name),
        };
        let Some(found) = found else {
            let error = match version {
                10.. => ErrorCode::UnknownTopicId,
                _ => ErrorCode::UnknownTopicOrPartition,
            };
            refused.push(topic_failed(&topic, error));
            continue;
        };
        topic.name = found.name.to_string().into();
        topic.topic_id = found.id;
        let (known, unknown): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
            .into_iter()
            .partition(|partition| found.partition(partition.partition_index).is_some());
        if !unknown.is_empty() {
            let gone = OffsetCommitRequestTopic { partitions: unknown, ..topic.clone() };
            refused.push(topic_failed(&gone, ErrorCode::UnknownTopicOrPartition));
        }
        if !known.is_empty() {
            topic.partitions = known;
            body.topics.push(topic);
        }
    }
    refused
}

fn failed(body: &OffsetCommitRequest<'_>, error: ErrorCode) -> OffsetCommitResponse<'static> {
    let topics = body.topics.iter().map(|topic| topic_failed(topic, error)).collect();
    OffsetCommitResponse { topics, ..Default::default() }
}

fn topic_failed(
    topic: &OffsetCommitRequestTopic<'_>,
    error: ErrorCode,
) -> OffsetCommitResponseTopic<'static> {
    let partition = |index: i32| OffsetCommitResponsePartition {
        partition_index: index,
        error_code: error.code(),
        ..Default::default()
    };
    OffsetCommitResponseTopic {
        name: topic.name.clone().into_owned().into(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(|p| partition(p.partition_index)).collect(),
        ..Default::default()
    }
}
