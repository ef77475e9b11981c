//! ConsumerGroupHeartbeat (key 68), versions 0 and 1: membership in a consumer group (KIP-848).
//! It joins, keeps and gives up membership, and tells the member what it is to consume.

use klamm_groups as groups;
use klamm_planted::planted;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ConsumerGroupHeartbeat,
    permissions: &[Permission::GroupRead, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ConsumerGroupHeartbeatRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    if !group_call::is_on(cx, "consumer") {
        let refused = failed(ErrorCode::UnsupportedVersion);
        return Outcome::Now(request.envelope().answer(&refused));
    }
    let mut body = body.into_static();
    if planted("believe-revoked") {
        body.topic_partitions = Some(Vec::new());
    }
    let group = body.group_id.clone();
    let wanted = groups::Request::ConsumerHeartbeat(body);
    group_call::call(cx, &request, &group, wanted, |envelope, result| {
        let response = match result {
            Ok(groups::Response::ConsumerHeartbeat(response)) => response,
            Ok(_) => ConsumerGroupHeartbeatResponse::default(),
            Err(error) => failed(error),
        };
        envelope.answer(&response)
    })
}

fn failed(error: ErrorCode) -> ConsumerGroupHeartbeatResponse<'static> {
    ConsumerGroupHeartbeatResponse { error_code: error.code(), ..Default::default() }
}
