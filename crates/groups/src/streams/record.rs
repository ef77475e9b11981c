//! The records of streams groups, as values and as Kafka 4.3 writes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::{
    StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey,
};
use klamm_protocol::messages::{
    streams_group_current_member_assignment_value as current,
    streams_group_member_metadata_value as metadata, streams_group_metadata_value as facts,
    streams_group_target_assignment_member_value as target,
};

use super::member::{Current, Said};
use super::tasks::{OwnedActive, OwnedSet, TaskSet, Tasks};
use super::topology::Topology;
use crate::api::CoordinatorRecord;
use crate::modern::MemberState;
use crate::name::{Name, opt_name};

/// The only version of every value so far.
const VALUE_VERSION: i16 = 0;

/// What the record of the group itself tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) epoch: i32,
    /// Fingerprint of the topics that the topology needs; 0 if it is not known.
    pub(crate) metadata_hash: i64,
    /// The topology whose topics are all there; -1 if they are not.
    pub(crate) validated_topology_epoch: i32,
    /// Settings that the assignment depends on, as they were at this epoch.
    pub(crate) last_configs: Arc<BTreeMap<Name, Name>>,
}

impl Facts {
    pub(crate) fn new(epoch: i32) -> Self {
        let last_configs = Arc::default();
        Self { epoch, metadata_hash: 0, validated_topology_epoch: -1, last_configs }
    }
}

/// A change of a streams group. `None` takes away what was there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Group(Option<Facts>),
    Topology(Option<Arc<Topology>>),
    Member(Name, Option<Said>),
    /// Epoch of the target assignment, and when it was made.
    TargetEpoch(Option<(i32, i64)>),
    Target(Name, Option<TaskSet>),
    Current(Name, Option<Current>),
}

impl Record {
    /// The record of a streams group that these stand for, with the group's name.
    pub(crate) fn read(
        key: &CoordinatorRecordKey<'_>,
        value: Option<CoordinatorRecordValue<'_>>,
    ) -> Option<(Name, Self)> {
        use CoordinatorRecordKey as Key;
        let member = |id: &Cow<'_, str>| Name::from(id.as_ref());
        let (group, record) = match key {
            Key::StreamsGroupMetadata(k) => (&k.group_id, Self::Group(value.and_then(facts_of))),
            Key::StreamsGroupTopology(k) => {
                (&k.group_id, Self::Topology(value.and_then(topology_of)))
            }
            Key::StreamsGroupMemberMetadata(k) => {
                (&k.group_id, Self::Member(member(&k.member_id), value.and_then(said_of)))
            }
            Key::StreamsGroupTargetAssignmentMetadata(k) => {
                (&k.group_id, Self::TargetEpoch(value.and_then(target_epoch_of)))
            }
            Key::StreamsGroupTargetAssignmentMember(k) => {
                (&k.group_id, Self::Target(member(&k.member_id), value.and_then(target_of)))
            }
            Key::StreamsGroupCurrentMemberAssignment(k) => {
                (&k.group_id, Self::Current(member(&k.member_id), value.and_then(current_of)))
            }
            _ => return None,
        };
        Some((Name::from(group.as_ref()), record))
    }

    /// The record as it goes to the log.
    pub(crate) fn write(&self, group: &str) -> CoordinatorRecord {
        let value = self.value().map(|value| value.to_bytes(VALUE_VERSION));
        CoordinatorRecord { key: self.key(group).to_bytes(), value }
    }

    /// Whether it takes away what was there.
    pub(crate) fn takes_away(&self) -> bool {
        self.value().is_none()
    }

    fn key<'a>(&'a self, group: &'a str) -> CoordinatorRecordKey<'a> {
        use CoordinatorRecordKey as Key;
        let group_id = Cow::Borrowed(group);
        let member = |id: &'a Name| Cow::Borrowed(&**id);
        match self {
            Self::Group(_) => Key::StreamsGroupMetadata(StreamsGroupMetadataKey { group_id }),
            Self::Topology(_) => Key::StreamsGroupTopology(StreamsGroupTopologyKey { group_id }),
            Self::Member(id, _) => Key::StreamsGroupMemberMetadata(StreamsGroupMemberMetadataKey {
                group_id,
                member_id: member(id),
            }),
            Self::TargetEpoch(_) => {
                Key::StreamsGroupTargetAssignmentMetadata(StreamsGroupTargetAssignmentMetadataKey {
                    group_id,
                })
            }
            Self::Target(id, _) => {
                Key::StreamsGroupTargetAssignmentMember(StreamsGroupTargetAssignmentMemberKey {
                    group_id,
                    member_id: member(id),
                })
            }
            Self::Current(id, _) => {
                Key::StreamsGroupCurrentMemberAssignment(StreamsGroupCurrentMemberAssignmentKey {
                    group_id,
                    member_id: member(id),
                })
            }
        }
    }

