//! ConsumerGroupHeartbeat.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        consumer_group_heartbeat_request::TopicPartitions,
    },
    wire::Uuid,
};

use crate::client::Client;

/// So long that nobody is put out for giving up partitions slowly: the oracle knows of sessions
/// only.
const REBALANCE_MS: i32 = 600_000;
const TIMEOUT_MS: u64 = 2_000;

/// Partitions by the ids of their topics.
pub(crate) type Parts = BTreeSet<(Uuid, i32)>;

/// What a member of a consumer group says.
#[derive(Debug)]
pub(crate) struct Heartbeat<'a> {
    pub(crate) group: &'a str,
    pub(crate) member: &'a str,
    pub(crate) epoch: i32,
    /// The name of a static member.
    pub(crate) instance: Option<&'a str>,
    /// The topics to subscribe to, or nothing new.
    pub(crate) topics: Option<&'a [String]>,
    /// A pattern to subscribe to, or nothing new.
    pub(crate) pattern: Option<&'a str>,
    pub(crate) has: &'a Parts,
}

/// What it hears: its epoch, and what it is to have if that is new.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) epoch: i32,
    pub(crate) assigned: Option<Parts>,
}

/// Sends a heartbeat that says everything. None if there was no answer.
pub(crate) async fn consumer_heartbeat(
    client: &mut Client,
    beat: &Heartbeat<'_>,
) -> Option<Result<Heard, ErrorCode>> {
    let mut has: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in beat.has {
        has.entry(*topic).or_default().push(*partition);
    }
    let part = |(topic_id, partitions)| TopicPartitions { topic_id, partitions, ..<_>::default() };
    let text = |name: &String| Cow::Owned(name.clone());
    let request = ConsumerGroupHeartbeatRequest {
        group_id: Cow::Borrowed(beat.group),
        member_id: Cow::Borrowed(beat.member),
        member_epoch: beat.epoch,
        instance_id: beat.instance.map(Cow::Borrowed),
        rebalance_timeout_ms: REBALANCE_MS,
        subscribed_topic_names: beat.topics.map(|names| names.iter().map(text).collect()),
        subscribed_topic_regex: beat.pattern.map(Cow::Borrowed),
        topic_partitions: Some(has.into_iter().map(part).collect()),
        ..<_>::default()
    };
    let reply = client.call(1, &request, TIMEOUT_MS).await.ok()?;
    let response: ConsumerGroupHeartbeatResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.error_code)?;
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    let assigned = response.assignment.map(|assignment| {
        let each = assignment.topic_partitions.iter();
        each.flat_map(|t| t.partitions.iter().map(|p| (t.topic_id, *p))).collect()
    });
    Some(Ok(Heard { epoch: response.member_epoch, assigned }))
}
