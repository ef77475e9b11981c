//! Where applications can be asked for state (interactive queries): which partitions of which
//! topics each endpoint has.

use std::collections::BTreeSet;

use klamm_metadata::Image;
use klamm_protocol::messages::streams_group_heartbeat_response as response;

use super::group::StreamsGroup;
use super::tasks::{self, Task};
use super::topology::{Topology, read_by};
use crate::name::text;

/// The endpoints of all members that have one.
pub(super) fn of_group(
    group: &StreamsGroup,
    image: &Image,
) -> Vec<response::EndpointToPartitions<'static>> {
    let Some(topology) = &group.topology else { return Vec::new() };
    let of_member = |member: &std::sync::Arc<super::member::Member>| {
        let (host, port) = member.said.endpoint.as_ref()?;
        let tasks = member.has.assigned.tasks();
        Some(response::EndpointToPartitions {
            user_endpoint: response::Endpoint { host: text(host), port: *port, ..<_>::default() },
            active_partitions: partitions(topology, image, tasks::each(&tasks.active)),
            standby_partitions: partitions(topology, image, tasks::each(&tasks.standby)),
            ..<_>::default()
        })
    };
    group.members.values().filter_map(of_member).collect()
}

fn partitions(
    topology: &Topology,
    image: &Image,
    tasks: impl Iterator<Item = Task>,
) -> Vec<response::TopicPartition<'static>> {
    let tasks: BTreeSet<Task> = tasks.collect();
    let mut found = Vec::new();
    for sub in topology.subtopologies() {
        let own = tasks.iter().filter(|(id, _)| **id == *sub.subtopology_id);
        let own: Vec<i32> = own.map(|(_, partition)| *partition).collect();
        for topic in read_by(sub).filter(|_| !own.is_empty()) {
            // A smaller topic has nothing for the later tasks.
            let count = image.topic(topic).map_or(0, |topic| topic.partition_count());
            let exists = |p: &i32| usize::try_from(*p).is_ok_and(|p| p < count);
            found.push(response::TopicPartition {
                topic: topic.to_owned().into(),
                partitions: own.iter().copied().filter(exists).collect(),
                ..<_>::default()
            });
        }
    }
    found
}
