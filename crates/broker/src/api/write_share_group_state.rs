//! WriteShareGroupState (key 85), versions 0 and 1: what has become
//! of records of partitions. Version 1 says how many are done.

use klamm_groups::share::store::{Batch, Command, Write};
use klamm_protocol::{
    ApiKey,
    messages::{
        WriteShareGroupStateRequest, WriteShareGroupStateResponse,
        write_share_group_state_request::{PartitionData, StateBatch},
        write_share_group_state_response::{PartitionResult, WriteStateResult},
    },
};

use super::{Api, Context, Permission, QuotaClass, share_state_call};
use crate::{
    request::{Outcome, Request},
    share::store::Told,
};

pub(crate) const API: Api = Api {
    key: ApiKey::WriteShareGroupState,
    permissions: &[Permission::ClusterAction],
    quota: QuotaClass::Exempt,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: WriteShareGroupStateRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| {
        let commands = topic
            .partitions
            .iter()
            .map(|partition| (partition.partition, Command::Write(write(partition))));
        (topic.topic_id, commands.collect())
    });
    share_state_call::serve(cx, &request, &body.group_id, topics.collect(), |answered| {
        let topic = |(topic_id, told): (_, Vec<_>)| WriteStateResult {
            topic_id,
            partitions: told.into_iter().map(partition).collect(),
            ..WriteStateResult::default()
        };
        let results = answered.into_iter().map(topic).collect();
        WriteShareGroupStateResponse { results, ..<_>::default() }
    })
}

fn write(of: &PartitionData<'_>) -> Write {
    let batch = |batch: &StateBatch<'_>| Batch {
        first: batch.first_offset,
        last: batch.last_offset,
        state: batch.delivery_state,
        deliveries: batch.delivery_count,
    };
    Write {
        state_epoch: of.state_epoch,
        leader_epoch: of.leader_epoch,
        start_offset: of.start_offset,
        complete_count: of.delivery_complete_count,
        batches: of.state_batches.iter().map(batch).collect(),
    }
}

fn partition((partition, told): (i32, Told)) -> PartitionResult<'static> {
    let (error_code, error_message) = share_state_call::error(&told);
    PartitionResult { partition, error_code, error_message, ..PartitionResult::default() }
}