    fn value(&self) -> Option<CoordinatorRecordValue<'_>> {
        use CoordinatorRecordValue as Value;
        Some(match self {
            Self::Group(facts) => Value::StreamsGroupMetadata(facts_fields(facts.as_ref()?)),
            Self::Topology(topology) => {
                Value::StreamsGroupTopology(topology.as_ref()?.value().clone())
            }
            Self::Member(_, said) => Value::StreamsGroupMemberMetadata(said_fields(said.as_ref()?)),
            Self::TargetEpoch(value) => {
                let (assignment_epoch, assignment_timestamp) = (*value)?;
                Value::StreamsGroupTargetAssignmentMetadata(
                    StreamsGroupTargetAssignmentMetadataValue {
                        assignment_epoch,
                        assignment_timestamp,
                        ..<_>::default()
                    },
                )
            }
            Self::Target(_, target) => {
                Value::StreamsGroupTargetAssignmentMember(target_fields(target.as_ref()?))
            }
            Self::Current(_, has) => {
                Value::StreamsGroupCurrentMemberAssignment(current_fields(has.as_ref()?))
            }
        })
    }
}

fn text(name: &Name) -> Cow<'static, str> {
    Cow::Owned(name.to_string())
}

fn facts_fields(facts: &Facts) -> StreamsGroupMetadataValue<'static> {
    let config = |(key, value): (&Name, &Name)| facts::LastAssignmentConfig {
        key: text(key),
        value: text(value),
        ..<_>::default()
    };
    StreamsGroupMetadataValue {
        epoch: facts.epoch,
        metadata_hash: facts.metadata_hash,
        validated_topology_epoch: facts.validated_topology_epoch,
        last_assignment_configs: Some(facts.last_configs.iter().map(config).collect()),
        ..<_>::default()
    }
}

fn facts_of(value: CoordinatorRecordValue<'_>) -> Option<Facts> {
    let CoordinatorRecordValue::StreamsGroupMetadata(v) = value else { return None };
    let config = |config: facts::LastAssignmentConfig<'_>| {
        (Name::from(config.key.as_ref()), Name::from(config.value.as_ref()))
    };
    Some(Facts {
        epoch: v.epoch,
        metadata_hash: v.metadata_hash,
        validated_topology_epoch: v.validated_topology_epoch,
        last_configs: Arc::new(
            v.last_assignment_configs.into_iter().flatten().map(config).collect(),
        ),
    })
}

fn topology_of(value: CoordinatorRecordValue<'_>) -> Option<Arc<Topology>> {
    match value {
        CoordinatorRecordValue::StreamsGroupTopology(v) => {
            Some(Arc::new(Topology::read(v.into_static())))
        }
        _ => None,
    }
}

fn said_fields(said: &Said) -> StreamsGroupMemberMetadataValue<'_> {
    let tag = |(key, value): (&Name, &Name)| metadata::KeyValue {
        key: text(key),
        value: text(value),
        ..<_>::default()
    };
    let endpoint = |(host, port): &(Name, u16)| metadata::Endpoint {
        host: text(host),
        port: *port,
        ..<_>::default()
    };
    StreamsGroupMemberMetadataValue {
        instance_id: said.instance_id.as_deref().map(Cow::Borrowed),
        rack_id: said.rack_id.as_deref().map(Cow::Borrowed),
        client_id: Cow::Borrowed(&said.client_id),
        client_host: Cow::Borrowed(&said.client_host),
        rebalance_timeout_ms: said.rebalance_timeout_ms,
        topology_epoch: said.topology_epoch,
        process_id: Cow::Borrowed(&said.process_id),
        user_endpoint: said.endpoint.as_ref().map(endpoint),
        client_tags: said.tags.iter().map(tag).collect(),
        ..<_>::default()
    }
}

fn said_of(value: CoordinatorRecordValue<'_>) -> Option<Said> {
    let CoordinatorRecordValue::StreamsGroupMemberMetadata(v) = value else { return None };
    let tag = |tag: metadata::KeyValue<'_>| {
        (Name::from(tag.key.as_ref()), Name::from(tag.value.as_ref()))
    };
    Some(Said {
        instance_id: opt_name(v.instance_id.as_ref()),
        rack_id: opt_name(v.rack_id.as_ref()),
        client_id: v.client_id.as_ref().into(),
        client_host: v.client_host.as_ref().into(),
        rebalance_timeout_ms: v.rebalance_timeout_ms,
        topology_epoch: v.topology_epoch,
        process_id: v.process_id.as_ref().into(),
        endpoint: v.user_endpoint.map(|at| (Name::from(at.host.as_ref()), at.port)),
        tags: Arc::new(v.client_tags.into_iter().map(tag).collect()),
    })
}

