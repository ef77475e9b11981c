//! OffsetDelete (key 47), version 0: committed offsets are forgotten (KIP-496).

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey,
    messages::{OffsetDeleteRequest, OffsetDeleteResponse},
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
    let body = body.into_static();
    let group = body.group_id.clone();
    group_call::call(
        cx,
        &request,
        &group,
        groups::Request::OffsetDelete(body),
        |envelope, result| {
            let response = match result {
                Ok(groups::Response::OffsetDelete(response)) => response,
                Ok(_) => OffsetDeleteResponse::default(),
                Err(error) => {
                    OffsetDeleteResponse { error_code: error.code(), ..Default::default() }
                }
            };
            envelope.answer(&response)
        },
    )
}
