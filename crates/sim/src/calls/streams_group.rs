//! StreamsGroupHeartbeat.

use std::borrow::Cow;

use klamm_protocol::{
    ErrorCode,
    messages::{
        StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
        streams_group_heartbeat_request::{Subtopology, TaskIds, Topology},
    },
    wire::Uuid,
};

use super::{Heard, Parts};
use crate::client::Client;

/// So long that nobody is put out for giving up tasks slowly: the oracle knows of sessions only.
const REBALANCE_MS: i32 = 600_000;
const TIMEOUT_MS: u64 = 2_000;
/// The only subtopology.
const SUBTOPOLOGY: &str = "0";
/// What stands for it where partitions of topics are kept.
const SUBTOPOLOGY_ID: Uuid = Uuid::ONE;

/// What a member of a streams group says.
#[derive(Debug)]
pub(crate) struct Beat<'a> {
    pub(crate) group: &'a str,
    pub(crate) member: &'a str,
    pub(crate) process: &'a str,
    pub(crate) epoch: i32,
    /// The topic that the application reads.
    pub(crate) topic: &'a str,
    pub(crate) has: &'a Parts,
}

/// Sends a heartbeat that says everything. None if there was no answer.
pub(crate) async fn streams_heartbeat(
    client: &mut Client,
    beat: &Beat<'_>,
) -> Option<Result<Heard, ErrorCode>> {
    let ids = TaskIds {
        subtopology_id: Cow::Borrowed(SUBTOPOLOGY),
        partitions: beat.has.iter().map(|(_, partition)| *partition).collect(),
        ..<_>::default()
    };
    let active = if beat.has.is_empty() { Vec::new() } else { vec![ids] };
    let request = StreamsGroupHeartbeatRequest {
        group_id: Cow::Borrowed(beat.group),
        member_id: Cow::Borrowed(beat.member),
        member_epoch: beat.epoch,
        rebalance_timeout_ms: REBALANCE_MS,
        topology: (beat.epoch == 0).then(|| topology(beat.topic)),
        active_tasks: Some(active),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some(Cow::Borrowed(beat.process)),
        ..<_>::default()
    };
    let reply = client.call(0, &request, TIMEOUT_MS).await.ok()?;
    let response: StreamsGroupHeartbeatResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    let assigned = response.active_tasks.map(|active| {
        let partitions = active.iter().flat_map(|ids| ids.partitions.iter().copied());
        partitions.map(|partition| (SUBTOPOLOGY_ID, partition)).collect()
    });
    Some(Ok(Heard { epoch: response.member_epoch, assigned }))
}

fn topology(topic: &str) -> Topology<'_> {
    let reads = Subtopology {
        subtopology_id: Cow::Borrowed(SUBTOPOLOGY),
        source_topics: vec![Cow::Borrowed(topic)],
        ..<_>::default()
    };
    Topology { epoch: 0, subtopologies: vec![reads], ..<_>::default() }
}