fn target_epoch_of(value: CoordinatorRecordValue<'_>) -> Option<(i32, i64)> {
    match value {
        CoordinatorRecordValue::StreamsGroupTargetAssignmentMetadata(v) => {
            Some((v.assignment_epoch, v.assignment_timestamp))
        }
        _ => None,
    }
}

fn target_fields(target: &TaskSet) -> StreamsGroupTargetAssignmentMemberValue<'static> {
    let ids = |(id, partitions): (&Name, &BTreeSet<i32>)| target::TaskIds {
        subtopology_id: text(id),
        partitions: partitions.iter().copied().collect(),
        ..<_>::default()
    };
    StreamsGroupTargetAssignmentMemberValue {
        active_tasks: target.active.iter().map(ids).collect(),
        standby_tasks: target.standby.iter().map(ids).collect(),
        warmup_tasks: target.warmup.iter().map(ids).collect(),
        ..<_>::default()
    }
}

fn target_of(value: CoordinatorRecordValue<'_>) -> Option<TaskSet> {
    let CoordinatorRecordValue::StreamsGroupTargetAssignmentMember(v) = value else { return None };
    let tasks = |list: Vec<target::TaskIds<'_>>| -> Tasks {
        let ids = |ids: target::TaskIds<'_>| {
            (Name::from(ids.subtopology_id.as_ref()), ids.partitions.into_iter().collect())
        };
        Arc::new(list.into_iter().map(ids).collect())
    };
    Some(TaskSet {
        active: tasks(v.active_tasks),
        standby: tasks(v.standby_tasks),
        warmup: tasks(v.warmup_tasks),
    })
}

fn current_fields(has: &Current) -> StreamsGroupCurrentMemberAssignmentValue<'static> {
    StreamsGroupCurrentMemberAssignmentValue {
        member_epoch: has.epoch,
        previous_member_epoch: has.previous_epoch,
        state: has.state.number(),
        active_tasks: active_fields(&has.assigned.active),
        standby_tasks: tasks_fields(&has.assigned.standby),
        warmup_tasks: tasks_fields(&has.assigned.warmup),
        active_tasks_pending_revocation: active_fields(&has.revoking.active),
        standby_tasks_pending_revocation: tasks_fields(&has.revoking.standby),
        warmup_tasks_pending_revocation: tasks_fields(&has.revoking.warmup),
        ..<_>::default()
    }
}

fn active_fields(active: &OwnedActive) -> Vec<current::TaskIds<'static>> {
    let ids = |(id, at): (&Name, &BTreeMap<i32, i32>)| current::TaskIds {
        subtopology_id: text(id),
        partitions: at.keys().copied().collect(),
        assignment_epochs: Some(at.values().copied().collect()),
        ..<_>::default()
    };
    active.iter().map(ids).collect()
}

fn tasks_fields(tasks: &Tasks) -> Vec<current::TaskIds<'static>> {
    let ids = |(id, partitions): (&Name, &BTreeSet<i32>)| current::TaskIds {
        subtopology_id: text(id),
        partitions: partitions.iter().copied().collect(),
        ..<_>::default()
    };
    tasks.iter().map(ids).collect()
}

fn current_of(value: CoordinatorRecordValue<'_>) -> Option<Current> {
    let CoordinatorRecordValue::StreamsGroupCurrentMemberAssignment(v) = value else {
        return None;
    };
    let owned = |active, standby, warmup| OwnedSet {
        active: active_of(active, v.member_epoch),
        standby: tasks_of(standby),
        warmup: tasks_of(warmup),
    };
    Some(Current {
        epoch: v.member_epoch,
        previous_epoch: v.previous_member_epoch,
        state: MemberState::from_number(v.state),
        assigned: owned(v.active_tasks, v.standby_tasks, v.warmup_tasks),
        revoking: owned(
            v.active_tasks_pending_revocation,
            v.standby_tasks_pending_revocation,
            v.warmup_tasks_pending_revocation,
        ),
    })
}

/// Releases that did not keep the epochs of tasks: theirs is the member's.
fn active_of(list: Vec<current::TaskIds<'_>>, member_epoch: i32) -> OwnedActive {
    let ids = |ids: current::TaskIds<'_>| {
        let epochs = ids.assignment_epochs.unwrap_or_default();
        let epoch_at = |at: usize| epochs.get(at).copied().unwrap_or(member_epoch.max(0));
        let partitions = ids.partitions.iter().enumerate().map(|(at, p)| (*p, epoch_at(at)));
        (Name::from(ids.subtopology_id.as_ref()), partitions.collect())
    };
    Arc::new(list.into_iter().map(ids).collect())
}

fn tasks_of(list: Vec<current::TaskIds<'_>>) -> Tasks {
    let ids = |ids: current::TaskIds<'_>| {
        (Name::from(ids.subtopology_id.as_ref()), ids.partitions.into_iter().collect())
    };
    Arc::new(list.into_iter().map(ids).collect())
}
