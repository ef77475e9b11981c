//! The records of share groups, as values and as Kafka 4.3 writes them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::{
    ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
};
use klamm_protocol::messages::{
    share_group_current_member_assignment_value as current,
    share_group_state_partition_metadata_value as state,
    share_group_target_assignment_member_value as target,
};
use klamm_protocol::wire::Uuid;

use super::member::{Current, Subscription};
use super::topics::{ByTopic, Partitions, StateTopics};
use crate::api::CoordinatorRecord;
use crate::modern::Assignment;
use crate::name::{Name, opt_name};

/// The only version of every value so far.
const VALUE_VERSION: i16 = 0;
/// The only state of a member.
const STABLE: i8 = 0;

/// A change of a share group. `None` takes away what was there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// Epoch and fingerprint of the topics.
    Group(Option<(i32, i64)>),
    Member(Name, Option<Subscription>),
    /// Epoch of the target assignment, and when it was made.
    TargetEpoch(Option<(i32, i64)>),
    Target(Name, Option<Assignment>),
    Current(Name, Option<Current>),
    Topics(Option<Arc<StateTopics>>),
}

impl Record {
    /// The record of a share group that these stand for, with the group's name.
    pub(crate) fn read(
        key: &CoordinatorRecordKey<'_>,
        value: Option<CoordinatorRecordValue<'_>>,
    ) -> Option<(Name, Self)> {
        use CoordinatorRecordKey as Key;
        let member = |id: &Cow<'_, str>| Name::from(id.as_ref());
        let (group, record) = match key {
            Key::ShareGroupMetadata(k) => (&k.group_id, Self::Group(value.and_then(epoch_of))),
            Key::ShareGroupMemberMetadata(k) => {
                (&k.group_id, Self::Member(member(&k.member_id), value.and_then(subscription_of)))
            }
            Key::ShareGroupTargetAssignmentMetadata(k) => {
                (&k.group_id, Self::TargetEpoch(value.and_then(target_epoch_of)))
            }
            Key::ShareGroupTargetAssignmentMember(k) => {
                (&k.group_id, Self::Target(member(&k.member_id), value.and_then(target_of)))
            }
            Key::ShareGroupCurrentMemberAssignment(k) => {
                (&k.group_id, Self::Current(member(&k.member_id), value.and_then(current_of)))
            }
            Key::ShareGroupStatePartitionMetadata(k) => {
                (&k.group_id, Self::Topics(value.and_then(topics_of)))
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
            Self::Group(_) => Key::ShareGroupMetadata(ShareGroupMetadataKey { group_id }),
            Self::Member(id, _) => Key::ShareGroupMemberMetadata(ShareGroupMemberMetadataKey {
                group_id,
                member_id: member(id),
            }),
            Self::TargetEpoch(_) => {
                Key::ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataKey {
                    group_id,
                })
            }
            Self::Target(id, _) => {
                Key::ShareGroupTargetAssignmentMember(ShareGroupTargetAssignmentMemberKey {
                    group_id,
                    member_id: member(id),
                })
            }
            Self::Current(id, _) => {
                Key::ShareGroupCurrentMemberAssignment(ShareGroupCurrentMemberAssignmentKey {
                    group_id,
                    member_id: member(id),
                })
            }
            Self::Topics(_) => {
                Key::ShareGroupStatePartitionMetadata(ShareGroupStatePartitionMetadataKey {
                    group_id,
                })
            }
        }
    }

    fn value(&self) -> Option<CoordinatorRecordValue<'_>> {
        use CoordinatorRecordValue as Value;
        Some(match self {
            Self::Group(value) => {
                let (epoch, metadata_hash) = (*value)?;
                let fields = ShareGroupMetadataValue { epoch, metadata_hash, ..<_>::default() };
                Value::ShareGroupMetadata(fields)
            }
            Self::Member(_, said) => Value::ShareGroupMemberMetadata(said_fields(said.as_ref()?)),
            Self::TargetEpoch(value) => {
                let (assignment_epoch, assignment_timestamp) = (*value)?;
                Value::ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataValue {
                    assignment_epoch,
                    assignment_timestamp,
                    ..<_>::default()
                })
            }
            Self::Target(_, assignment) => {
                Value::ShareGroupTargetAssignmentMember(target_fields(assignment.as_ref()?))
            }
            Self::Current(_, has) => {
                Value::ShareGroupCurrentMemberAssignment(current_fields(has.as_ref()?))
            }
            Self::Topics(topics) => {
                Value::ShareGroupStatePartitionMetadata(topics_fields(topics.as_ref()?))
            }
        })
    }
}

