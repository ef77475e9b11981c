//! The records of `__transaction_state`, in Kafka's format.

use std::borrow::Cow;

use klamm_protocol::{
    messages::{
        TransactionLogKey, TransactionLogValue,
        transaction_log_value::PartitionsSchema,
        transaction_record::{TransactionRecordKey, TransactionRecordType, TransactionRecordValue},
    },
    wire::DecodeError,
};

use super::{
    Change,
    transaction::{Partitions, State, Transaction},
};

/// The transactions version from which on values have tagged fields.
const FLEXIBLE_FROM: i16 = 1;

/// A record of `__transaction_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's type and the transactional id.
    pub key: Vec<u8>,
    /// The value's version and fields; nothing for an id that is forgotten.
    pub value: Option<Vec<u8>>,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The key or the value is damaged or from a newer release.
    #[error("a record of the transaction log cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The value names a state that there is not.
    #[error("transactional id {id} is in the unknown state {state}")]
    State {
        /// The transactional id.
        id: String,
        /// The number of the state.
        state: i8,
    },
}

impl Change {
    /// The record of the change, as the transactions version of the cluster has it written.
    pub fn to_record(&self, version: i16) -> Record {
        let id = Cow::Borrowed(self.id.as_str());
        let key = TransactionRecordKey::TransactionLog(TransactionLogKey { transactional_id: id });
        let value = self.value.as_ref().map(|value| {
            let value = TransactionRecordValue::TransactionLog(value_of(value));
            value.to_bytes(i16::from(version >= FLEXIBLE_FROM))
        });
        Record { key: key.to_bytes(), value }
    }

    /// Reads a record back; nothing for one of a type that is not known.
    ///
    /// # Errors
    /// The record is damaged or from a newer release.
    pub fn from_record(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, ReplayError> {
        let key = match TransactionRecordKey::decode(key) {
            Ok(TransactionRecordKey::TransactionLog(key)) => key,
            Err(DecodeError::UnknownType { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let id = key.transactional_id.into_owned();
        let Some(value) = value else { return Ok(Some(Self { id, value: None })) };
        let TransactionRecordValue::TransactionLog(value) =
            TransactionRecordValue::decode(TransactionRecordType::TransactionLog, value)?;
        let state = value.transaction_status;
        let Some(state) = State::from_id(state) else {
            return Err(ReplayError::State { id, state });
        };
        Ok(Some(Self { id, value: Some(transaction_of(state, value)) }))
    }
}

fn value_of(of: &Transaction) -> TransactionLogValue<'_> {
    let topic =
        |(topic, indexes): (&'_ String, &'_ std::collections::BTreeSet<i32>)| PartitionsSchema {
            topic: topic.clone().into(),
            partition_ids: indexes.iter().copied().collect(),
            ..PartitionsSchema::default()
        };
    let partitions = (of.state != State::Empty).then(|| of.partitions.iter().map(topic).collect());
    TransactionLogValue {
        producer_id: of.producer_id,
        previous_producer_id: of.previous_producer_id,
        next_producer_id: of.next_producer_id,
        producer_epoch: of.epoch,
        transaction_timeout_ms: of.timeout_ms,
        transaction_status: of.state as i8,
        transaction_partitions: partitions,
        transaction_last_update_timestamp_ms: of.update_ms,
        transaction_start_timestamp_ms: of.start_ms,
        client_transaction_version: of.client_version,
        ..TransactionLogValue::default()
    }
}

fn transaction_of(state: State, value: TransactionLogValue<'_>) -> Transaction {
    let mut partitions = Partitions::new();
    for topic in value.transaction_partitions.unwrap_or_default() {
        partitions.entry(topic.topic.into_owned()).or_default().extend(topic.partition_ids);
    }
    Transaction {
        producer_id: value.producer_id,
        previous_producer_id: value.previous_producer_id,
        next_producer_id: value.next_producer_id,
        epoch: value.producer_epoch,
        last_epoch: -1,
        timeout_ms: value.transaction_timeout_ms,
        state,
        partitions,
        start_ms: value.transaction_start_timestamp_ms,
        update_ms: value.transaction_last_update_timestamp_ms,
        client_version: value.client_transaction_version,
    }
}
