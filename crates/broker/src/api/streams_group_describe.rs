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
    let asked = group_call::Asked {
        is_on: group_call::is_on(cx, "streams"),
        names: &body.group_ids,
        operations: body.include_authorized_operations,
    };
    group_call::describe::<DescribedGroup<'static>>(cx, &request, &asked)
}

impl group_call::Described for DescribedGroup<'static> {
    type Response = StreamsGroupDescribeResponse<'static>;

    fn wanted(name: String) -> groups::Request {
        groups::Request::StreamsDescribe(vec![name])
    }

    fn found(response: groups::Response) -> Vec<Self> {
        match response {
            groups::Response::StreamsDescribe(found) => found,
            _ => Vec::new(),
        }
    }

    fn failed(name: String, error: ErrorCode) -> Self {
        Self { error_code: error.code(), group_id: name.into(), ..Self::default() }
    }

    fn operations(&mut self) -> Option<&mut i32> {
        (self.error_code == 0).then_some(&mut self.authorized_operations)
    }

    fn response(groups: Vec<Self>) -> Self::Response {
        StreamsGroupDescribeResponse { groups, ..<_>::default() }
    }
}
