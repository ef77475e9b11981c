//! What is kept of a batch, by Kafka's rules: the last record of each key, tombstones until their
//! delete horizon (KIP-534), markers while something of their transaction is left, and for each
//! producer the header of its last batch, so that its sequence numbers are not forgotten.

use std::collections::BTreeMap;

use klamm_protocol::records::{
    BatchBuilder, BatchEntry, BatchOptions, Compression, CompressionType, DecompressionLimit,
    EntryView, NO_PRODUCER_ID, RecordBatchView, RecordError, RecordRef, TimestampType,
    builder::empty_batch,
    legacy::{LegacyFormat, MessageSetBuilder, MessageView},
};
use klamm_transactions::Producers;

use super::{BatchFault, Stats, offset_map::OffsetMap, transactions::Walk};
use klamm_planted::planted;

/// The last batch of each producer that is still known: the offset of its last record, or none if
/// only a marker is known, and its epoch.
pub(crate) type LastBatches = BTreeMap<i64, (Option<i64>, i16)>;

/// The last batches that a producer state knows.
pub(crate) fn last_batches(producers: &Producers) -> LastBatches {
    let last = |entry: &klamm_transactions::Entry| {
        let offset = entry.batches.back().map(|batch| batch.last_offset);
        (offset, entry.epoch)
    };
    producers.iter().map(|(id, entry)| (id, last(entry))).collect()
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    AsItIs,
    Rebuilt(Vec<u8>),
}

/// The rules of one cleaning as they apply to one segment.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) now_ms: i64,
    /// What has a delete horizon up to here goes.
    pub(crate) ripe_ms: i64,
    /// `delete.retention.ms`.
    pub(crate) delete_retention_ms: i64,
    /// Whether tombstones of the old formats stay: their segment changed too recently.
    pub(crate) keeps_old_tombstones: bool,
    /// Nothing at or beyond this offset is cleaned; the last batch before it stays, if only its
    /// header, so that the end of what was cleaned is seen.
    pub(crate) upper: i64,
    pub(crate) limit: DecompressionLimit,
}

/// Filters batches in order of their offsets.
pub(crate) struct Filter<'a> {
    pub(crate) rules: Rules,
    pub(crate) map: &'a OffsetMap,
    pub(crate) walk: &'a mut Walk,
    pub(crate) last_batches: &'a LastBatches,
    pub(crate) stats: &'a mut Stats,
}

/// The records that are kept of a batch.
struct Chosen {
    keeps: Vec<bool>,
    kept: usize,
    has_tombstone: bool,
}

