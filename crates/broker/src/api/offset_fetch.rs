//! OffsetFetch (key 9), versions 0 to 10: how far groups have come.
//!
//! From version 8 on for several groups at once, from version 10 on with topics named by id.

use std::{collections::BTreeMap, sync::Arc};

use klamm_groups as groups;
use klamm_metadata::Image;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        OffsetFetchRequest,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::{
    groups::Called,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetFetch,
    permissions: &[Permission::GroupDescribe, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// A group's part of the answer, perhaps still to come.
struct Part {
    group: OffsetFetchRequestGroup<'static>,
    /// Topics that do not exist.
    refused: Vec<OffsetFetchResponseTopics<'static>>,
    called: Called,
}

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: OffsetFetchRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let (version, require_stable) = (request.version, body.require_stable);
    let image = cx.broker.quorum.image();
    let caller = group_call::caller(cx, &request);
    let mut parts = Vec::new();
    for mut group in groups::fetch_groups(body.into_static(), version) {
        let refused = if version >= 10 { resolve(&image, &mut group) } else { Vec::new() };
        let wanted = groups::Request::Fetch { group: group.clone(), require_stable };
        let called = cx.broker.groups.call(cx.broker, &group.group_id, &caller, wanted);
        parts.push(Part { group, refused, called });
    }
    let envelope = request.envelope();
    if parts.iter().all(|part| !matches!(part.called, Called::Later(_))) {
        let now = parts.into_iter().map(|part| match part.called {
            Called::Now(response) => {
                finish(&image, version, part.group, part.refused, Ok(response))
            }
            Called::Refused(error) => finish(&image, version, part.group, part.refused, Err(error)),
            Called::Later(_) => OffsetFetchResponseGroup::default(),
        });
        let response = groups::fetch_response(now.collect(), version);
        return Outcome::Now(envelope.answer(&response));
    }
    Outcome::Later(Box::pin(async move {
        let mut answered = Vec::new();
        for part in parts {
            let result = group_call::settle(part.called).await;
            answered.push(finish(&image, version, part.group, part.refused, result));
        }
        envelope.answer(&groups::fetch_response(answered, version))
    }))
}

/// Finds the names of topics that are given by id; takes those out that do not exist.
fn resolve(
    image: &Arc<Image>,
    group: &mut OffsetFetchRequestGroup<'static>,
) -> Vec<OffsetFetchResponseTopics<'static>> {
    let Some(topics) = &mut group.topics else { return Vec::new() };
    let mut refused = Vec::new();
    topics.retain_mut(|topic| match image.topic_by_id(topic.topic_id) {
        Some(found) => {
            topic.name = found.name.to_string().into();
            true
        }
        None => {
            refused.push(failed_topic(topic, ErrorCode::UnknownTopicId));
            false
        }
    });
    refused
}

fn failed_topic(
    topic: &OffsetFetchRequestTopics<'static>,
    error: ErrorCode,
) -> OffsetFetchResponseTopics<'static> {
    let partition = |index: &i32| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some("".into()),
        error_code: error.code(),
        ..Default::default()
    };
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
        ..Default::default()
    }
}

fn finish(
    image: &Image,
    version: i16,
    group: OffsetFetchRequestGroup<'static>,
    refused: Vec<OffsetFetchResponseTopics<'static>>,
    result: Result<groups::Response, ErrorCode>,
) -> OffsetFetchResponseGroup<'static> {
    let mut answer = match result {
        Ok(groups::Response::Fetch(answer)) => answer,
        Ok(_) => OffsetFetchResponseGroup::default(),
        Err(error) => return failed_group(version, &group, error),
    };
    if version >= 10 {
        let ids: BTreeMap<_, _> =
            group.topics.iter().flatten().map(|topic| (&topic.name, topic.topic_id)).collect();
        for topic in &mut answer.topics {
            let id = ids.get(&topic.name).copied();
            topic.topic_id = id.or_else(|| Some(image.topic(&topic.name)?.id)).unwrap_or_default();
        }
        // What was committed for a topic that is gone has no id to be named by.
        answer.topics.retain(|topic| !topic.topic_id.is_zero());
        answer.topics.extend(refused);
    }
    answer
}

fn failed_group(
    version: i16,
    group: &OffsetFetchRequestGroup<'static>,
    error: ErrorCode,
) -> OffsetFetchResponseGroup<'static> {
    let group_id = group.group_id.clone();
    if version >= 2 {
        return OffsetFetchResponseGroup {
            group_id,
            error_code: error.code(),
            ..Default::default()
        };
    }
    let topics = group.topics.iter().flatten().map(|topic| failed_topic(topic, error)).collect();
    OffsetFetchResponseGroup { group_id, topics, ..Default::default() }
}
