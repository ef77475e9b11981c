//! DeleteShareGroupOffsets (key 92), version 0: a share group without members forgets how far it
//! got with topics.

use std::sync::Arc;

use klamm_groups::{
    self as groups,
    share::{ShareRequest, ShareResponse},
};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
        delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic as Topic,
    },
};

use super::{Api, Context, Permission, QuotaClass, share_admin, share_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteShareGroupOffsets,
    permissions: &[Permission::GroupDelete, Permission::TopicRead],
    quota: QuotaClass::Request,
    audit: Some("group.offsets.delete"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DeleteShareGroupOffsetsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let (body, group) = (body.clone().into_static(), &body.group_id);
    share_admin::change_offsets(cx, &request, group, failed, |broker, caller| async move {
        delete(&broker, &caller, body).await
    })
}

async fn delete(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    body: DeleteShareGroupOffsetsRequest<'static>,
) -> Result<DeleteShareGroupOffsetsResponse<'static>, ErrorCode> {
    let group = body.group_id.clone();
    let asked = ShareRequest::DeleteOffsets(body);
    let answer = share_admin::ask(broker, &group, caller, asked).await?;
    let ShareResponse::DeleteOffsets { mut response, delete } = answer else {
        return Err(ErrorCode::UnknownServerError);
    };
    if delete.is_empty() {
        return Ok(response);
    }
    let failures = share_admin::delete(broker, &group, &delete).await;
    let mut gone = Vec::new();
    for topic in delete {
        let failure = failures.iter().find(|(id, _)| *id == topic.id).map(|(_, error)| *error);
        if failure.is_none() {
            gone.push(topic.id);
        }
        response.responses.push(Topic {
            topic_name: topic.name.into(),
            topic_id: topic.id,
            error_code: failure.unwrap_or(ErrorCode::None).code(),
            error_message: failure.and_then(share_call::text),
            ..Topic::default()
        });
    }
    let report = ShareRequest::OffsetsDeleted { group: group.to_string(), topics: gone };
    share_admin::ask(broker, &group, caller, report).await?;
    Ok(response)
}

fn failed(error: ErrorCode) -> DeleteShareGroupOffsetsResponse<'static> {
    DeleteShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: share_call::text(error),
        ..DeleteShareGroupOffsetsResponse::default()
    }
}
