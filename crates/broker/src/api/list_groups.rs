//! ListGroups (key 16), versions 0 to 5: the groups that this broker coordinates.

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{ListGroupsRequest, ListGroupsResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::ListGroups,
    permissions: &[Permission::ClusterDescribe, Permission::GroupDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ListGroupsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let texts = |list: &[std::borrow::Cow<'_, str>]| {
        list.iter().map(|text| text.clone().into_owned()).collect()
    };
    let wanted = groups::Request::List {
        states: texts(&body.states_filter),
        types: texts(&body.types_filter),
    };
    let caller = group_call::caller(cx, &request);
    let called = cx.broker.groups.call_all(cx.broker, &caller, &wanted);
    let envelope = request.envelope();
    Outcome::Later(Box::pin(async move {
        let mut response = ListGroupsResponse::default();
        for called in called {
            match group_call::settle(called).await {
                Ok(groups::Response::List(listed)) => response.groups.extend(listed),
                Ok(_) => {}
                Err(error) => {
                    response.error_code = error.code();
                    // Kafka gives no list rather than a part of it.
                    if error == ErrorCode::CoordinatorLoadInProgress {
                        response.groups.clear();
                        break;
                    }
                }
            }
        }
        response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        envelope.answer(&response)
    }))
}