fn said_fields(said: &Subscription) -> ShareGroupMemberMetadataValue<'_> {
    ShareGroupMemberMetadataValue {
        rack_id: said.rack_id.as_deref().map(Cow::Borrowed),
        client_id: Cow::Borrowed(&said.client_id),
        client_host: Cow::Borrowed(&said.client_host),
        subscribed_topic_names: said.topics.iter().map(|t| Cow::Owned(t.to_string())).collect(),
        ..<_>::default()
    }
}

fn subscription_of(value: CoordinatorRecordValue<'_>) -> Option<Subscription> {
    let CoordinatorRecordValue::ShareGroupMemberMetadata(v) = value else { return None };
    Some(Subscription {
        rack_id: opt_name(v.rack_id.as_ref()),
        client_id: v.client_id.as_ref().into(),
        client_host: v.client_host.as_ref().into(),
        topics: Arc::new(v.subscribed_topic_names.iter().map(|t| Name::from(t.as_ref())).collect()),
    })
}

fn epoch_of(value: CoordinatorRecordValue<'_>) -> Option<(i32, i64)> {
    match value {
        CoordinatorRecordValue::ShareGroupMetadata(v) => Some((v.epoch, v.metadata_hash)),
        _ => None,
    }
}

fn target_epoch_of(value: CoordinatorRecordValue<'_>) -> Option<(i32, i64)> {
    match value {
        CoordinatorRecordValue::ShareGroupTargetAssignmentMetadata(v) => {
            Some((v.assignment_epoch, v.assignment_timestamp))
        }
        _ => None,
    }
}

fn target_fields(assignment: &Assignment) -> ShareGroupTargetAssignmentMemberValue<'static> {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| target::TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..<_>::default()
    };
    ShareGroupTargetAssignmentMemberValue {
        topic_partitions: assignment.iter().map(topic).collect(),
        ..<_>::default()
    }
}

fn target_of(value: CoordinatorRecordValue<'_>) -> Option<Assignment> {
    let CoordinatorRecordValue::ShareGroupTargetAssignmentMember(v) = value else { return None };
    let topic = |t: target::TopicPartition<'_>| (t.topic_id, t.partitions.into_iter().collect());
    Some(Arc::new(v.topic_partitions.into_iter().map(topic).collect()))
}

fn current_fields(has: &Current) -> ShareGroupCurrentMemberAssignmentValue<'static> {
    let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| current::TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..<_>::default()
    };
    ShareGroupCurrentMemberAssignmentValue {
        member_epoch: has.epoch,
        previous_member_epoch: has.previous_epoch,
        state: STABLE,
        assigned_partitions: has.assigned.iter().map(topic).collect(),
        ..<_>::default()
    }
}

fn current_of(value: CoordinatorRecordValue<'_>) -> Option<Current> {
    let CoordinatorRecordValue::ShareGroupCurrentMemberAssignment(v) = value else { return None };
    let topic = |t: current::TopicPartitions<'_>| (t.topic_id, t.partitions.into_iter().collect());
    Some(Current {
        epoch: v.member_epoch,
        previous_epoch: v.previous_member_epoch,
        assigned: Arc::new(v.assigned_partitions.into_iter().map(topic).collect()),
    })
}

fn topics_fields(topics: &StateTopics) -> ShareGroupStatePartitionMetadataValue<'static> {
    let info = |(topic_id, of): (&Uuid, &Partitions)| state::TopicPartitionsInfo {
        topic_id: *topic_id,
        topic_name: Cow::Owned(of.name.to_string()),
        partitions: of.indexes.iter().copied().collect(),
        ..<_>::default()
    };
    let gone = |(topic_id, name): (&Uuid, &Name)| state::TopicInfo {
        topic_id: *topic_id,
        topic_name: Cow::Owned(name.to_string()),
        ..<_>::default()
    };
    ShareGroupStatePartitionMetadataValue {
        initializing_topics: topics.initializing.iter().map(info).collect(),
        initialized_topics: topics.initialized.iter().map(info).collect(),
        deleting_topics: topics.deleting.iter().map(gone).collect(),
        ..<_>::default()
    }
}

fn topics_of(value: CoordinatorRecordValue<'_>) -> Option<Arc<StateTopics>> {
    let CoordinatorRecordValue::ShareGroupStatePartitionMetadata(v) = value else { return None };
    let by_topic = |list: Vec<state::TopicPartitionsInfo<'_>>| -> ByTopic {
        let entry = |of: state::TopicPartitionsInfo<'_>| {
            let (name, indexes) = (of.topic_name.as_ref().into(), of.partitions);
            (of.topic_id, Partitions { name, indexes: indexes.into_iter().collect() })
        };
        list.into_iter().map(entry).collect()
    };
    let deleting = v.deleting_topics.iter();
    Some(Arc::new(StateTopics {
        initializing: by_topic(v.initializing_topics),
        initialized: by_topic(v.initialized_topics),
        deleting: deleting.map(|of| (of.topic_id, of.topic_name.as_ref().into())).collect(),
    }))
}
