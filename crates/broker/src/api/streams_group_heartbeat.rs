//! StreamsGroupHeartbeat (key 88), version 0: membership in a streams group (KIP-1071). The
//! internal topics that an application needs are made here.

use std::sync::Arc;

use klamm_groups as groups;
use klamm_planted::planted;
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreateTopicsRequest, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
        create_topics_request::CreatableTopic, streams_group_heartbeat_response::Status,
    },
};

use super::{Api, Context, Permission, QuotaClass, group_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

/// The status of a group whose internal topics do not exist yet.
const MISSING_INTERNAL_TOPICS: i8 = 3;

pub(crate) const API: Api = Api {
    key: ApiKey::StreamsGroupHeartbeat,
    permissions: &[Permission::GroupRead, Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: StreamsGroupHeartbeatRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let envelope = request.envelope();
    if !group_call::is_on(cx, "streams") {
        return Outcome::Now(envelope.answer(&failed(ErrorCode::UnsupportedVersion)));
    }
    let mut body = body.into_static();
    if planted("believe-tasks-revoked") {
        body.active_tasks = body.active_tasks.map(|_| Vec::new());
    }
    let group = body.group_id.clone();
    let caller = group_call::caller(cx, &request);
    let wanted = groups::Request::StreamsHeartbeat(body);
    let called = cx.broker.groups.call(cx.broker, &group, &caller, wanted);
    let broker = Arc::clone(cx.broker);
    Outcome::Later(Box::pin(async move {
        let response = match group_call::settle(called).await {
            Ok(groups::Response::StreamsHeartbeat(told)) => {
                complete(&broker, told.response, told.missing).await
            }
            Ok(_) => StreamsGroupHeartbeatResponse::default(),
            Err(error) => failed(error),
        };
        envelope.answer(&response)
    }))
}

/// Makes the internal topics that are missing, and says what failed.
async fn complete(
    broker: &Arc<Broker>,
    mut response: StreamsGroupHeartbeatResponse<'static>,
    missing: Vec<CreatableTopic<'static>>,
) -> StreamsGroupHeartbeatResponse<'static> {
    if missing.is_empty() {
        return response;
    }
    let failures = create(broker, missing).await;
    let is_about_topics = |status: &&mut Status<'_>| status.status_code == MISSING_INTERNAL_TOPICS;
    let status = response.status.as_mut().and_then(|all| all.iter_mut().find(is_about_topics));
    if let Some(status) = status.filter(|_| !failures.is_empty()) {
        let failures = failures.join(", ");
        status.status_detail =
            format!("{}; Creation failed: {failures}.", status.status_detail).into();
    }
    response
}

/// Makes topics; gives what could not be made, and why.
async fn create(broker: &Arc<Broker>, topics: Vec<CreatableTopic<'static>>) -> Vec<String> {
    let names: Vec<String> = topics.iter().map(|topic| topic.name.to_string()).collect();
    let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
    let results = match broker.quorum.create_topics(request).await {
        Ok(response) => response.topics,
        Err(error) => {
            let code = error.code();
            return names.iter().map(|name| format!("{name} ({})", code.name())).collect();
        }
    };
    let is_there = [ErrorCode::None.code(), ErrorCode::TopicAlreadyExists.code()];
    let failed = results.iter().filter(|result| !is_there.contains(&result.error_code));
    let said = failed.map(|result| {
        let text = result.error_message.as_deref().unwrap_or("no reason was given");
        format!("{} ({text})", result.name)
    });
    said.collect()
}

fn failed(error: ErrorCode) -> StreamsGroupHeartbeatResponse<'static> {
    StreamsGroupHeartbeatResponse { error_code: error.code(), ..Default::default() }
}
