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
    let asked = group_call::Asked {
        is_on: share_call::is_on(cx),
        names: &body.group_ids,
        operations: body.include_authorized_operations,
    };
    group_call::describe::<DescribedGroup<'static>>(cx, &request, &asked)
}

impl group_call::Described for DescribedGroup<'static> {
    type Response = ShareGroupDescribeResponse<'static>;

    fn wanted(name: String) -> groups::Request {
        groups::Request::Share(ShareRequest::Describe(vec![name]))
    }

    fn found(response: groups::Response) -> Vec<Self> {
        match response {
            groups::Response::Share(ShareResponse::Describe(found)) => found,
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
        ShareGroupDescribeResponse { groups, ..<_>::default() }
    }
}
