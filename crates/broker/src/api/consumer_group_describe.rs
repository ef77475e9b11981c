//! ConsumerGroupDescribe (key 69), versions 0 and 1: state, epochs and members of consumer groups
//! (KIP-848), with what each member has and is to have.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
        consumer_group_describe_response::DescribedGroup,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ConsumerGroupDescribe,
    permissions: &[Permission::GroupDescribe, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ConsumerGroupDescribeRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let asked = group_call::Asked {
        is_on: group_call::is_on(cx, "consumer"),
        names: &body.group_ids,
        operations: body.include_authorized_operations,
    };
    group_call::describe::<DescribedGroup<'static>>(cx, &request, &asked)
}

impl group_call::Described for DescribedGroup<'static> {
    type Response = ConsumerGroupDescribeResponse<'static>;

    fn wanted(name: String) -> groups::Request {
        groups::Request::ConsumerDescribe(vec![name])
    }

    fn found(response: groups::Response) -> Vec<Self> {
        match response {
            groups::Response::ConsumerDescribe(found) => found,
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
        ConsumerGroupDescribeResponse { groups, ..<_>::default() }
    }
}
