//! The records of `__share_group_state`, as values and as Kafka 4.3 writes them.

use klamm_protocol::messages::share_record::{ShareRecordKey, ShareRecordType, ShareRecordValue};
use klamm_protocol::messages::{
    ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey, ShareUpdateValue,
    share_snapshot_value as snapshot_value, share_update_value as update_value,
};
use klamm_protocol::wire::DecodeError;

use super::{Batch, Key, State, Write};
use crate::api::CoordinatorRecord;

/// The only version of every value so far.
const VALUE_VERSION: i16 = 0;

/// What a record says.
pub(super) enum Change {
    Snapshot(State),
    /// Of this, epochs of state and snapshot are left as they are.
    Update(State),
    Gone,
}

pub(super) fn read(key: &[u8], value: Option<&[u8]>) -> Result<(Key, Change), DecodeError> {
    let decode = |record_type, bytes| ShareRecordValue::decode(record_type, bytes);
    match ShareRecordKey::decode(key)? {
        ShareRecordKey::ShareSnapshot(k) => {
            let key =
                Key { group: k.group_id.into_owned(), topic: k.topic_id, partition: k.partition };
            let value = value.map(|bytes| decode(ShareRecordType::ShareSnapshot, bytes));
            match value.transpose()? {
                Some(ShareRecordValue::ShareSnapshot(v)) => Ok((key, Change::Snapshot(of(&v)))),
                _ => Ok((key, Change::Gone)),
            }
        }
        ShareRecordKey::ShareUpdate(k) => {
            let key =
                Key { group: k.group_id.into_owned(), topic: k.topic_id, partition: k.partition };
            let value = value.map(|bytes| decode(ShareRecordType::ShareUpdate, bytes));
            match value.transpose()? {
                Some(ShareRecordValue::ShareUpdate(v)) => Ok((key, Change::Update(of_update(&v)))),
                _ => Ok((key, Change::Gone)),
            }
        }
    }
}

fn of(value: &ShareSnapshotValue<'_>) -> State {
    let batch = |b: &snapshot_value::StateBatch<'_>| Batch {
        first: b.first_offset,
        last: b.last_offset,
        state: b.delivery_state,
        deliveries: b.delivery_count,
    };
    State {
        snapshot_epoch: value.snapshot_epoch,
        state_epoch: value.state_epoch,
        leader_epoch: value.leader_epoch,
        start_offset: value.start_offset,
        complete_count: value.delivery_complete_count,
        created_ms: value.create_timestamp,
        written_ms: value.write_timestamp,
        batches: value.state_batches.iter().map(batch).collect(),
        updates: 0,
        snapshot_at: 0,
    }
}

fn of_update(value: &ShareUpdateValue<'_>) -> State {
    let batch = |b: &update_value::StateBatch<'_>| Batch {
        first: b.first_offset,
        last: b.last_offset,
        state: b.delivery_state,
        deliveries: b.delivery_count,
    };
    State {
        snapshot_epoch: value.snapshot_epoch,
        state_epoch: 0,
        leader_epoch: value.leader_epoch,
        start_offset: value.start_offset,
        complete_count: value.delivery_complete_count,
        created_ms: 0,
        written_ms: 0,
        batches: value.state_batches.iter().map(batch).collect(),
        updates: 1,
        snapshot_at: 0,
    }
}

pub(super) fn snapshot(key: &Key, state: &State) -> CoordinatorRecord {
    let batch = |b: &Batch| snapshot_value::StateBatch {
        first_offset: b.first,
        last_offset: b.last,
        delivery_state: b.state,
        delivery_count: b.deliveries,
        ..<_>::default()
    };
    let value = ShareSnapshotValue {
        snapshot_epoch: state.snapshot_epoch,
        state_epoch: state.state_epoch,
        leader_epoch: state.leader_epoch,
        start_offset: state.start_offset,
        delivery_complete_count: state.complete_count,
        create_timestamp: state.created_ms,
        write_timestamp: state.written_ms,
        state_batches: state.batches.iter().map(batch).collect(),
        ..<_>::default()
    };
    let value = ShareRecordValue::ShareSnapshot(value).to_bytes(VALUE_VERSION);
    CoordinatorRecord { key: snapshot_key(key), value: Some(value) }
}

/// An update; of `change` the state's epoch is not looked at.
pub(super) fn update(key: &Key, snapshot_epoch: i32, change: &Write) -> CoordinatorRecord {
    let batch = |b: &Batch| update_value::StateBatch {
        first_offset: b.first,
        last_offset: b.last,
        delivery_state: b.state,
        delivery_count: b.deliveries,
        ..<_>::default()
    };
    let value = ShareUpdateValue {
        snapshot_epoch,
        leader_epoch: change.leader_epoch,
        start_offset: change.start_offset,
        delivery_complete_count: change.complete_count,
        state_batches: change.batches.iter().map(batch).collect(),
        ..<_>::default()
    };
    let key = ShareRecordKey::ShareUpdate(ShareUpdateKey {
        group_id: key.group.as_str().into(),
        topic_id: key.topic,
        partition: key.partition,
    });
    let value = ShareRecordValue::ShareUpdate(value).to_bytes(VALUE_VERSION);
    CoordinatorRecord { key: key.to_bytes(), value: Some(value) }
}

pub(super) fn tombstone(key: &Key) -> CoordinatorRecord {
    CoordinatorRecord { key: snapshot_key(key), value: None }
}

fn snapshot_key(key: &Key) -> Vec<u8> {
    ShareRecordKey::ShareSnapshot(ShareSnapshotKey {
        group_id: key.group.as_str().into(),
        topic_id: key.topic,
        partition: key.partition,
    })
    .to_bytes()
}
