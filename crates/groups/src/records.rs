//! The records we write to `__consumer_offsets`, in the versions that Kafka 4.3 writes.

use std::borrow::Cow;

use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::group_metadata_value::MemberMetadata;
use klamm_protocol::messages::{
    GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};

use crate::api::CoordinatorRecord;
use crate::classic::Group;
use crate::classic::member::Member;
use crate::name::Name;
use crate::offsets::{Committed, OffsetKey};

const GROUP_METADATA_VERSION: i16 = 3;
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The only version that has an expiry of its own.
const OFFSET_COMMIT_WITH_EXPIRY_VERSION: i16 = 1;

/// A group with its members, and an assignment that may not be theirs yet.
pub(crate) fn group_metadata<'a>(
    group: &'a Group,
    assignment: impl Fn(&'a Member) -> &'a [u8],
) -> CoordinatorRecord {
    let protocol = group.protocol.as_deref();
    let member = |m: &'a Member| MemberMetadata {
        member_id: Cow::Borrowed(&m.id),
        group_instance_id: m.instance_id.as_deref().map(Cow::Borrowed),
        client_id: Cow::Borrowed(&m.client_id),
        client_host: Cow::Borrowed(&m.client_host),
        rebalance_timeout: m.terms.rebalance_timeout_ms,
        session_timeout: m.terms.session_timeout_ms,
        subscription: m.metadata(protocol.unwrap_or_default()).unwrap_or_default().into(),
        assignment: assignment(m).into(),
        ..MemberMetadata::default()
    };
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.as_deref().unwrap_or_default().into(),
        generation: group.generation,
        protocol: protocol.map(Cow::Borrowed),
        leader: group.leader.as_deref().map(Cow::Borrowed),
        current_state_timestamp: group.state_since_ms.unwrap_or(-1),
        members: group.members().map(member).collect(),
        ..GroupMetadataValue::default()
    };
    group_record(&group.id, Some(value))
}

/// A group that nobody has joined yet.
pub(crate) fn new_group(group: &Name, since_ms: Option<i64>) -> CoordinatorRecord {
    let value = GroupMetadataValue {
        protocol: None,
        leader: None,
        current_state_timestamp: since_ms.unwrap_or(-1),
        ..GroupMetadataValue::default()
    };
    group_record(group, Some(value))
}

pub(crate) fn group_tombstone(group: &Name) -> CoordinatorRecord {
    group_record(group, None)
}

fn group_record(group: &str, value: Option<GroupMetadataValue<'_>>) -> CoordinatorRecord {
    let key = CoordinatorRecordKey::GroupMetadata(GroupMetadataKey { group: group.into() });
    let value = value.map(CoordinatorRecordValue::GroupMetadata);
    let value = value.map(|v| v.to_bytes(GROUP_METADATA_VERSION));
    CoordinatorRecord { key: key.to_bytes(), value }
}

/// A committed offset.
pub(crate) fn offset_commit(key: &OffsetKey, committed: &Committed) -> CoordinatorRecord {
    let version = match committed.expire_ms {
        Some(_) => OFFSET_COMMIT_WITH_EXPIRY_VERSION,
        None => OFFSET_COMMIT_VERSION,
    };
    let value = OffsetCommitValue {
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: Cow::Borrowed(&committed.metadata),
        commit_timestamp: committed.commit_ms,
        expire_timestamp: committed.expire_ms.unwrap_or(-1),
        topic_id: committed.topic_id,
        ..OffsetCommitValue::default()
    };
    let value = CoordinatorRecordValue::OffsetCommit(value).to_bytes(version);
    CoordinatorRecord { key: offset_key(key), value: Some(value) }
}

pub(crate) fn offset_tombstone(key: &OffsetKey) -> CoordinatorRecord {
    CoordinatorRecord { key: offset_key(key), value: None }
}

fn offset_key(key: &OffsetKey) -> Vec<u8> {
    let key = OffsetCommitKey {
        group: Cow::Borrowed(&key.group),
        topic: Cow::Borrowed(&key.topic),
        partition: key.partition,
    };
    CoordinatorRecordKey::OffsetCommit(key).to_bytes()
}
