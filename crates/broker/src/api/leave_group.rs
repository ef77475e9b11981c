//! LeaveGroup (key 13), versions 0 to 5: members leave a classic group.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey,
    messages::{LeaveGroupRequest, LeaveGroupResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::LeaveGroup,
    permissions: &[Permission::GroupRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: LeaveGroupRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let group = body.group_id.clone();
    group_call::call(cx, &request, &group, groups::Request::Leave(body), |envelope, result| {
        let response = match result {
            Ok(groups::Response::Leave(response)) => response,
            Ok(_) => LeaveGroupResponse::default(),
            Err(error) => LeaveGroupResponse { error_code: error.code(), ..Default::default() },
        };
        envelope.answer(&response)
    })
}
