//! JoinGroup (key 11), versions 0 to 9: a member enters a classic group and waits until the group
//! has gathered.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey,
    messages::{JoinGroupRequest, JoinGroupResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::JoinGroup,
    permissions: &[Permission::GroupRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: JoinGroupRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let group = body.group_id.clone();
    group_call::call(cx, &request, &group, groups::Request::Join(body), |envelope, result| {
        let response = match result {
            Ok(groups::Response::Join(response)) => response,
            Ok(_) => JoinGroupResponse::default(),
            Err(error) => JoinGroupResponse { error_code: error.code(), ..Default::default() },
        };
        envelope.answer(&response)
    })
}
