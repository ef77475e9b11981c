//! DescribeGroups (key 15), versions 0 to 6: state and members of classic groups.

use std::borrow::Cow;

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey,
    messages::{
        DescribeGroupsRequest, DescribeGroupsResponse, describe_groups_response::DescribedGroup,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeGroups,
    permissions: &[Permission::GroupDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeGroupsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let caller = group_call::caller(cx, &request);
    let mut parts = Vec::new();
    for name in &body.groups {
        let name = name.clone().into_owned();
        let wanted = groups::Request::Describe(vec![name.clone()]);
        parts.push((name.clone(), cx.broker.groups.call(cx.broker, &name, &caller, wanted)));
    }
    let operations = body.include_authorized_operations;
    let envelope = request.envelope();
    Outcome::Later(Box::pin(async move {
        let mut response = DescribeGroupsResponse::default();
        for (name, called) in parts {
            match group_call::settle(called).await {
                Ok(groups::Response::Describe(described)) => response.groups.extend(described),
                Ok(_) => {}
                Err(error) => response.groups.push(DescribedGroup {
                    error_code: error.code(),
                    group_id: Cow::Owned(name),
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
