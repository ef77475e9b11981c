//! The producer state of one partition (Kafka's idempotent producer, KIP-98 and KIP-360).
//!
//! Invariant: `check` changes nothing; `apply` is total. Applying the batches of a log in order
//! gives the state that the leader had when it appended them.

use std::collections::BTreeMap;

use crate::entry::{Batch, Entry, Marker, REMEMBERED_MAX, Refusal, Remembered, Verdict};

/// A transaction that a marker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Producer id.
    pub producer_id: i64,
    /// Where it began in this partition.
    pub first_offset: i64,
    /// Where its marker is.
    pub last_offset: i64,
    /// Committed, or else aborted.
    pub committed: bool,
    /// Up to where everything else is decided too.
    pub last_stable_offset: i64,
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    entries: BTreeMap<i64, Entry>,
    /// Open transactions by where they began.
    open: BTreeMap<i64, i64>,
    /// Transactions whose marker is not below the high watermark yet: where they began, and where
    /// the marker is. They count as open for readers.
    unreplicated: BTreeMap<i64, i64>,
}

impl Producers {
    /// Decides about a batch that a client sent.
    ///
    /// # Errors
    /// The batch must be refused with the Kafka error that the [`Refusal`] names.
    pub fn check(&self, batch: &Batch) -> Result<Verdict, Refusal> {
        let Some(entry) = self.entries.get(&batch.producer_id) else {
            return Ok(Verdict::Append);
        };
        if let Some(same) = entry.duplicate_of(batch) {
            return Ok(Verdict::Duplicate(same));
        }
        entry.check_epoch(batch)?;
        entry.check_sequence(batch)?;
        if entry.transaction_start.is_some() && !batch.transactional {
            return Err(Refusal::NotInTransaction { producer_id: batch.producer_id });
        }
        Ok(Verdict::Append)
    }

    /// Decides about a batch that the group coordinator writes: it has no sequence numbers.
    ///
    /// # Errors
    /// Its producer is fenced.
    pub fn check_epoch(&self, batch: &Batch) -> Result<(), Refusal> {
        self.entries.get(&batch.producer_id).map_or(Ok(()), |entry| entry.check_epoch(batch))
    }

    /// Decides about a marker that a coordinator of this transactions version writes.
    ///
    /// # Errors
    /// The marker is late: the producer has a newer epoch here, or the coordinator has a successor.
    pub fn check_marker(&self, marker: &Marker, version: i16) -> Result<(), Refusal> {
        let entry = self.entries.get(&marker.producer_id);
        entry.map_or(Ok(()), |entry| entry.check_marker(marker, version))
    }

