//! DeleteShareGroupState (key 86), version 0: the state of partitions is
//! deleted.

use klamm_groups::share::store::Command;
use klamm_protocol::{
    ApiKey,
    messages::{
        DeleteShareGroupStateRequest, DeleteShareGroupStateResponse,
        delete_share_group_state_response::{DeleteStateResult, PartitionResult},
    },
};

use super::{Api, Context, Permission, QuotaClass, share_state_call};
use crate::{
    request::{Outcome, Request},
    share::store::Told,
};

pub(crate) const API: Api = Api {
    key: ApiKey::DeleteShareGroupState,
    permissions: &[Permission::ClusterAction],
    quota: QuotaClass::Exempt,
    audit: Some("group.state.delete"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DeleteShareGroupStateRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| {
        let commands =
            topic.partitions.iter().map(|partition| (partition.partition, Command::Delete));
        (topic.topic_id, commands.collect())
    });
    share_state_call::serve(cx, &request, &body.group_id, topics.collect(), |answered| {
        let topic = |(topic_id, told): (_, Vec<_>)| DeleteStateResult {
            topic_id,
            partitions: told.into_iter().map(partition).collect(),
            ..DeleteStateResult::default()
        };
        let results = answered.into_iter().map(topic).collect();
        DeleteShareGroupStateResponse { results, ..<_>::default() }
    })
}

fn partition((partition, told): (i32, Told)) -> PartitionResult<'static> {
    let (error_code, error_message) = share_state_call::error(&told);
    PartitionResult { partition, error_code, error_message, ..PartitionResult::default() }
}
