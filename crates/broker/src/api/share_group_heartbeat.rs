//! ShareGroupHeartbeat (key 76), version 1: membership in a share group (KIP-932). It joins, keeps
//! and gives up membership, and tells the member what it is to consume.
//!
//! Partitions that the group has not read before first get their state in `__share_group_state`.

use std::sync::Arc;

use klamm_groups as groups;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse},
};

use super::{Api, Context, Permission, QuotaClass, group_call, share_admin, share_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::ShareGroupHeartbeat,
    permissions: &[Permission::GroupRead, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ShareGroupHeartbeatRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let refused = if !share_call::is_on(cx) {
        Some(failed(ErrorCode::UnsupportedVersion))
    } else if !share_call::is_member_id(&body.member_id) {
        let text = "Invalid member id in the request.";
        let error_message = Some(text.into());
        Some(ShareGroupHeartbeatResponse { error_message, ..failed(ErrorCode::InvalidRequest) })
    } else {
        None
    };
    if let Some(refused) = refused {
        return Outcome::Now(request.answer(&refused));
    }
    let (body, envelope) = (body.into_static(), request.envelope());
    let (caller, broker) = (group_call::caller(cx, &request), Arc::clone(cx.broker));
    Outcome::Later(Box::pin(async move {
        let response = serve(&broker, &caller, body).await;
        envelope.answer(&response.unwrap_or_else(failed))
    }))
}

async fn serve(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    body: ShareGroupHeartbeatRequest<'static>,
) -> Result<ShareGroupHeartbeatResponse<'static>, ErrorCode> {
    let group = body.group_id.clone();
    let asked = groups::share::ShareRequest::Heartbeat(body.clone());
    let answer = share_admin::ask(broker, &group, caller, asked).await?;
    let groups::share::ShareResponse::Heartbeat { response, initialize, state_epoch } = answer
    else {
        return Err(ErrorCode::UnknownServerError);
    };
    if !initialize.is_empty() {
        // The member hears of these partitions when it is back.
        share_admin::initialize(broker, &group, caller, initialize, state_epoch);
    }
    Ok(response)
}

fn failed(error: ErrorCode) -> ShareGroupHeartbeatResponse<'static> {
    ShareGroupHeartbeatResponse { error_code: error.code(), ..Default::default() }
}
