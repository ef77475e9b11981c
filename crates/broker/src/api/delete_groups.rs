//! DeleteGroups (key 42), versions 0 to 2: empty groups and their offsets are removed.

use std::borrow::Cow;

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey,
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteGroups,
    permissions: &[Permission::GroupDelete],
    quota: QuotaClass::Request,
    audit: Some("group.delete"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DeleteGroupsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let caller = group_call::caller(cx, &request);
    let mut parts = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for name in body.groups_names.iter().filter(|name| seen.insert((*name).clone())) {
        let name = name.clone().into_owned();
        let wanted = groups::Request::DeleteGroups(vec![name.clone()]);
        parts.push((name.clone(), cx.broker.groups.call(cx.broker, &name, &caller, wanted)));
    }
    let envelope = request.envelope();
    Outcome::Later(Box::pin(async move {
        let mut response = DeleteGroupsResponse::default();
        for (name, called) in parts {
            match group_call::settle(called).await {
                Ok(groups::Response::DeleteGroups(results)) => response.results.extend(results),
                Ok(_) => {}
                Err(error) => response.results.push(DeletableGroupResult {
                    group_id: Cow::Owned(name),
                    error_code: error.code(),
                    ..DeletableGroupResult::default()
                }),
            }
        }
        envelope.answer(&response)
    }))
}
