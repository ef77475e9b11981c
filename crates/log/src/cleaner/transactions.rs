//! Which batches belong to aborted transactions, and which markers nobody needs any more.
//!
//! A walk over the log in order of offsets: the aborted transactions of the segments are known
//! before their batches are seen (from `.txnindex`), those committed are learnt from their markers.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::records::{
    DecompressionLimit, RecordBatchView, RecordError, control::ControlType,
};

use crate::AbortedTransaction;

/// An aborted transaction whose marker was not seen yet.
#[derive(Debug)]
struct Ongoing {
    transaction: AbortedTransaction,
    /// Whether a batch of it is still in the log.
    is_seen: bool,
}

/// What a walk knows of transactions.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Aborted ones that begin further on, by first offset and producer.
    ahead: BTreeMap<(i64, i64), AbortedTransaction>,
    aborted: BTreeMap<i64, Ongoing>,
    /// Producers of committed (or not yet ended) transactions with batches in the log.
    committed: BTreeSet<i64>,
    /// Aborted transactions of which batches were seen: the index of what is kept.
    index: Vec<AbortedTransaction>,
}

impl Walk {
    /// Tells of aborted transactions that overlap what is walked next.
    pub(crate) fn tell(&mut self, transactions: Vec<AbortedTransaction>) {
        for transaction in transactions {
            self.ahead.insert((transaction.first_offset, transaction.producer_id), transaction);
        }
    }

    /// The aborted transactions whose markers were seen since the last call.
    pub(crate) fn take_index(&mut self) -> Vec<AbortedTransaction> {
        std::mem::take(&mut self.index)
    }

    /// Notes a batch; says whether its records may be left out: they were aborted, or it is a
    /// marker that ends nothing that is still in the log.
    pub(crate) fn see(
        &mut self,
        batch: &RecordBatchView<'_>,
        limit: DecompressionLimit,
    ) -> Result<bool, RecordError> {
        self.reach(batch.last_offset());
        if batch.is_control() {
            return self.see_marker(batch, limit);
        }
        if !batch.is_transactional() {
            return Ok(false);
        }
        match self.aborted.get_mut(&batch.producer_id()) {
            Some(ongoing) => {
                ongoing.is_seen = true;
                Ok(true)
            }
            None => {
                self.committed.insert(batch.producer_id());
                Ok(false)
            }
        }
    }

    fn see_marker(
        &mut self,
        batch: &RecordBatchView<'_>,
        limit: DecompressionLimit,
    ) -> Result<bool, RecordError> {
        let records = batch.records(limit)?;
        // One without records was cleaned before, and is kept for its producer's sequence alone.
        let Some(record) = records.iter().next() else { return Ok(true) };
        let producer_id = batch.producer_id();
        Ok(match ControlType::parse(record?.key) {
            Ok(ControlType::Abort) => match self.aborted.remove(&producer_id) {
                Some(ended) if ended.is_seen => {
                    self.index.push(ended.transaction);
                    false
                }
                _ => true,
            },
            Ok(ControlType::Commit) => !self.committed.remove(&producer_id),
            _ => false,
        })
    }

    /// Transactions that begin up to `offset` are ongoing now.
    fn reach(&mut self, offset: i64) {
        while let Some(next) = self.ahead.first_entry().filter(|next| next.key().0 <= offset) {
            let transaction = next.remove();
            let new = Ongoing { transaction, is_seen: false };
            self.aborted.entry(transaction.producer_id).or_insert(new);
        }
    }
}
