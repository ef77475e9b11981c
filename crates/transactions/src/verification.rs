//! Transactions that a partition is about to hear of: between the question to their coordinator and
//! the first write, a marker may come, and then the write must not (KIP-890).
//!
//! Invariant: a guard holds only until the next marker of its producer, or until its write.

use std::collections::BTreeMap;

use crate::{
    entry::{Batch, Refusal},
    producers::Producers,
};

/// What a write shows to prove that its transaction is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: the coordinator is not asked (`transaction.partition.verification.enable`).
    #[default]
    NotAsked,
    /// That the partition has the transaction already.
    Ongoing,
    /// That the coordinator was asked, after this question began.
    Asked(u64),
}

/// Whether the coordinator must be asked before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// No: the partition has the transaction already.
    Ongoing,
    /// Yes; the write shows this guard then.
    Ask(u64),
}

#[derive(Debug, Clone, Copy)]
struct Question {
    guard: u64,
    epoch: i16,
    lowest_sequence: i32,
    /// Whether the client begins every transaction with sequence number zero.
    bumps: bool,
    since_ms: i64,
}

/// The questions of one partition that no write has followed yet.
#[derive(Debug, Default)]
pub struct Verifications {
    questions: BTreeMap<i64, Question>,
    last: u64,
}

impl Verifications {
    /// Begins a question before a client's write, unless the transaction is known to be open.
    ///
    /// # Errors
    /// The producer is fenced.
    pub fn begin(
        &mut self,
        producers: &Producers,
        batch: &Batch,
        bumps: bool,
        now_ms: i64,
    ) -> Result<Verified, Refusal> {
        producers.check_epoch(batch)?;
        if producers.is_in_transaction(batch.producer_id, batch.epoch) {
            return Ok(Verified::Ongoing);
        }
        self.last += 1;
        let fresh = Question {
            guard: self.last,
            epoch: batch.epoch,
            lowest_sequence: batch.first_sequence,
            bumps,
            since_ms: now_ms,
        };
        let question = self.questions.entry(batch.producer_id).or_insert(fresh);
        if batch.epoch > question.epoch {
            (question.epoch, question.lowest_sequence) = (batch.epoch, batch.first_sequence);
        } else if batch.epoch == question.epoch {
            question.lowest_sequence = question.lowest_sequence.min(batch.first_sequence);
        }
        Ok(Verified::Ask(question.guard))
    }

    /// Decides whether a batch in a transaction may be written with what it shows.
    ///
    /// # Errors
    /// Its transaction is not open, or is open anew, or the batch is not its first.
    pub fn check(&self, producers: &Producers, batch: &Batch, guard: Guard) -> Result<(), Refusal> {
        let producer_id = batch.producer_id;
        if !batch.transactional || producers.is_in_transaction(producer_id, batch.epoch) {
            return Ok(());
        }
        let question = self.questions.get(&producer_id);
        match (guard, question) {
            (Guard::NotAsked, _) => return Ok(()),
            (Guard::Asked(shown), Some(question)) if shown == question.guard => {}
            _ => return Err(Refusal::NotVerified { producer_id }),
        }
        let Some(question) = question else { return Ok(()) };
        let is_unknown = producers.get(producer_id).is_none_or(|entry| entry.batches.is_empty());
        let given = batch.first_sequence;
        let is_gap =
            given > question.lowest_sequence || (question.bumps && is_unknown && given > 0);
        if is_gap {
            return Err(Refusal::OutOfOrder { producer_id, given, last: -1 });
        }
        Ok(())
    }

    /// A write or a marker of the producer is in the log.
    pub fn end(&mut self, producer_id: i64) {
        self.questions.remove(&producer_id);
    }

    /// Forgets questions that nothing followed for `expiration_ms`.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.questions.retain(|_, of| now_ms.saturating_sub(of.since_ms) < expiration_ms);
    }
}
