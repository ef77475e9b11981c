//! OffsetDelete (key 47), version 0: committed offsets are forgotten (KIP-496).

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::OffsetDelete,
    permissions: &[Permission::GroupDelete],
    quota: QuotaClass::Request,
    audit: Some("group.offsets.delete"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: OffsetDeleteRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let mut body = body.into_static();
    let refused = take_unknown(cx, &mut body);
    let group = body.group_id.clone();
    group_call::call(
        cx,
        &request,
        &group,
        groups::Request::OffsetDelete(body),
        move |envelope, result| {
            let mut response = match result {
                Ok(groups::Response::OffsetDelete(response)) => response,
                Ok(_) => OffsetDeleteResponse::default(),
                Err(error) => {
                    OffsetDeleteResponse { error_code: error.code(), ..Default::default() }
                }
            };
            if response.error_code == ErrorCode::None.code() {
                merge(&mut response.topics, refused);
            }
            envelope.answer(&response)
        },
    )
}

/// Adds partitions to the topics that they belong to.
fn merge(
    topics: &mut Vec<OffsetDeleteResponseTopic<'static>>,
    more: Vec<OffsetDeleteResponseTopic<'static>>,
) {
    for topic in more {
        match topics.iter_mut().find(|known| known.name == topic.name) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
}

/// Takes the partitions out of the request that do not exist, and makes their answers.
fn take_unknown(
    cx: &Context<'_>,
    body: &mut OffsetDeleteRequest<'static>,
) -> Vec<OffsetDeleteResponseTopic<'static>> {
    let image = cx.broker.quorum.image();
    let mut refused = Vec::new();
    for topic in &mut body.topics {
        let found = image.topic(&topic.name);
        let exists = |index: i32| found.is_some_and(|found| found.partition(index).is_some());
        let unknown = topic.partitions.extract_if(.., |part| !exists(part.partition_index));
        let partitions = unknown.map(|part| OffsetDeleteResponsePartition {
            partition_index: part.partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
        });
        let partitions: Vec<_> = partitions.collect();
        if !partitions.is_empty() {
            refused.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
        }
    }
    body.topics.retain(|topic| !topic.partitions.is_empty());
    refused
}
