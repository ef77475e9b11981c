//! SyncGroup (key 14), versions 0 to 5: a member of a classic group gets its assignment; the leader
//! brings everybody's.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey,
    messages::{SyncGroupRequest, SyncGroupResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::SyncGroup,
    permissions: &[Permission::GroupRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: SyncGroupRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let group = body.group_id.clone();
    group_call::call(cx, &request, &group, groups::Request::Sync(body), |envelope, result| {
        let response = match result {
            Ok(groups::Response::Sync(response)) => response,
            Ok(_) => SyncGroupResponse::default(),
            Err(error) => SyncGroupResponse { error_code: error.code(), ..Default::default() },
        };
        envelope.answer(&response)
    })
}