impl Filter<'_> {
    /// Decides about one batch, or message of an old format.
    pub(crate) fn filter(&mut self, entry: &BatchEntry<'_>) -> Result<Kept, BatchFault> {
        let view = entry.view()?;
        view.check_crc()?;
        match view {
            EntryView::Batch(batch) => self.batch(&batch),
            EntryView::Message(message) => self.message(&message),
        }
    }

    fn batch(&mut self, batch: &RecordBatchView<'_>) -> Result<Kept, BatchFault> {
        let discardable = self.walk.see(batch, self.rules.limit)?;
        // Markers stay as long as tombstones: a reader may just be inside their transaction.
        let ripe = batch.delete_horizon_ms().is_some_and(|at| at <= self.rules.ripe_ms);
        let is_discarded = discardable && (!batch.is_control() || ripe);
        let chosen = if is_discarded {
            self.stats.records_read += batch.records_count().unsigned_abs() as u64;
            Chosen { keeps: Vec::new(), kept: 0, has_tombstone: false }
        } else {
            self.choose(&EntryView::Batch(*batch))?
        };
        if chosen.kept == 0 {
            return Ok(self.emptied(batch));
        }
        let ends_empty_transaction = discardable && batch.is_control();
        let sets_horizon =
            (chosen.has_tombstone || ends_empty_transaction) && batch.delete_horizon_ms().is_none();
        self.stats.records_kept += chosen.kept as u64;
        if chosen.kept == chosen.keeps.len() && !sets_horizon {
            return Ok(Kept::AsItIs);
        }
        let horizon = if sets_horizon {
            Some(self.rules.now_ms.saturating_add(self.rules.delete_retention_ms))
        } else {
            batch.delete_horizon_ms()
        };
        self.rebuild(batch, &chosen, horizon)
    }

    /// What stays of a batch without records.
    fn emptied(&self, batch: &RecordBatchView<'_>) -> Kept {
        let is_last_of_producer = self.last_batches.get(&batch.producer_id()).is_some_and(
            |(offset, epoch)| match offset {
                Some(offset) => *offset == batch.last_offset(),
                None => batch.is_control() && batch.producer_epoch() == *epoch,
            },
        );
        let keeps_sequence = batch.has_producer_id() && is_last_of_producer;
        if !keeps_sequence && batch.next_offset() != self.rules.upper {
            return Kept::Nothing;
        }
        Kept::Rebuilt(empty_batch(&batch.to_header()).to_vec())
    }

    fn rebuild(
        &self,
        batch: &RecordBatchView<'_>,
        chosen: &Chosen,
        delete_horizon_ms: Option<i64>,
    ) -> Result<Kept, BatchFault> {
        let is_append_time = batch.timestamp_type() == TimestampType::LogAppendTime;
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: batch.base_offset(),
            partition_leader_epoch: batch.partition_leader_epoch(),
            compression: batch.compression().map_or(Compression::NONE, Compression::of),
            append_time: is_append_time.then(|| batch.max_timestamp()),
            producer_id: batch.producer_id().max(NO_PRODUCER_ID),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            is_transactional: batch.is_transactional(),
            is_control: batch.is_control(),
            delete_horizon_ms,
        });
        let records = batch.records(self.rules.limit)?;
        for (record, _) in records.iter().zip(&chosen.keeps).filter(|(_, keep)| **keep) {
            let record = record?;
            builder.append_ref(record.offset, &record)?;
        }
        // The last sequence number is counted from it.
        builder.override_last_offset(batch.last_offset())?;
        Ok(Kept::Rebuilt(builder.build()?))
    }

    fn message(&mut self, message: &MessageView<'_>) -> Result<Kept, BatchFault> {
        let chosen = self.choose(&EntryView::Message(*message))?;
        self.stats.records_kept += chosen.kept as u64;
        if chosen.kept == 0 {
            return Ok(Kept::Nothing);
        }
        if chosen.kept == chosen.keeps.len() {
            return Ok(Kept::AsItIs);
        }
        let format = if message.magic() == 0 { LegacyFormat::V0 } else { LegacyFormat::V1 };
        let codec = CompressionType::from_id(message.compression_id());
        let is_append_time = message.timestamp_type() == Some(TimestampType::LogAppendTime);
        let append_time = is_append_time.then(|| message.timestamp());
        let codec = codec.map_or(Compression::NONE, Compression::of);
        let mut builder = MessageSetBuilder::new(format, codec, append_time)?;
        let records = message.records(self.rules.limit)?;
        for (record, _) in records.iter().zip(&chosen.keeps).filter(|(_, keep)| **keep) {
            let RecordRef { offset, timestamp, key, value, .. } = record?;
            builder.append(offset, timestamp, key, value)?;
        }
        Ok(Kept::Rebuilt(builder.build()?))
    }

    fn choose(&mut self, view: &EntryView<'_>) -> Result<Chosen, RecordError> {
        let mut chosen = Chosen { keeps: Vec::new(), kept: 0, has_tombstone: false };
        for record in &view.records(self.rules.limit)? {
            let record = record?;
            let keep = view.is_control() || self.keeps(view, &record);
            chosen.keeps.push(keep);
            chosen.kept += usize::from(keep);
            chosen.has_tombstone |= keep && record.value.is_none();
        }
        self.stats.records_read += chosen.keeps.len() as u64;
        Ok(chosen)
    }

    fn keeps(&mut self, view: &EntryView<'_>, record: &RecordRef<'_>) -> bool {
        if record.offset > self.map.latest {
            return true;
        }
        let Some(key) = record.key else {
            self.stats.records_without_key += 1;
            return false;
        };
        let last = self.map.get(key).unwrap_or(-1);
        if record.offset < last || (planted("cleaner-drops-last-values") && last % 7 == 0) {
            return false;
        }
        record.value.is_some() || self.keeps_tombstone(view)
    }

    fn keeps_tombstone(&self, view: &EntryView<'_>) -> bool {
        if planted("cleaner-drops-tombstones") {
            return false;
        }
        match view {
            EntryView::Batch(batch) => {
                batch.delete_horizon_ms().is_none_or(|horizon| self.rules.ripe_ms < horizon)
            }
            EntryView::Message(_) => self.rules.keeps_old_tombstones,
        }
    }
}
