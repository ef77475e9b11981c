//! Partitions that join a transaction: by AddPartitionsToTxn, AddOffsetsToTxn, or, from
//! transactions version 2 on, by the first write to them.

use klamm_protocol::ErrorCode;

use super::{
    Answer, Coordinator, Decision, Refusal,
    transaction::{Partitions, State, Transaction},
};

/// Decides whether partitions join.
pub(super) fn decide(
    known: Option<&Transaction>,
    producer: (i64, i16),
    partitions: &Partitions,
    client_version: i16,
    now_ms: i64,
) -> Result<Decision, Refusal> {
    let known = check(known, producer)?;
    let answer = Answer::of(known);
    if known.state == State::Ongoing && known.has_all(partitions) {
        return Ok(Decision { change: None, answer });
    }
    let mut change = known.clone();
    if known.state != State::Ongoing {
        change.state = State::Ongoing;
        change.start_ms = now_ms;
    }
    for (topic, indexes) in partitions {
        change.partitions.entry(topic.clone()).or_default().extend(indexes);
    }
    change.previous_producer_id = known.producer_id;
    change.update_ms = now_ms;
    change.client_version = client_version;
    Ok(Decision { change: Some(change), answer })
}

fn check(
    known: Option<&Transaction>,
    (producer_id, epoch): (i64, i16),
) -> Result<&Transaction, ErrorCode> {
    let known = known.filter(|known| known.producer_id == producer_id);
    let known = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
    if known.epoch != epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    if known.state.is_prepared() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    Ok(known)
}

impl Coordinator {
    /// Whether partitions take part in the transaction of a producer: those that do not.
    ///
    /// # Errors
    /// The producer is not the one that holds the id, or its transaction is being ended.
    pub fn verify(
        &self,
        id: &str,
        producer: (i64, i16),
        partitions: &Partitions,
    ) -> Result<Partitions, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let known = check(self.transactions.get(id), producer)?;
        let mut missing = Partitions::new();
        for (topic, indexes) in partitions {
            let absent = indexes.iter().copied().filter(|index| !known.has(topic, *index));
            let absent: std::collections::BTreeSet<i32> = absent.collect();
            if !absent.is_empty() {
                missing.insert(topic.clone(), absent);
            }
        }
        Ok(missing)
    }
}
