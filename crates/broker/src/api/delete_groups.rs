//! DeleteGroups (key 42), versions 0 to 2: empty groups and their offsets are removed.

use std::{borrow::Cow, sync::Arc};

use klamm_groups::{
    self as groups,
    share::{ShareRequest, ShareResponse},
};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call, share_admin};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

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
    let mut seen = std::collections::BTreeSet::new();
    let names: Vec<String> = body
        .groups_names
        .iter()
        .filter(|name| seen.insert((*name).clone()))
        .map(|name| name.clone().into_owned())
        .collect();
    let (envelope, broker) = (request.envelope(), Arc::clone(cx.broker));
    Outcome::Later(Box::pin(async move {
        // In a task of its own: the client may stop waiting between the steps.
        let work = tokio::spawn(async move { delete(&broker, &caller, names).await });
        envelope.answer(&work.await.unwrap_or_default())
    }))
}

async fn delete(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    names: Vec<String>,
) -> DeleteGroupsResponse<'static> {
    let mut response = DeleteGroupsResponse::default();
    for name in names {
        match delete_group(broker, caller, &name).await {
            Ok(results) => response.results.extend(results),
            Err(error) => response.results.push(DeletableGroupResult {
                group_id: Cow::Owned(name),
                error_code: error.code(),
                ..DeletableGroupResult::default()
            }),
        }
    }
    response
}

/// A share group's state goes before the group.
async fn delete_group(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    name: &str,
) -> Result<Vec<DeletableGroupResult<'static>>, ErrorCode> {
    let asked = ShareRequest::Delete(name.to_owned());
    if let ShareResponse::Delete(state) = share_admin::ask(broker, name, caller, asked).await? {
        let state = state?;
        if !state.is_empty() {
            let failed = share_admin::delete(broker, name, &state).await;
            failed.first().map_or(Ok(()), |(_, error)| Err(*error))?;
        }
    }
    let wanted = groups::Request::DeleteGroups(vec![name.to_owned()]);
    match group_call::settle(broker.groups.call(broker, name, caller, wanted)).await? {
        groups::Response::DeleteGroups(results) => Ok(results),
        _ => Err(ErrorCode::UnknownServerError),
    }
}
