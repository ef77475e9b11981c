//! The records of consumer groups, as values and as Kafka 4.3 writes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};
use klamm_protocol::messages::{
    consumer_group_current_member_assignment_value as current,
    consumer_group_member_metadata_value as metadata,
    consumer_group_target_assignment_member_value as target,
};

use super::member::{ClassicTerms, Current, Subscription};
use crate::api::CoordinatorRecord;
use crate::classic::member::Protocol;
use crate::modern::{Assignment, MemberState, Owned};
use crate::name::{Name, opt_name};

/// The only version of every value so far.
const VALUE_VERSION: i16 = 0;

/// The topics that a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) topics: BTreeSet<Name>,
    /// The metadata that was looked at; rises.
    pub(crate) version: i64,
    /// When it was looked at, milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// A change of a consumer group. `None` takes away what was there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// Epoch and fingerprint of the topics.
    Group(Option<(i32, i64)>),
    /// What Kafka 4.0 kept in place of the fingerprint. Only its being there matters.
    PartitionMetadata(bool),
    Member(Name, Option<Subscription>),
    /// Epoch of the target assignment, and when it was made.
    TargetEpoch(Option<(i32, i64)>),
    Target(Name, Option<Assignment>),
    Current(Name, Option<Current>),
    Pattern(Name, Option<Arc<Resolved>>),
}

impl Record {
    /// The record of a consumer group that these stand for, with the group's name.
    pub(crate) fn read(
        key: &CoordinatorRecordKey<'_>,
        value: Option<CoordinatorRecordValue<'_>>,
    ) -> Option<(Name, Self)> {
        use CoordinatorRecordKey as Key;
        let member = |id: &Cow<'_, str>| Name::from(id.as_ref());
        let (group, record) = match key {
            Key::ConsumerGroupMetadata(k) => (&k.group_id, Self::Group(value.and_then(epoch_of))),
            Key::ConsumerGroupPartitionMetadata(k) => {
                (&k.group_id, Self::PartitionMetadata(value.is_some()))
            }
            Key::ConsumerGroupMemberMetadata(k) => {
                (&k.group_id, Self::Member(member(&k.member_id), value.and_then(subscription_of)))
            }
            Key::ConsumerGroupTargetAssignmentMetadata(k) => {
                (&k.group_id, Self::TargetEpoch(value.and_then(target_epoch_of)))
            }
            Key::ConsumerGroupTargetAssignmentMember(k) => {
                (&k.group_id, Self::Target(member(&k.member_id), value.and_then(target_of)))
            }
            Key::ConsumerGroupCurrentMemberAssignment(k) => {
                (&k.group_id, Self::Current(member(&k.member_id), value.and_then(current_of)))
            }
            Key::ConsumerGroupRegularExpression(k) => {
                let pattern = member(&k.regular_expression);
                (&k.group_id, Self::Pattern(pattern, value.and_then(resolved_of)))
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
        match self {
            Self::PartitionMetadata(is_there) => !is_there,
            _ => self.value().is_none(),
        }
    }

    fn key<'a>(&'a self, group: &'a str) -> CoordinatorRecordKey<'a> {
        use CoordinatorRecordKey as Key;
        let group_id = Cow::Borrowed(group);
        let member = |id: &'a Name| Cow::Borrowed(&**id);
        match self {
            Self::Group(_) => Key::ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id }),
            Self::PartitionMetadata(_) => {
                Key::ConsumerGroupPartitionMetadata(ConsumerGroupPartitionMetadataKey { group_id })
            }
            Self::Member(id, _) => {
                let member_id = member(id);
                Key::ConsumerGroupMemberMetadata(ConsumerGroupMemberMetadataKey {
                    group_id,
                    member_id,
                })
            }
            Self::TargetEpoch(_) => Key::ConsumerGroupTargetAssignmentMetadata(
                ConsumerGroupTargetAssignmentMetadataKey { group_id },
            ),
            Self::Target(id, _) => {
                Key::ConsumerGroupTargetAssignmentMember(ConsumerGroupTargetAssignmentMemberKey {
                    group_id,
                    member_id: member(id),
                })
            }
            Self::Current(id, _) => {
                Key::ConsumerGroupCurrentMemberAssignment(ConsumerGroupCurrentMemberAssignmentKey {
                    group_id,
                    member_id: member(id),
                })
            }
            Self::Pattern(pattern, _) => {
                let regular_expression = member(pattern);
                Key::ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey {
                    group_id,
                    regular_expression,
                })
            }
        }
    }

    fn value(&self) -> Option<CoordinatorRecordValue<'_>> {
        use CoordinatorRecordValue as Value;
        Some(match self {
            Self::Group(value) => {
                let (epoch, metadata_hash) = (*value)?;
                let fields = ConsumerGroupMetadataValue { epoch, metadata_hash, ..<_>::default() };
                Value::ConsumerGroupMetadata(fields)
            }
            // It is never written but as a tombstone.
            Self::PartitionMetadata(_) => return None,
            Self::Member(_, said) => {
                Value::ConsumerGroupMemberMetadata(said_fields(said.as_ref()?))
            }
            Self::TargetEpoch(value) => {
                let (assignment_epoch, assignment_timestamp) = (*value)?;
                Value::ConsumerGroupTargetAssignmentMetadata(
                    ConsumerGroupTargetAssignmentMetadataValue {
                        assignment_epoch,
                        assignment_timestamp,
                        ..<_>::default()
                    },
                )
            }
            Self::Target(_, assignment) => {
                Value::ConsumerGroupTargetAssignmentMember(target_fields(assignment.as_ref()?))
            }
            Self::Current(_, has) => {
                Value::ConsumerGroupCurrentMemberAssignment(current_fields(has.as_ref()?))
            }
            Self::Pattern(_, resolved) => {
                Value::ConsumerGroupRegularExpression(resolved_fields(resolved.as_ref()?))
            }
        })
    }
}

