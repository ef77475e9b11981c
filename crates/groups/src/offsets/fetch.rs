//! OffsetFetch, versions 0 to 10: some or all committed offsets of a group, whoever asks.
//!
//! An offset that is not there is -1 and no error. Version 0, which Kafka kept in ZooKeeper, is
//! answered like version 1.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use klamm_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use klamm_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use klamm_protocol::wire::Uuid;

use super::store::{Committed, View};
use crate::api::{Response, Token};
use crate::consumer;
use crate::coordinator::Coordinator;
use crate::name::text;
use crate::registry::AnyGroup;
use crate::streams;

/// From this version on a request asks for several groups.
const GROUPS_FROM: i16 = 8;
/// From this version on a group has an error of its own.
const GROUP_ERROR_FROM: i16 = 2;

impl Coordinator {
    pub(crate) fn fetch(
        &mut self,
        token: Token,
        version: i16,
        asked: &OffsetFetchRequestGroup<'_>,
        require_stable: bool,
    ) {
        if require_stable {
            let mut group = self.offsets_for(View::Newest, asked);
            self.mark_unstable(&mut group, asked.topics.is_none());
            let response = Response::Fetch(group);
            self.answer_when_durable(token, version, response);
        } else {
            let response = Response::Fetch(self.offsets_for(View::Durable, asked));
            self.respond(token, response);
        }
    }

    /// Offsets that an open transaction may change are not told (KIP-447).
    fn mark_unstable(&self, group: &mut OffsetFetchResponseGroup<'static>, all: bool) {
        if all {
            self.add_pending_only(group);
        }
        let name = group.group_id.clone();
        for topic in &mut group.topics {
            for partition in &mut topic.partitions {
                if self.offsets.is_pending(&name, &topic.name, partition.partition_index) {
                    *partition = partition_response(partition.partition_index, None);
                    partition.error_code = ErrorCode::UnstableOffsetCommit.code();
                }
            }
        }
    }

    /// Who asks for everything hears also of offsets of which nothing was ever visible.
    fn add_pending_only(&self, group: &mut OffsetFetchResponseGroup<'static>) {
        let name = group.group_id.clone();
        for key in self.offsets.pending_of_group(&name) {
            let at = group.topics.iter().position(|topic| *topic.name == *key.topic);
            let at = at.unwrap_or_else(|| {
                let name = text(&key.topic);
                group.topics.push(OffsetFetchResponseTopics { name, ..Default::default() });
                group.topics.len() - 1
            });
            let partitions = &mut group.topics[at].partitions;
            if partitions.iter().all(|known| known.partition_index != key.partition) {
                partitions.push(partition_response(key.partition, None));
            }
        }
    }

    fn offsets_for(
        &self,
        view: View,
        asked: &OffsetFetchRequestGroup<'_>,
    ) -> OffsetFetchResponseGroup<'static> {
        let name = asked.group_id.as_ref();
        let group = match view {
            View::Newest => self.registry.live(name),
            View::Durable => self.registry.visible(name),
        };
        if group.is_some_and(AnyGroup::is_share) {
            let (group_id, error_code) =
                (name.to_owned().into(), ErrorCode::GroupIdNotFound.code());
            return OffsetFetchResponseGroup { group_id, error_code, ..Default::default() };
        }
        let member = asked.member_id.as_deref();
        let checked = match group {
            Some(AnyGroup::Consumer(group)) => {
                consumer::offsets::check_fetch(group, member, asked.member_epoch)
            }
            Some(AnyGroup::Streams(group)) => {
                streams::offsets::check_fetch(group, member, asked.member_epoch)
            }
            _ => Ok(()),
        };
        if let Err(error) = checked {
            let (group_id, error_code) = (name.to_owned().into(), error.code());
            return OffsetFetchResponseGroup { group_id, error_code, ..Default::default() };
        }
        let exists = group.is_some();
        let topics = match &asked.topics {
            Some(topics) => {
                topics.iter().map(|topic| self.some_offsets(view, name, topic, exists)).collect()
            }
            None if exists => self.all_offsets(view, name),
            None => Vec::new(),
        };
        let group_id = name.to_owned().into();
        OffsetFetchResponseGroup { group_id, topics, ..OffsetFetchResponseGroup::default() }
    }

    fn some_offsets(
        &self,
        view: View,
        group: &str,
        topic: &OffsetFetchRequestTopics<'_>,
        exists: bool,
    ) -> OffsetFetchResponseTopics<'static> {
        let offset = |partition: i32| {
            let found = self.offsets.get(view, group, &topic.name, partition);
            found.filter(|found| exists && is_same_topic(found.topic_id, topic.topic_id))
        };
        let partitions = topic.partition_indexes.iter();
        OffsetFetchResponseTopics {
            name: topic.name.to_string().into(),
            topic_id: topic.topic_id,
            partitions: partitions.map(|p| partition_response(*p, offset(*p))).collect(),
            ..OffsetFetchResponseTopics::default()
        }
    }

    fn all_offsets(&self, view: View, group: &str) -> Vec<OffsetFetchResponseTopics<'static>> {
        let mut topics: Vec<OffsetFetchResponseTopics<'static>> = Vec::new();
        for (topic, partition, committed) in self.offsets.of_group(view, group) {
            if topics.last().is_none_or(|last| *last.name != **topic) {
                let name = text(topic);
                topics.push(OffsetFetchResponseTopics { name, ..Default::default() });
            }
            if let Some(last) = topics.last_mut() {
                last.partitions.push(partition_response(partition, Some(committed)));
            }
        }
        topics
    }
}

