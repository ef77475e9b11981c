//! ShareGroupDescribe (key 77), version 1: state, epochs and members of share groups (KIP-932).

use klamm_groups::{
    self as groups,
    share::{ShareRequest, ShareResponse},
};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ShareGroupDescribeRequest, ShareGroupDescribeResponse,
        share_group_describe_response::DescribedGroup,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call, share_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ShareGroupDescribe,
    permissions: &[Permission::GroupDescribe, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ShareGroupDescribeRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let caller = group_call::caller(cx, &request);
    let is_on = share_call::is_on(cx);
    let mut parts = Vec::new();
    for name in &body.group_ids {
        let name = name.clone().into_owned();
        let wanted = ShareRequest::Describe(vec![name.clone()]);
        let wanted = groups::Request::Share(wanted);
        let called = match (is_on, name.as_str()) {
            (false, _) => crate::groups::Called::Refused(ErrorCode::UnsupportedVersion),
            (_, "") => crate::groups::Called::Refused(ErrorCode::InvalidGroupId),
            _ => cx.broker.groups.call(cx.broker, &name, &caller, wanted),
        };
        parts.push((name, called));
    }
    let operations = body.include_authorized_operations;
    let envelope = request.envelope();
    Outcome::Later(Box::pin(async move {
        let mut response = ShareGroupDescribeResponse::default();
        for (name, called) in parts {
            match group_call::settle(called).await {
                Ok(groups::Response::Share(ShareResponse::Describe(found))) => {
                    response.groups.extend(found);
                }
                Ok(_) => {}
                Err(error) => response.groups.push(DescribedGroup {
                    error_code: error.code(),
                    group_id: name.into(),
                    ..DescribedGroup::default()
                }),
            }
        }
        if operations {
            for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
                group.authorized_operations = group_call::GROUP_OPERATIONS;
            }
        }
        envelope.answer(&response)
    }))
}