fn said_fields(said: &Subscription) -> ConsumerGroupMemberMetadataValue<'_> {
    let text = |name: &'_ Name| Cow::Owned(name.to_string());
    let protocol = |p: &Protocol| metadata::ClassicProtocol {
        name: Cow::Owned(p.name.to_string()),
        metadata: Cow::Owned(p.metadata.clone()),
        ..<_>::default()
    };
    let classic = |terms: &Arc<ClassicTerms>| metadata::ClassicMemberMetadata {
        session_timeout_ms: terms.session_timeout_ms,
        supported_protocols: terms.protocols.iter().map(protocol).collect(),
        ..<_>::default()
    };
    ConsumerGroupMemberMetadataValue {
        instance_id: said.instance_id.as_deref().map(Cow::Borrowed),
        rack_id: said.rack_id.as_deref().map(Cow::Borrowed),
        client_id: Cow::Borrowed(&said.client_id),
        client_host: Cow::Borrowed(&said.client_host),
        subscribed_topic_names: said.topics.iter().map(text).collect(),
        subscribed_topic_regex: Some(Cow::Borrowed(&said.pattern)),
        rebalance_timeout_ms: said.rebalance_timeout_ms,
        server_assignor: said.assignor.as_deref().map(Cow::Borrowed),
        classic_member_metadata: said.classic.as_ref().map(classic),
        ..<_>::default()
    }
}

fn subscription_of(value: CoordinatorRecordValue<'_>) -> Option<Subscription> {
    let CoordinatorRecordValue::ConsumerGroupMemberMetadata(v) = value else { return None };
    let protocol = |p: metadata::ClassicProtocol<'_>| Protocol {
        name: Name::from(p.name.as_ref()),
        metadata: p.metadata.into_owned(),
    };
    let classic = v.classic_member_metadata.map(|terms| ClassicTerms {
        session_timeout_ms: terms.session_timeout_ms,
        protocols: terms.supported_protocols.into_iter().map(protocol).collect(),
    });
    Some(Subscription {
        instance_id: opt_name(v.instance_id.as_ref()),
        rack_id: opt_name(v.rack_id.as_ref()),
        client_id: v.client_id.as_ref().into(),
        client_host: v.client_host.as_ref().into(),
        rebalance_timeout_ms: v.rebalance_timeout_ms,
        topics: Arc::new(v.subscribed_topic_names.iter().map(|t| Name::from(t.as_ref())).collect()),
        pattern: v.subscribed_topic_regex.as_deref().unwrap_or_default().into(),
        assignor: opt_name(v.server_assignor.as_ref()),
        classic: classic.map(Arc::new),
    })
}

