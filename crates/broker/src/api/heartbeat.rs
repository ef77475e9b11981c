//! Heartbeat (key 12), versions 0 to 4: a member of a classic group is alive.

use klamm_groups as groups;
use klamm_planted::planted;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{HeartbeatRequest, HeartbeatResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::Heartbeat,
    permissions: &[Permission::GroupRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: HeartbeatRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let group = body.group_id.clone();
    group_call::call(cx, &request, &group, groups::Request::Heartbeat(body), |envelope, result| {
        let response = match result {
            Ok(groups::Response::Heartbeat(response)) if is_let_live(&response) => {
                HeartbeatResponse::default()
            }
            Ok(groups::Response::Heartbeat(response)) => response,
            Ok(_) => HeartbeatResponse::default(),
            Err(error) => HeartbeatResponse { error_code: error.code(), ..Default::default() },
        };
        envelope.answer(&response)
    })
}

/// A planted bug: the former id of a static member still counts.
fn is_let_live(response: &HeartbeatResponse) -> bool {
    planted("old-static-id-lives") && response.error_code == ErrorCode::FencedInstanceId.code()
}
