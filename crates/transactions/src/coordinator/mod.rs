//! The transaction coordinator of one partition of `__transaction_state` (KIP-98, KIP-360,
//! KIP-664, KIP-890).
//!
//! Invariants:
//! - `decide` changes nothing; `apply` is total, and the only place where the state changes. What
//!   is replayed from the log is what was applied before, but for the epoch before the current one,
//!   which no record has.
//! - A transaction that is prepared stays decided: only its completion follows.
//! - A producer id is never given an epoch beyond [`LAST_EPOCH`]: another id follows.
//!
//! The driver hands one command at a time per transactional id: while a change is on its way to the
//! log, it answers `CONCURRENT_TRANSACTIONS` itself. Access rights are checked before.

mod add;
mod end;
mod init;
mod query;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::BTreeMap;

use klamm_protocol::ErrorCode;

pub use query::{Ending, Filters};
pub use record::{Record, ReplayError};
pub use transaction::{LAST_EPOCH, Partitions, State, Transaction};

/// The transactions version from which on every transaction has an epoch of its own (KIP-890).
pub const EPOCH_BUMP_FROM: i16 = 2;

/// What the coordinator goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `transaction.max.timeout.ms`.
    pub timeout_max_ms: i32,
    /// `transaction.two.phase.commit.enable`.
    pub two_phase_commit: bool,
    /// The finalized level of the feature `transaction.version`.
    pub version: i16,
}

/// What a producer, or the coordinator itself, wants of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A producer begins, or begins again after an error.
    InitProducerId {
        /// How long its transactions may take, milliseconds.
        timeout_ms: i32,
        /// Whether another system decides the end of its transactions.
        two_phase: bool,
        /// Whether a prepared transaction is to be kept open.
        keep_prepared: bool,
        /// Producer id and epoch that it has, to go on with (KIP-360).
        expected: Option<(i64, i16)>,
    },
    /// Partitions join the producer's transaction.
    AddPartitions {
        /// Producer id and epoch.
        producer: (i64, i16),
        /// The partitions.
        partitions: Partitions,
        /// The transactions version that the client keeps to.
        client_version: i16,
    },
    /// The producer ends its transaction.
    End {
        /// Producer id and epoch.
        producer: (i64, i16),
        /// Committed, or else aborted.
        committed: bool,
        /// The transactions version that the client keeps to.
        client_version: i16,
    },
    /// The transaction took too long: it is aborted and its producer fenced.
    TimeOut,
    /// Every partition has its marker.
    Complete,
}

/// A change of one transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The transactional id.
    pub id: String,
    /// What is known of it from now on; nothing to forget it.
    pub value: Option<Transaction>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What went wrong, or `None`.
    pub error: ErrorCode,
    /// Producer id and epoch to go on with.
    pub producer: (i64, i16),
}

impl Answer {
    /// Success, with what the producer goes on with.
    pub fn of(transaction: &Transaction) -> Self {
        Self { error: ErrorCode::None, producer: (transaction.producer_id, transaction.epoch) }
    }

    /// An error.
    pub fn error(error: ErrorCode) -> Self {
        Self { error, producer: (-1, -1) }
    }
}

/// A decision: what to write, and what to say once it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to write; nothing if all is as it should be already.
    pub change: Option<Transaction>,
    /// What to say.
    pub answer: Answer,
}

/// Why nothing was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The client is told.
    #[error("{0:?}")]
    Error(ErrorCode),
    /// A fresh producer id is needed: ask again with one.
    #[error("a fresh producer id is needed")]
    NeedsProducerId,
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Self::Error(error)
    }
}

/// What a decision may draw on besides the state.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    now_ms: i64,
    settings: &'a Settings,
    fresh: Option<i64>,
}

/// The transactional ids of one partition of `__transaction_state`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coordinator {
    transactions: BTreeMap<String, Transaction>,
}

impl Coordinator {
    /// Decides about a command. `fresh` is a producer id that was never given out, if the driver
    /// has one at hand; it is used only where the answer names it.
    ///
    /// # Errors
    /// Nothing is to be done but to say so, or to ask again with a fresh producer id.
    pub fn decide(
        &self,
        now_ms: i64,
        settings: &Settings,
        id: &str,
        command: &Command,
        fresh: Option<i64>,
    ) -> Result<Decision, Refusal> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest.into());
        }
        let given = Given { now_ms, settings, fresh };
        let known = self.transactions.get(id);
        match command {
            Command::InitProducerId { .. } => init::decide(known, command, given),
            Command::AddPartitions { producer, partitions, client_version } => {
                add::decide(known, *producer, partitions, *client_version, now_ms)
            }
            Command::End { producer, committed, client_version } => {
                let end = end::End { producer: *producer, committed: *committed };
                end::decide(known, end, *client_version, given)
            }
            Command::TimeOut => match known {
                Some(known) if known.is_late(now_ms) => {
                    let change = end::fence(known, given)?;
                    Ok(Decision { answer: Answer::of(&change), change: Some(change) })
                }
                _ => Err(ErrorCode::InvalidTxnState.into()),
            },
            Command::Complete => end::complete(known, now_ms),
        }
    }

    /// Takes over a change that is in the log.
    pub fn apply(&mut self, change: Change) {
        match change.value {
            Some(value) => {
                self.transactions.insert(change.id, value);
            }
            None => {
                self.transactions.remove(&change.id);
            }
        }
    }
}
