//! ReadShareGroupState (key 84), version 0: what is known of
//! partitions, for their leader.

use klamm_groups::share::store::{Answer, Batch, Command};
use klamm_protocol::{
    ApiKey,
    messages::{
        ReadShareGroupStateRequest, ReadShareGroupStateResponse,
        read_share_group_state_response::{PartitionResult, ReadStateResult, StateBatch},
    },
};

use super::{Api, Context, Permission, QuotaClass, share_state_call};
use crate::{
    request::{Outcome, Request},
    share::store::Told,
};

pub(crate) const API: Api = Api {
    key: ApiKey::ReadShareGroupState,
    permissions: &[Permission::ClusterAction],
    quota: QuotaClass::Exempt,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ReadShareGroupStateRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| {
        let commands = topic.partitions.iter().map(|partition| {
            let leader_epoch = partition.leader_epoch;
            (partition.partition, Command::Read { leader_epoch })
        });
        (topic.topic_id, commands.collect())
    });
    share_state_call::serve(cx, &request, &body.group_id, topics.collect(), |answered| {
        let topic = |(topic_id, told): (_, Vec<_>)| ReadStateResult {
            topic_id,
            partitions: told.into_iter().map(partition).collect(),
            ..ReadStateResult::default()
        };
        let results = answered.into_iter().map(topic).collect();
        ReadShareGroupStateResponse { results, ..<_>::default() }
    })
}

fn partition((partition, told): (i32, Told)) -> PartitionResult<'static> {
    let (error_code, error_message) = share_state_call::error(&told);
    let result =
        PartitionResult { partition, error_code, error_message, ..PartitionResult::default() };
    let Ok(Answer::State(state)) = told else { return result };
    let batch = |batch: &Batch| StateBatch {
        first_offset: batch.first,
        last_offset: batch.last,
        delivery_state: batch.state,
        delivery_count: batch.deliveries,
        ..StateBatch::default()
    };
    PartitionResult {
        state_epoch: state.state_epoch,
        start_offset: state.start_offset,
        state_batches: state.batches.iter().map(batch).collect(),
        ..result
    }
}
