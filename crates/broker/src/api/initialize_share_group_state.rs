//! InitializeShareGroupState (key 83), version 0: the state of partitions
//! is begun for a share group, with the group's epoch.

use klamm_groups::share::store::Command;
use klamm_protocol::{
    ApiKey,
    messages::{
        InitializeShareGroupStateRequest, InitializeShareGroupStateResponse,
        initialize_share_group_state_response::{InitializeStateResult, PartitionResult},
    },
};

use super::{Api, Context, Permission, QuotaClass, share_state_call};
use crate::{
    request::{Outcome, Request},
    share::store::Told,
};

pub(crate) const API: Api = Api {
    key: ApiKey::InitializeShareGroupState,
    permissions: &[Permission::ClusterAction],
    quota: QuotaClass::Exempt,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: InitializeShareGroupStateRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| {
        let commands = topic.partitions.iter().map(|partition| {
            let (state_epoch, start_offset) = (partition.state_epoch, partition.start_offset);
            (partition.partition, Command::Initialize { state_epoch, start_offset })
        });
        (topic.topic_id, commands.collect())
    });
    share_state_call::serve(cx, &request, &body.group_id, topics.collect(), |answered| {
        let topic = |(topic_id, told): (_, Vec<_>)| InitializeStateResult {
            topic_id,
            partitions: told.into_iter().map(partition).collect(),
            ..InitializeStateResult::default()
        };
        let results = answered.into_iter().map(topic).collect();
        InitializeShareGroupStateResponse { results, ..<_>::default() }
    })
}

fn partition((partition, told): (i32, Told)) -> PartitionResult<'static> {
    let (error_code, error_message) = share_state_call::error(&told);
    PartitionResult { partition, error_code, error_message, ..PartitionResult::default() }
}
