//! State from records: what a shard knows after a restart.

use klamm_protocol::messages::coordinator_record::{
    CoordinatorRecordKey, CoordinatorRecordType, CoordinatorRecordValue,
};
use klamm_protocol::messages::{GroupMetadataValue, LegacyOffsetCommitValue, OffsetCommitValue};
use klamm_protocol::wire::{DecodeError, Uuid};

use crate::classic::member::{Member, Protocol, Terms};
use crate::classic::{Group, State};
use crate::consumer::ConsumerGroup;
use crate::consumer::record::Record;
use crate::coordinator::Coordinator;
use crate::name::{Name, opt_name};
use crate::offsets::{Committed, OffsetKey};
use crate::registry::AnyGroup;
use crate::share::ShareGroup;
use crate::share::record::Record as ShareRecord;
use crate::streams::{StreamsGroup, record as streams};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It is part of the state now.
    Applied,
    /// It belongs to a kind of group that is not served, by this number of its type.
    Skipped(i16),
}

/// A record cannot be read. The state is as before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The key.
    #[error("the key of a coordinator record cannot be read: {0}")]
    Key(#[source] DecodeError),
    /// The value.
    #[error("the value of a coordinator record of type {record_type} cannot be read: {source}")]
    Value {
        /// The type in the record's key.
        record_type: i16,
        /// Why.
        source: DecodeError,
    },
}

