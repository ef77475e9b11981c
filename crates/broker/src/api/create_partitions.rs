//! CreatePartitions (key 37), versions 0 to 3: topics get more partitions.

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};

use super::{Api, Context, Permission, QuotaClass, change::Change, throttle::admit};
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
    let timeout_ms = Some(body.timeout_ms);
    let mut body = body.into_static();
    let image = cx.broker.quorum.image();
    let added = |topic: &CreatePartitionsTopic<'_>| {
        let there = image.topic(&topic.name).map_or(0, |topic| topic.partitions().count());
        let wanted = usize::try_from(topic.count).unwrap_or(0);
        u32::try_from(wanted.saturating_sub(there)).unwrap_or(u32::MAX)
    };
    let admission = admit(cx, &request, STRICT_SINCE, &mut body.topics, added);
    let exceeded = ErrorCode::ThrottlingQuotaExceeded;
    let too_many: Vec<_> =
        admission.refused.iter().map(|topic| result(&topic.name, exceeded)).collect();
    let change = Change::new(body, timeout_ms, refused);
    let outcome = change.ask(cx, &request, |quorum, body| async move {
        let mut response = quorum.create_partitions(body).await?;
        response.results.extend(too_many);
        Ok(response)
    });
    admission.throttle(cx, &request, outcome)
}

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_SINCE: i16 = 3;

fn result(name: &str, error: ErrorCode) -> CreatePartitionsTopicResult<'static> {
    CreatePartitionsTopicResult {
        name: name.to_owned().into(),
        error_code: error.code(),
        ..Default::default()
    }
}

/// The answer that nothing was changed.
fn refused(
    body: &CreatePartitionsRequest<'_>,
    error: ErrorCode,
) -> CreatePartitionsResponse<'static> {
    CreatePartitionsResponse {
        results: body.topics.iter().map(|topic| result(&topic.name, error)).collect(),
        ..Default::default()
    }
}