fn epoch_of(value: CoordinatorRecordValue<'_>) -> Option<(i32, i64)> {
    match value {
        CoordinatorRecordValue::ConsumerGroupMetadata(v) => Some((v.epoch, v.metadata_hash)),
        _ => None,
    }
}

fn target_epoch_of(value: CoordinatorRecordValue<'_>) -> Option<(i32, i64)> {
    match value {
        CoordinatorRecordValue::ConsumerGroupTargetAssignmentMetadata(v) => {
            Some((v.assignment_epoch, v.assignment_timestamp))
        }
        _ => None,
    }
}

fn target_fields(assignment: &Assignment) -> ConsumerGroupTargetAssignmentMemberValue<'static> {
    let topic = |(topic_id, partitions): (_, &BTreeSet<i32>)| target::TopicPartition {
        topic_id,
        partitions: partitions.iter().copied().collect(),
        ..<_>::default()
    };
    let topics = assignment.iter().map(|(id, partitions)| topic((*id, partitions)));
    ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: topics.collect(),
        ..<_>::default()
    }
}

fn target_of(value: CoordinatorRecordValue<'_>) -> Option<Assignment> {
    let CoordinatorRecordValue::ConsumerGroupTargetAssignmentMember(v) = value else { return None };
    let topic = |t: target::TopicPartition<'_>| (t.topic_id, t.partitions.into_iter().collect());
    Some(Arc::new(v.topic_partitions.into_iter().map(topic).collect()))
}

fn current_fields(has: &Current) -> ConsumerGroupCurrentMemberAssignmentValue<'static> {
    ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: has.epoch,
        previous_member_epoch: has.previous_epoch,
        state: has.state.number(),
        assigned_partitions: owned_fields(&has.assigned),
        partitions_pending_revocation: owned_fields(&has.revoking),
        ..<_>::default()
    }
}

fn owned_fields(owned: &Owned) -> Vec<current::TopicPartitions<'static>> {
    let topic = |(topic_id, partitions): (_, &BTreeMap<i32, i32>)| current::TopicPartitions {
        topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
        ..<_>::default()
    };
    owned.iter().map(|(id, partitions)| topic((*id, partitions))).collect()
}

fn current_of(value: CoordinatorRecordValue<'_>) -> Option<Current> {
    let CoordinatorRecordValue::ConsumerGroupCurrentMemberAssignment(v) = value else {
        return None;
    };
    Some(Current {
        epoch: v.member_epoch,
        previous_epoch: v.previous_member_epoch,
        state: MemberState::from_number(v.state),
        assigned: owned_of(v.assigned_partitions, v.member_epoch),
        revoking: owned_of(v.partitions_pending_revocation, v.member_epoch),
    })
}

/// Releases before 4.3 did not keep the epochs of partitions: theirs is the member's.
fn owned_of(topics: Vec<current::TopicPartitions<'_>>, member_epoch: i32) -> Owned {
    let epoch = member_epoch.max(0);
    let topic = |t: current::TopicPartitions<'_>| {
        let epochs = t.assignment_epochs.unwrap_or_default();
        let epoch_at = |at: usize| epochs.get(at).copied().unwrap_or(epoch);
        let partitions = t.partitions.iter().enumerate().map(|(at, p)| (*p, epoch_at(at)));
        (t.topic_id, partitions.collect())
    };
    Arc::new(topics.into_iter().map(topic).collect())
}

fn resolved_fields(resolved: &Resolved) -> ConsumerGroupRegularExpressionValue<'_> {
    ConsumerGroupRegularExpressionValue {
        topics: resolved.topics.iter().map(|topic| Cow::Borrowed(&**topic)).collect(),
        version: resolved.version,
        timestamp: resolved.at_ms,
        ..<_>::default()
    }
}

fn resolved_of(value: CoordinatorRecordValue<'_>) -> Option<Arc<Resolved>> {
    let CoordinatorRecordValue::ConsumerGroupRegularExpression(v) = value else { return None };
    Some(Arc::new(Resolved {
        topics: v.topics.iter().map(|topic| Name::from(topic.as_ref())).collect(),
        version: v.version,
        at_ms: v.timestamp,
    }))
}