impl Coordinator {
    /// Replays a record of a batch that is not part of a transaction. `now_ms` dates groups that
    /// only have offsets.
    ///
    /// # Errors
    /// The record cannot be read: the log is damaged or from a newer release. Kafka skips a key
    /// of an unknown type with a warning and fails to load on everything else.
    pub fn apply(
        &mut self,
        now_ms: i64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Replayed, ReplayError> {
        self.apply_in(now_ms, None, key, value)
    }

    /// The same for a record of any batch; `producer_id` is that of a batch that is part of a
    /// transaction.
    ///
    /// # Errors
    /// As [`Coordinator::apply`].
    pub fn apply_in(
        &mut self,
        now_ms: i64,
        producer_id: Option<i64>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Replayed, ReplayError> {
        use CoordinatorRecordKey as Key;
        use CoordinatorRecordValue as Value;
        let key = match CoordinatorRecordKey::decode(key) {
            Ok(key) => key,
            Err(DecodeError::UnknownType { number, .. }) => {
                return Ok(Replayed::Skipped(number.try_into().unwrap_or(i16::MAX)));
            }
            Err(error) => return Err(ReplayError::Key(error)),
        };
        let record_type = key.record_type();
        let read = |bytes| read_value(record_type, bytes);
        match &key {
            Key::LegacyOffsetCommit(k) => {
                let key = OffsetKey::new(&k.group, &k.topic, k.partition);
                let value = value.map(read).transpose()?;
                self.replay_offset(now_ms, producer_id, key, value.and_then(committed));
            }
            Key::OffsetCommit(k) => {
                let key = OffsetKey::new(&k.group, &k.topic, k.partition);
                let value = value.map(read).transpose()?;
                self.replay_offset(now_ms, producer_id, key, value.and_then(committed));
            }
            Key::GroupMetadata(k) => match value.map(read).transpose()? {
                Some(Value::GroupMetadata(v)) => {
                    self.registry.put(Box::new(group_of(Name::from(k.group.as_ref()), v)));
                }
                // It may be a group of another protocol by now.
                _ if self.registry.live(&k.group).is_some_and(|g| g.as_classic().is_some()) => {
                    self.registry.remove(&k.group);
                }
                _ => {}
            },
            Key::ShareGroupMetadata(_)
            | Key::ShareGroupMemberMetadata(_)
            | Key::ShareGroupTargetAssignmentMetadata(_)
            | Key::ShareGroupTargetAssignmentMember(_)
            | Key::ShareGroupCurrentMemberAssignment(_)
            | Key::ShareGroupStatePartitionMetadata(_) => {
                let value = value.map(read).transpose()?;
                if let Some((group, record)) = ShareRecord::read(&key, value) {
                    self.replay_share(&group, record);
                }
            }
            _ => return self.replay_modern(&key, value.map(read).transpose()?),
        }
        Ok(Replayed::Applied)
    }

    /// A record of a group whose assignment the coordinator makes.
    fn replay_modern(
        &mut self,
        key: &CoordinatorRecordKey<'_>,
        value: Option<CoordinatorRecordValue<'_>>,
    ) -> Result<Replayed, ReplayError> {
        if let Some((group, record)) = streams::Record::read(key, value.clone()) {
            self.replay_streams(&group, record);
            return Ok(Replayed::Applied);
        }
        match Record::read(key, value) {
            Some((group, record)) => self.replay_consumer(&group, record),
            None => return Ok(Replayed::Skipped(key.record_type() as i16)),
        }
        Ok(Replayed::Applied)
    }

    /// The same for streams groups, whose last record is that of their topology.
    fn replay_streams(&mut self, name: &Name, record: streams::Record) {
        if record == streams::Record::Group(None) {
            if self.registry.live_streams(name).is_some() {
                self.registry.remove(name);
            }
            return;
        }
        if self.registry.live_streams(name).is_none() {
            if record.takes_away() {
                return;
            }
            let group = Box::new(StreamsGroup::new(name.clone()));
            self.registry.put_any(AnyGroup::Streams(group));
        }
        if let Some(group) = self.registry.streams_mut(name) {
            group.apply(record);
        }
    }

    /// The same for a share group.
    fn replay_share(&mut self, name: &Name, record: ShareRecord) {
        if record == ShareRecord::Group(None) {
            if self.registry.is_share(name) {
                self.registry.remove(name);
            }
            return;
        }
        if !self.registry.is_share(name) {
            if record.takes_away() {
                return;
            }
            let group = Box::new(ShareGroup::new(name.clone()));
            self.registry.put_any(AnyGroup::Share(group));
        }
        if let Some(group) = self.registry.share_mut(name) {
            group.apply(record);
        }
    }

    /// A group becomes a consumer group with its first record of that kind. Records that take
    /// something away from a group that is not there are left over from one that was.
    fn replay_consumer(&mut self, name: &Name, record: Record) {
        if record == Record::Group(None) {
            if self.registry.live_consumer(name).is_some() {
                self.registry.remove(name);
            }
            return;
        }
        if self.registry.live_consumer(name).is_none() {
            if record.takes_away() {
                return;
            }
            let group = Box::new(ConsumerGroup::new(name.clone()));
            self.registry.put_any(AnyGroup::Consumer(group));
        }
        if let Some(group) = self.registry.consumer_mut(name) {
            group.apply(record);
        }
    }

    /// A group that has only offsets is not written itself.
    fn replay_offset(
        &mut self,
        now_ms: i64,
        producer_id: Option<i64>,
        key: OffsetKey,
        value: Option<Committed>,
    ) {
        if value.is_some() && self.registry.live(&key.group).is_none() {
            self.registry.put(Box::new(Group::new(key.group.clone(), now_ms)));
        }
        match (producer_id, value) {
            (Some(producer_id), Some(value)) => {
                self.offsets.replay_pending(producer_id, key, value);
            }
            (_, value) => self.offsets.replay(&key, value),
        }
    }

    /// Replays a marker that ends a transaction.
    pub fn apply_end(&mut self, producer_id: i64, committed: bool) {
        self.offsets.replay_end(producer_id, committed);
    }
}

fn read_value(
    record_type: CoordinatorRecordType,
    bytes: &[u8],
) -> Result<CoordinatorRecordValue<'_>, ReplayError> {
    let failed = |source| ReplayError::Value { record_type: record_type as i16, source };
    CoordinatorRecordValue::decode(record_type, bytes).map_err(failed)
}

fn committed(value: CoordinatorRecordValue<'_>) -> Option<Committed> {
    match value {
        CoordinatorRecordValue::OffsetCommit(v) => Some(offset_of(&v)),
        CoordinatorRecordValue::LegacyOffsetCommit(v) => Some(legacy_offset_of(&v)),
        _ => None,
    }
}

fn offset_of(value: &OffsetCommitValue<'_>) -> Committed {
    Committed {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: value.metadata.as_ref().into(),
        commit_ms: value.commit_timestamp,
        expire_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
        topic_id: value.topic_id,
    }
}

fn legacy_offset_of(value: &LegacyOffsetCommitValue<'_>) -> Committed {
    Committed {
        offset: value.offset,
        leader_epoch: -1,
        metadata: value.metadata.as_ref().into(),
        commit_ms: value.commit_timestamp,
        expire_ms: None,
        topic_id: Uuid::ZERO,
    }
}

/// Members were in a stable generation when the record was written, so they are now.
fn group_of(id: Name, value: GroupMetadataValue<'_>) -> Group {
    let mut group = Group::new(id, 0);
    let since_ms = value.current_state_timestamp;
    group.state_since_ms = (since_ms != -1).then_some(since_ms);
    group.generation = value.generation;
    group.protocol = opt_name(value.protocol.as_ref());
    group.leader = opt_name(value.leader.as_ref());
    let protocol_type = value.protocol_type.as_ref();
    group.protocol_type = (!protocol_type.is_empty()).then(|| Name::from(protocol_type));
    if !value.members.is_empty() {
        group.state = State::Stable;
    }
    for m in value.members {
        let protocol = group.protocol.clone().unwrap_or_else(|| Name::from(""));
        // Version 0 of the record has no rebalance timeout.
        let rebalance_timeout_ms = match m.rebalance_timeout {
            -1 => m.session_timeout,
            timeout_ms => timeout_ms,
        };
        let terms = Terms {
            session_timeout_ms: m.session_timeout,
            rebalance_timeout_ms,
            protocols: vec![Protocol { name: protocol, metadata: m.subscription.into_owned() }],
        };
        let (client_id, host) = (m.client_id.as_ref().into(), m.client_host.as_ref().into());
        let instance_id = opt_name(m.group_instance_id.as_ref());
        let id = Name::from(m.member_id.as_ref());
        let mut member = Member::new(id, instance_id, client_id, host, terms);
        member.assignment = m.assignment.into_owned();
        group.add(member, protocol_type);
    }
    group.subscribed = group.read_subscriptions();
    group
}
