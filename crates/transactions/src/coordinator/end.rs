//! The end of a transaction: decided by its producer, by its time, or by a producer that takes its
//! place; then completed when every partition has its marker.
//!
//! From transactions version 2 on every end takes the producer to the next epoch, so that nothing
//! of the transaction that is late can become part of the next (KIP-890).

use klamm_protocol::ErrorCode;

use super::{
    Answer, Decision, EPOCH_BUMP_FROM, Given, Refusal,
    transaction::{LAST_EPOCH, Partitions, State, Transaction},
};

/// What a producer asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) producer: (i64, i16),
    pub(super) committed: bool,
}

/// What becomes of an end.
enum Outcome {
    /// It is decided now; whether a transaction was begun at all.
    Decide { begun: bool },
    /// It was decided before, in this way, and is complete.
    Done,
    /// It was decided before, in this way; the markers are being written.
    InProgress,
    /// It cannot end so.
    Invalid,
}

/// Decides about an EndTxn.
pub(super) fn decide(
    known: Option<&Transaction>,
    end: End,
    client_version: i16,
    given: Given<'_>,
) -> Result<Decision, Refusal> {
    let known = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
    let bumps = client_version >= EPOCH_BUMP_FROM;
    let outcome = if bumps { outcome(known, end)? } else { outcome_before_bump(known, end)? };
    match outcome {
        Outcome::Decide { begun } => {
            let version = if bumps { client_version } else { 0 };
            let change = prepared(known, end.committed, version, begun, given)?;
            Ok(Decision { answer: told(&change), change: Some(change) })
        }
        Outcome::Done => Ok(Decision { change: None, answer: Answer::of(known) }),
        Outcome::InProgress => Err(ErrorCode::ConcurrentTransactions.into()),
        Outcome::Invalid => Err(ErrorCode::InvalidTxnState.into()),
    }
}

/// With an epoch for every transaction: an epoch below the current one tells a retry from the end
/// of a transaction in which nothing was written.
fn outcome(known: &Transaction, end: End) -> Result<Outcome, ErrorCode> {
    let (producer_id, epoch) = end.producer;
    let on_overflow =
        known.previous_producer_id == producer_id && epoch == LAST_EPOCH && known.epoch == 0;
    let on_bump = i32::from(known.epoch) == i32::from(epoch) + 1;
    if known.producer_id != producer_id && !on_overflow {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    let is_current = epoch == known.epoch;
    let is_valid = match known.state {
        State::PrepareCommit | State::PrepareAbort => on_bump,
        State::CompleteCommit | State::CompleteAbort => on_bump || on_overflow || is_current,
        _ => is_current,
    };
    if !is_valid {
        return Err(ErrorCode::ProducerFenced);
    }
    let is_retry = on_bump || on_overflow;
    Ok(match (known.state, end.committed) {
        (State::Ongoing, _) => Outcome::Decide { begun: true },
        (State::CompleteCommit, true) | (State::CompleteAbort, false) if is_retry => Outcome::Done,
        (State::CompleteCommit | State::CompleteAbort, false) if !is_retry => {
            Outcome::Decide { begun: false }
        }
        (State::Empty, false) => Outcome::Decide { begun: false },
        (State::PrepareCommit, true) | (State::PrepareAbort, false) => Outcome::InProgress,
        _ => Outcome::Invalid,
    })
}

/// Before: the epoch stays, so an end that was made already is taken for a retry.
fn outcome_before_bump(known: &Transaction, end: End) -> Result<Outcome, ErrorCode> {
    let (producer_id, epoch) = end.producer;
    if known.producer_id != producer_id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if known.epoch != epoch {
        return Err(ErrorCode::ProducerFenced);
    }
    Ok(match (known.state, end.committed) {
        (State::Ongoing, _) => Outcome::Decide { begun: true },
        (State::CompleteCommit, true) | (State::CompleteAbort, false) => Outcome::Done,
        (State::PrepareCommit, true) | (State::PrepareAbort, false) => Outcome::InProgress,
        _ => Outcome::Invalid,
    })
}

/// The decision as it is written before the markers.
fn prepared(
    known: &Transaction,
    committed: bool,
    version: i16,
    begun: bool,
    given: Given<'_>,
) -> Result<Transaction, Refusal> {
    let mut change = known.clone();
    change.state = if committed { State::PrepareCommit } else { State::PrepareAbort };
    if version >= EPOCH_BUMP_FROM {
        if known.is_exhausted() {
            change.next_producer_id = given.fresh.ok_or(Refusal::NeedsProducerId)?;
        }
        change.last_epoch = known.epoch;
        change.epoch = known.epoch.saturating_add(1);
    } else {
        change.next_producer_id = -1;
    }
    if !begun {
        change.start_ms = given.now_ms;
    }
    change.previous_producer_id = known.producer_id;
    change.update_ms = given.now_ms;
    change.client_version = version;
    Ok(change)
}

/// Aborts an open transaction and takes its producer's epoch away.
pub(super) fn fence(known: &Transaction, given: Given<'_>) -> Result<Transaction, Refusal> {
    let version = given.settings.version;
    if version >= EPOCH_BUMP_FROM {
        return prepared(known, false, version, true, given);
    }
    let change = prepared(known, false, 0, true, given)?;
    Ok(Transaction { epoch: known.epoch.saturating_add(1), last_epoch: -1, ..change })
}

/// Every partition has its marker.
pub(super) fn complete(known: Option<&Transaction>, now_ms: i64) -> Result<Decision, Refusal> {
    let known = known.filter(|known| known.state.is_prepared());
    let known = known.ok_or(ErrorCode::InvalidTxnState)?;
    let change = completed(known, now_ms);
    Ok(Decision { answer: Answer::of(&change), change: Some(change) })
}

fn completed(known: &Transaction, now_ms: i64) -> Transaction {
    let (producer_id, epoch) = told(known).producer;
    Transaction {
        producer_id,
        epoch,
        previous_producer_id: known.producer_id,
        next_producer_id: -1,
        state: match known.state {
            State::PrepareCommit => State::CompleteCommit,
            _ => State::CompleteAbort,
        },
        partitions: Partitions::new(),
        update_ms: now_ms,
        ..known.clone()
    }
}

/// What the producer of a transaction that is decided goes on with. Where its epochs are used up,
/// that is the next producer id; the last epoch of the old one only the markers have.
fn told(prepared: &Transaction) -> Answer {
    let producer = match prepared.next_producer_id {
        -1 => (prepared.producer_id, prepared.epoch),
        next => (next, 0),
    };
    Answer { error: ErrorCode::None, producer }
}
