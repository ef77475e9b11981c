//! CreatePartitions (key 37), versions 0 to 3: topics get more partitions.

use std::sync::Arc;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::request::{Outcome, Request};

pub(crate) const API: Api = Api {
    key: ApiKey::CreatePartitions,
    permissions: &[Permission::TopicAlter],
    quota: QuotaClass::ControllerMutation,
    audit: Some("topic.partitions.create"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: CreatePartitionsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let body = body.into_static();
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    // As in Kafka, whose controller finds that the time is up before it begins.
    if body.timeout_ms <= 0 {
        return Outcome::Now(request.answer(&refused(&body, ErrorCode::RequestTimedOut)));
    }
    let asked = body.clone();
    Outcome::Later(Box::pin(async move {
        let response = match broker.quorum.create_partitions(body).await {
            Ok(response) => response,
            Err(error) => refused(&asked, error.code()),
        };
        broker.caught_up_with_quorum().await;
        envelope.answer(&response)
    }))
}

/// The answer that nothing was changed.
fn refused(
    body: &CreatePartitionsRequest<'_>,
    error: ErrorCode,
) -> CreatePartitionsResponse<'static> {
    let result = |name: &str| CreatePartitionsTopicResult {
        name: name.to_owned().into(),
        error_code: error.code(),
        ..Default::default()
    };
    CreatePartitionsResponse {
        results: body.topics.iter().map(|topic| result(&topic.name)).collect(),
        ..Default::default()
    }
}
