//! ReadShareGroupStateSummary (key 87), versions 0 and 1: how far
//! a share group got with partitions. Version 1 says how many records are done.

use klamm_groups::share::store::{Answer, Command, NO_START_OFFSET};
use klamm_protocol::{
    ApiKey,
    messages::{
        ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
        read_share_group_state_summary_response::{PartitionResult, ReadStateSummaryResult},
    },
};

use super::{Api, Context, Permission, QuotaClass, share_state_call};
use crate::{
    request::{Outcome, Request},
    share::store::Told,
};

pub(crate) const API: Api = Api {
    key: ApiKey::ReadShareGroupStateSummary,
    permissions: &[Permission::ClusterAction],
    quota: QuotaClass::Exempt,
    audit: None,
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ReadShareGroupStateSummaryRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = body.topics.iter().map(|topic| {
        let commands =
            topic.partitions.iter().map(|partition| (partition.partition, Command::Summary));
        (topic.topic_id, commands.collect())
    });
    share_state_call::serve(cx, &request, &body.group_id, topics.collect(), |answered| {
        let topic = |(topic_id, told): (_, Vec<_>)| ReadStateSummaryResult {
            topic_id,
            partitions: told.into_iter().map(partition).collect(),
            ..ReadStateSummaryResult::default()
        };
        let results = answered.into_iter().map(topic).collect();
        ReadShareGroupStateSummaryResponse { results, ..<_>::default() }
    })
}

fn partition((partition, told): (i32, Told)) -> PartitionResult<'static> {
    let (error_code, error_message) = share_state_call::error(&told);
    let result =
        PartitionResult { partition, error_code, error_message, ..PartitionResult::default() };
    match told {
        Ok(Answer::State(state)) => PartitionResult {
            state_epoch: state.state_epoch,
            leader_epoch: state.leader_epoch,
            start_offset: state.start_offset,
            delivery_complete_count: state.complete_count,
            ..result
        },
        Ok(_) => PartitionResult { start_offset: NO_START_OFFSET, ..result },
        Err(_) => result,
    }
}