/// A topic that was deleted and made again has another id; who does not know an id means any.
fn is_same_topic(committed: Uuid, asked: Uuid) -> bool {
    committed.is_zero() || asked.is_zero() || committed == asked
}

fn partition_response(
    partition_index: i32,
    committed: Option<&Committed>,
) -> OffsetFetchResponsePartitions<'static> {
    let nothing = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some("".into()),
        ..OffsetFetchResponsePartitions::default()
    };
    match committed {
        None => nothing,
        Some(committed) => OffsetFetchResponsePartitions {
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata.to_string().into()),
            ..nothing
        },
    }
}

/// The response in place of this one when the append it waited for failed. Older consumers do not
/// retry on COORDINATOR_NOT_AVAILABLE here, so they are sent to look for the coordinator.
pub(crate) fn fetch_error(
    group: OffsetFetchResponseGroup<'static>,
    error: ErrorCode,
    version: i16,
) -> OffsetFetchResponseGroup<'static> {
    let told = match crate::api::told_of_append(error) {
        ErrorCode::CoordinatorNotAvailable => ErrorCode::NotCoordinator,
        told => told,
    };
    let error_code = told.code();
    let group_id = group.group_id;
    if version >= GROUP_ERROR_FROM {
        return OffsetFetchResponseGroup { group_id, error_code, ..Default::default() };
    }
    let failed = |p: OffsetFetchResponsePartitions<'static>| OffsetFetchResponsePartitions {
        error_code,
        ..partition_response(p.partition_index, None)
    };
    let mut topics = group.topics;
    for topic in &mut topics {
        topic.partitions = topic.partitions.drain(..).map(failed).collect();
    }
    OffsetFetchResponseGroup { group_id, topics, ..Default::default() }
}

/// The groups that an OffsetFetch of any version asks for; to version 7 it is one.
pub fn fetch_groups(
    request: OffsetFetchRequest<'static>,
    version: i16,
) -> Vec<OffsetFetchRequestGroup<'static>> {
    if version >= GROUPS_FROM {
        return request.groups;
    }
    let topic = |t: OffsetFetchRequestTopic<'static>| OffsetFetchRequestTopics {
        name: t.name,
        partition_indexes: t.partition_indexes,
        ..OffsetFetchRequestTopics::default()
    };
    vec![OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics: request.topics.map(|topics| topics.into_iter().map(topic).collect()),
        ..OffsetFetchRequestGroup::default()
    }]
}

/// The OffsetFetch response of any version, from the groups asked for.
pub fn fetch_response(
    mut groups: Vec<OffsetFetchResponseGroup<'static>>,
    version: i16,
) -> OffsetFetchResponse<'static> {
    if version >= GROUPS_FROM {
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let partition = |p: OffsetFetchResponsePartitions<'static>| OffsetFetchResponsePartition {
        partition_index: p.partition_index,
        committed_offset: p.committed_offset,
        committed_leader_epoch: p.committed_leader_epoch,
        metadata: p.metadata,
        error_code: p.error_code,
        ..OffsetFetchResponsePartition::default()
    };
    let topic = |t: OffsetFetchResponseTopics<'static>| OffsetFetchResponseTopic {
        name: t.name,
        partitions: t.partitions.into_iter().map(partition).collect(),
        ..OffsetFetchResponseTopic::default()
    };
    let only = groups.pop().unwrap_or_default();
    OffsetFetchResponse {
        topics: only.topics.into_iter().map(topic).collect(),
        error_code: only.error_code,
        ..OffsetFetchResponse::default()
    }
}
