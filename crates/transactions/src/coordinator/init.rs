//! InitProducerId with a transactional id: the producer gets an epoch of its own, and whoever had
//! the id before is fenced.

use klamm_protocol::ErrorCode;

use super::{
    Answer, Command, Decision, Given, Refusal,
    end::fence,
    transaction::{Partitions, State, Transaction, is_exhausted},
};

/// Decides about an InitProducerId.
pub(super) fn decide(
    known: Option<&Transaction>,
    command: &Command,
    given: Given<'_>,
) -> Result<Decision, Refusal> {
    let Command::InitProducerId { timeout_ms, two_phase, keep_prepared, expected } = *command
    else {
        return Err(ErrorCode::InvalidRequest.into());
    };
    let timeout_ms = check(given, timeout_ms, two_phase, keep_prepared)?;
    let Some(known) = known else {
        let producer_id = given.fresh.ok_or(Refusal::NeedsProducerId)?;
        let new = begun(producer_id, timeout_ms, given.now_ms);
        return Ok(Decision { answer: Answer::of(&new), change: Some(new) });
    };
    if expected.is_some_and(|expected| !may_go_on(known, expected)) {
        return Err(ErrorCode::ProducerFenced.into());
    }
    match known.state {
        State::Ongoing => {
            let answer = Answer::error(ErrorCode::ConcurrentTransactions);
            Ok(Decision { change: Some(fence(known, given)?), answer })
        }
        State::Empty | State::CompleteCommit | State::CompleteAbort => {
            let next = next(known, expected.map(|(_, epoch)| epoch), given)?;
            let change = Transaction {
                timeout_ms,
                previous_producer_id: known.producer_id,
                update_ms: given.now_ms,
                client_version: known.client_version,
                ..begun(next.producer_id, timeout_ms, given.now_ms)
            };
            let change = Transaction { epoch: next.epoch, last_epoch: next.last_epoch, ..change };
            Ok(Decision { answer: Answer::of(&change), change: Some(change) })
        }
        _ => Err(ErrorCode::ConcurrentTransactions.into()),
    }
}

/// The timeout that the transactions get.
fn check(
    given: Given<'_>,
    timeout_ms: i32,
    two_phase: bool,
    keep_prepared: bool,
) -> Result<i32, ErrorCode> {
    if two_phase && !given.settings.two_phase_commit {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    // As in Kafka 4.3, which has the field but not yet what it asks for.
    if keep_prepared {
        return Err(ErrorCode::UnsupportedVersion);
    }
    if two_phase {
        return Ok(i32::MAX);
    }
    if timeout_ms <= 0 || timeout_ms > given.settings.timeout_max_ms {
        return Err(ErrorCode::InvalidTransactionTimeout);
    }
    Ok(timeout_ms)
}

fn begun(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Transaction {
    Transaction {
        producer_id,
        previous_producer_id: producer_id,
        next_producer_id: -1,
        epoch: 0,
        last_epoch: -1,
        timeout_ms,
        state: State::Empty,
        partitions: Partitions::new(),
        start_ms: -1,
        update_ms: now_ms,
        client_version: 0,
    }
}

/// Whether a producer that names what it has may have it still, or had it when the epochs were used
/// up and did not hear of the producer id that followed.
fn may_go_on(known: &Transaction, (producer_id, epoch): (i64, i16)) -> bool {
    producer_id == known.producer_id
        || (producer_id == known.previous_producer_id && is_exhausted(epoch))
}

struct Next {
    producer_id: i64,
    epoch: i16,
    last_epoch: i16,
}

/// What the producer goes on with. One that comes without an epoch fences whoever was there; one
/// that names the current epoch goes on; one that names the epoch before asks again.
fn next(known: &Transaction, expected: Option<i16>, given: Given<'_>) -> Result<Next, Refusal> {
    let Transaction { producer_id, epoch, last_epoch, .. } = *known;
    let is_current = expected.is_none_or(|expected| expected == epoch);
    if is_current && known.is_exhausted() {
        let producer_id = given.fresh.ok_or(Refusal::NeedsProducerId)?;
        let last_epoch = if expected.is_some() { epoch } else { -1 };
        return Ok(Next { producer_id, epoch: 0, last_epoch });
    }
    match expected {
        None => Ok(Next { producer_id, epoch: epoch + 1, last_epoch: -1 }),
        Some(_) if is_current => Ok(Next { producer_id, epoch: epoch + 1, last_epoch: epoch }),
        Some(expected) if expected == last_epoch => Ok(Next { producer_id, epoch, last_epoch }),
        Some(_) => Err(ErrorCode::ProducerFenced.into()),
    }
}