    /// Whether the producer has a transaction open here in this epoch.
    pub fn is_in_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        self.entries
            .get(&producer_id)
            .is_some_and(|entry| entry.epoch == epoch && entry.transaction_start.is_some())
    }

    /// What is known of a producer.
    pub fn get(&self, producer_id: i64) -> Option<&Entry> {
        self.entries.get(&producer_id)
    }

    /// Notes a batch that is in the log.
    pub fn apply(&mut self, batch: &Batch) {
        let entry = self.entries.entry(batch.producer_id).or_insert_with(Entry::new);
        entry.enter_epoch(batch.epoch);
        if entry.batches.len() == REMEMBERED_MAX {
            entry.batches.pop_front();
        }
        entry.batches.push_back(Remembered {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset,
            offset_delta: batch.offset_delta,
            timestamp: batch.timestamp,
        });
        entry.last_timestamp = batch.timestamp;
        if batch.transactional && entry.transaction_start.is_none() {
            let start = batch.last_offset - i64::from(batch.offset_delta);
            entry.transaction_start = Some(start);
            self.open.insert(start, batch.producer_id);
        }
    }

    /// Notes the marker that ends a transaction, at this offset; tells of the transaction if the
    /// producer had written anything.
    pub fn apply_marker(&mut self, marker: &Marker, offset: i64) -> Option<Completed> {
        let completed = self.completion(marker, offset);
        let entry = self.entries.entry(marker.producer_id).or_insert_with(Entry::new);
        entry.enter_epoch(marker.epoch);
        entry.coordinator_epoch = marker.coordinator_epoch;
        entry.last_timestamp = marker.timestamp;
        if let Some(completed) = &completed {
            entry.transaction_start = None;
            self.open.remove(&completed.first_offset);
            self.unreplicated.insert(completed.first_offset, offset);
        }
        completed
    }

    /// The transaction that this marker at this offset ends, if the producer has written anything.
    pub fn completion(&self, marker: &Marker, offset: i64) -> Option<Completed> {
        let first_offset = self.entries.get(&marker.producer_id)?.transaction_start?;
        let other = self.open.keys().find(|start| **start != first_offset);
        Some(Completed {
            producer_id: marker.producer_id,
            first_offset,
            last_offset: offset,
            committed: marker.committed,
            last_stable_offset: other.copied().unwrap_or(offset + 1),
        })
    }

    /// Notes that everything below `high_watermark` is replicated, and with it the markers there.
    pub fn replicated(&mut self, high_watermark: i64) {
        self.unreplicated.retain(|_, marker| *marker >= high_watermark);
    }

    /// Where the oldest transaction began that is open, or whose marker is not replicated: the last
    /// stable offset may not pass it.
    pub fn first_unstable(&self) -> Option<i64> {
        let (open, unreplicated) = (self.open.keys().next(), self.unreplicated.keys().next());
        open.into_iter().chain(unreplicated).min().copied()
    }

    /// Whether a transaction has ended whose marker is not replicated.
    pub fn has_unreplicated(&self) -> bool {
        !self.unreplicated.is_empty()
    }

    /// Forgets producers that have not written for `expiration_ms` and have no open transaction
    /// (`producer.id.expiration.ms`).
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.entries.retain(|_, entry| {
            entry.transaction_start.is_some()
                || now_ms.saturating_sub(entry.last_timestamp) < expiration_ms
        });
    }

    /// All producers by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Number of producers known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn restore(&mut self, producer_id: i64, entry: Entry) {
        if let Some(start) = entry.transaction_start {
            self.open.insert(start, producer_id);
        }
        self.entries.insert(producer_id, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script of `epoch first+count` steps for one producer; each line of the answer is
    /// what became of the step.
    fn check(script: &str) -> String {
        let mut producers = Producers::default();
        let mut end = 0;
        let mut out = Vec::new();
        for step in script.split_whitespace() {
            let (epoch, rest) = step.split_once(':').expect("epoch:first+count");
            let (first, count) = rest.split_once('+').expect("first+count");
            let offset_delta = count.parse::<i32>().expect("count") - 1;
            let batch = Batch {
                producer_id: 7,
                epoch: epoch.parse().expect("epoch"),
                first_sequence: first.parse().expect("first"),
                offset_delta,
                last_offset: end + i64::from(offset_delta),
                timestamp: 0,
                transactional: false,
            };
            out.push(match producers.check(&batch) {
                Ok(Verdict::Append) => {
                    producers.apply(&batch);
                    end = batch.last_offset + 1;
                    format!("append@{}", batch.last_offset - i64::from(offset_delta))
                }
                Ok(Verdict::Duplicate(known)) => format!("duplicate@{}", known.first_offset()),
                Err(Refusal::Fenced { .. }) => "fenced".to_owned(),
                Err(Refusal::OutOfOrder { last, .. }) => format!("gap-after-{last}"),
                Err(refusal) => format!("{refusal:?}"),
            });
        }
        out.join(" ")
    }

    #[test]
    fn sequences_as_kafka_judges_them() {
        assert_eq!(check("0:0+3 0:3+1 0:3+1 0:0+3"), "append@0 append@3 duplicate@3 duplicate@0");
        assert_eq!(check("0:0+3 0:4+1"), "append@0 gap-after-2");
        assert_eq!(
            check("0:5+3 0:8+1"),
            "append@0 append@3",
            "an unknown producer starts anywhere"
        );
        assert_eq!(
            check("1:0+1 0:1+1 2:0+1 2:1+1 3:1+1"),
            "append@0 fenced append@1 append@2 gap-after-1"
        );
        assert_eq!(check("0:2147483646+2 0:0+1"), "append@0 append@2", "sequences wrap");
        assert_eq!(check("0:2147483646+4 0:2147483646+4 0:2+1"), "append@0 duplicate@0 append@4");
    }

    #[test]
    fn only_the_last_five_batches_are_known_as_duplicates() {
        assert_eq!(
            check("0:0+1 0:1+1 0:2+1 0:3+1 0:4+1 0:5+1 0:1+1 0:0+1"),
            "append@0 append@1 append@2 append@3 append@4 append@5 duplicate@1 gap-after-5"
        );
    }
}
