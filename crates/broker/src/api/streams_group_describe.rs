//! StreamsGroupDescribe (key 89), version 0: state, epochs, topology and members of streams groups
//! (KIP-1071), with the tasks that each member has and is to have.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
        streams_group_describe_response::DescribedGroup,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::StreamsGroupDescribe,
    permissions: &[Permission::GroupDescribe, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: StreamsGroupDescribeRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let caller = group_call::caller(cx, &request);
    let is_on = group_call::is_on(cx, "streams");
    let mut parts = Vec::new();
    for name in &body.group_ids {
        let name = name.clone().into_owned();
        let wanted = groups::Request::StreamsDescribe(vec![name.clone()]);
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
        let mut response = StreamsGroupDescribeResponse::default();
        for (name, called) in parts {
            match group_call::settle(called).await {
                Ok(groups::Response::StreamsDescribe(found)) => response.groups.extend(found),
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
