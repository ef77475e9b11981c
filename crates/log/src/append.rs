//! Appending records at the end of a log.
//!
//! Cost per call: one lock, one `pwrite`; no copy, no allocation; a CRC over the records of a
//! replica, as a client's were checked when they came in. Offset and leader epoch are written into the caller's buffer, outside of what the CRC covers.

use std::{io::IoSlice, sync::Arc};

use klamm_env::disk;
use klamm_planted::planted;
use klamm_protocol::records::{Batches, RecordBatchView, TimestampType, header::MAGIC_V2, patch};
use klamm_transactions::{Batch, Completed, Guard, Marker, Refusal, Verdict};
use smallvec::SmallVec;

use crate::{
    AppendError, Log, LogConfig,
    log::Writer,
    names::SNAPSHOT_SUFFIX,
    scan::{Facts, facts},
    segment::Segment,
};

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client of the leader: offsets are assigned, sequences checked. Checksums are not computed
    /// again: whoever looked at the records before has done so.
    Client,
    /// The broker itself, as a coordinator that leads the partition: offsets are assigned.
    Coordinator,
    /// A copy from the leader: offsets and epochs are kept, checksums are checked.
    Replication,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The broker's timestamp if the topic has `LogAppendTime`, else -1.
    pub log_append_time: i64,
    /// Whether the records were there already: a retry of an idempotent producer.
    pub duplicate: bool,
    /// Whether a new segment was begun, so that the one before waits to be synced.
    pub rolled: bool,
    /// Whether `flush.messages` are reached: a sync up to the last offset is to follow.
    pub sync_due: bool,
}

/// How records are to be appended.
#[derive(Debug, Clone, Copy)]
pub struct AppendOptions {
    /// Who appends.
    pub origin: Origin,
    /// The epoch in which the broker leads the partition.
    pub leader_epoch: i32,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// Whether records get the broker's time (`message.timestamp.type`).
    pub log_append_time: bool,
    /// What shows that the transaction of the records is open, if they are part of one.
    pub guard: Guard,
    /// The transactions version of the coordinator that writes a marker.
    pub marker_version: i16,
}

impl AppendOptions {
    /// An append that has nothing to do with transactions and keeps the records' times.
    pub fn new(origin: Origin, leader_epoch: i32, now_ms: i64) -> Self {
        Self {
            origin,
            leader_epoch,
            now_ms,
            log_append_time: false,
            guard: Guard::NotAsked,
            marker_version: 0,
        }
    }
}

struct Checked {
    at: usize,
    size: usize,
    producer: Option<Batch>,
    /// The end of a transaction, if that is what the batch is.
    marker: Option<Marker>,
}

type CheckedBatches = SmallVec<[Checked; 1]>;

impl Log {
    /// Appends one or more batches of format v2.
    ///
    /// The records are in the page cache when this returns; [`Log::flush_to`] makes them durable.
    ///
    /// # Errors
    /// Nothing was appended; [`AppendError`] says what the caller can do.
    pub fn append(
        &self,
        records: &mut [u8],
        options: &AppendOptions,
    ) -> Result<Appended, AppendError> {
        let is_refused = self.is_restricted() && options.origin == Origin::Client;
        if is_refused && !planted("restricted-writes") {
            return Err(AppendError::Restricted);
        }
        let batches = check_batches(records, options.origin)?;
        let config = self.config.load();
        let size = records.len() as u64;
        if size > config.segment_bytes {
            return Err(AppendError::TooLarge { size, limit: config.segment_bytes });
        }
        let mut writer = self.writer.lock();
        if let Some(reason) = &writer.offline {
            return Err(AppendError::Offline(reason.clone()));
        }
        if let Some(duplicate) = check_producers(&writer, &batches, options)? {
            return Ok(duplicate);
        }
        let appended = self.stamp(records, &batches, options)?;
        let last = appended.last_offset;
        let mut segments = self.segments.load();
        let newest = facts(records)?.max_timestamp;
        let rolled = segments
            .last()
            .is_some_and(|segment| must_roll(segment, &config, size, last, newest, options.now_ms));
        if rolled {
            self.roll(&mut writer, options.now_ms).map_err(full_or_io)?;
            segments = self.segments.load();
        }
        self.write(&mut writer, &config, segments.last(), records, &batches)?;
        self.show_transactions(&writer);
        writer.unsynced_since_ms.get_or_insert(options.now_ms);
        if is_refused {
            return Err(AppendError::Restricted);
        }
        let unsynced = last + 1 - self.recovery_point();
        Ok(Appended { rolled, sync_due: unsynced >= config.flush_messages, ..appended })
    }

    /// Gives the batches their offsets, leader epoch and, if asked, timestamps.
    fn stamp(
        &self,
        records: &mut [u8],
        batches: &CheckedBatches,
        options: &AppendOptions,
    ) -> Result<Appended, AppendError> {
        let end = self.end_offset();
        let mut next = end;
        let mut base_offset = None;
        for checked in batches {
            let bytes = &mut records[checked.at..checked.at + checked.size];
            if options.origin == Origin::Replication {
                let given = RecordBatchView::parse(bytes)?.base_offset();
                if given < next {
                    return Err(AppendError::OutOfOrder { given, end: next });
                }
                next = given;
            } else {
                patch::set_base_offset(bytes, next)?;
                patch::set_partition_leader_epoch(bytes, options.leader_epoch)?;
                if options.log_append_time {
                    let now = options.now_ms;
                    patch::set_max_timestamp(bytes, TimestampType::LogAppendTime, now)?;
                }
            }
            base_offset.get_or_insert(next);
            next = RecordBatchView::parse(bytes)?.next_offset();
        }
        Ok(Appended {
            base_offset: base_offset.unwrap_or(end),
            last_offset: next - 1,
            log_append_time: if options.log_append_time { options.now_ms } else { -1 },
            duplicate: false,
            rolled: false,
            sync_due: false,
        })
    }

    fn write(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        segment: Option<&Arc<Segment>>,
        records: &[u8],
        batches: &CheckedBatches,
    ) -> Result<(), AppendError> {
        let segment = segment.ok_or_else(|| AppendError::Offline("closed".to_owned()))?;
        let start = segment.size();
        let file = segment.file().map_err(AppendError::Io)?;
        if let Err(error) = file.write_all_at(&[IoSlice::new(records)], start) {
            // A part of it may be there: cut it off, so that the next append finds a whole log.
            let cut = file.set_len(start);
            return Err(self.write_failed(writer, error, cut.is_ok()));
        }
        if let Err(error) = index_aborted(writer, segment, batches, records) {
            let cut = file.set_len(start);
            return Err(self.write_failed(writer, error, cut.is_ok()));
        }
        segment.set_size(start + records.len() as u64);
        let interval = config.index_interval_bytes;
        let mut tail = self.tail.lock();
        for checked in batches {
            let bytes = &records[checked.at..checked.at + checked.size];
            let facts = facts(bytes)?;
            let position = start + checked.at as u64;
            segment.note(interval, position, &facts);
            tail.push(position, &facts);
            writer.note(&facts, checked);
        }
        Ok(())
    }

    fn write_failed(&self, writer: &mut Writer, error: std::io::Error, cut: bool) -> AppendError {
        if disk::is_full(&error) && cut {
            return AppendError::Full(error);
        }
        writer.offline = Some(error.to_string());
        AppendError::Io(error)
    }

    /// Closes the segment being written and begins the next at the end offset.
    pub(crate) fn roll(&self, writer: &mut Writer, now_ms: i64) -> std::io::Result<()> {
        let end = self.end_offset();
        let config = self.config.load();
        let mut segments = Vec::clone(&self.segments.load());
        if let Some(last) = segments.last().filter(|_| config.preallocate) {
            // Before the next is there: recovery takes what follows a blank end for damage.
            last.trim()?;
        }
        let segment = Arc::new(Segment::create(&self.place, end, &config, now_ms)?);
        segments.push(segment);
        writer.dir_dirty = true;
        writer.take_snapshot(end);
        self.tail.lock().roll(end);
        self.segments.store(Arc::new(segments));
        Ok(())
    }
}

fn full_or_io(error: std::io::Error) -> AppendError {
    if disk::is_full(&error) { AppendError::Full(error) } else { AppendError::Io(error) }
}

/// Whether the segment takes no more records of this size, last offset and time.
fn must_roll(
    segment: &Segment,
    config: &LogConfig,
    size: u64,
    last_offset: i64,
    newest: i64,
    now_ms: i64,
) -> bool {
    let used = segment.size();
    if used == 0 {
        return false;
    }
    let first = segment.first_timestamp.load(std::sync::atomic::Ordering::Relaxed);
    let age = if first >= 0 { newest - first } else { now_ms - segment.created_ms };
    let entries_max = config.segment_index_bytes / crate::index::TIME_ENTRY_BYTES;
    used + size > config.segment_bytes
        || age > config.segment_ms - config.segment_jitter_ms
        || segment.index_entries() as u64 >= entries_max
        || last_offset - segment.base_offset > i64::from(i32::MAX)
}

impl Writer {
    /// Notes a batch that is in the log.
    fn note(&mut self, facts: &Facts, checked: &Checked) {
        self.epochs.assign(facts.leader_epoch, facts.base_offset);
        if let Some(marker) = &checked.marker {
            self.note_marker(marker, facts.base_offset);
        } else if let Some(batch) = checked.producer {
            self.producers.apply(&Batch { last_offset: facts.last_offset, ..batch });
            if batch.transactional {
                self.verifications.end(batch.producer_id);
            }
        }
    }

    /// Keeps the producer state at a segment's end, to be written by the next flush.
    pub(crate) fn take_snapshot(&mut self, offset: i64) {
        if offset > self.snapshot_offset {
            let contents = klamm_transactions::snapshot::encode(&self.producers);
            self.snapshots.push((offset, contents));
            self.snapshot_offset = offset;
        }
    }

    /// Replays a batch found in the log while it is opened; tells of the transaction that it ends.
    pub(crate) fn replay(&mut self, bytes: &[u8], facts: &Facts) -> Option<Completed> {
        self.epochs.assign(facts.leader_epoch, facts.base_offset);
        let view = RecordBatchView::parse(bytes).ok()?;
        let batch = Batch::of(&view)?;
        if view.is_control() {
            let marker = crate::recovery::marker_of(bytes)?;
            return self.note_marker(&marker, facts.base_offset);
        }
        self.producers.apply(&Batch { last_offset: facts.last_offset, ..batch });
        None
    }

    fn note_marker(&mut self, marker: &Marker, offset: i64) -> Option<Completed> {
        self.verifications.end(marker.producer_id);
        self.producers.apply_marker(marker, offset)
    }
}

/// Indexes the aborted transactions that the batches end; they are noted afterwards.
fn index_aborted(
    writer: &mut Writer,
    segment: &Segment,
    batches: &CheckedBatches,
    records: &[u8],
) -> std::io::Result<()> {
    for checked in batches {
        let Some(marker) = checked.marker.filter(|marker| !marker.committed) else { continue };
        if planted("aborted-not-indexed") {
            continue;
        }
        let view = RecordBatchView::parse(&records[checked.at..]).map_err(std::io::Error::other)?;
        if let Some(completed) = writer.producers.completion(&marker, view.base_offset()) {
            writer.dir_dirty |= segment.add_aborted(completed.into())?;
        }
    }
    Ok(())
}

fn check_batches(records: &[u8], origin: Origin) -> Result<CheckedBatches, AppendError> {
    let mut batches = CheckedBatches::new();
    let mut at = 0;
    for entry in Batches::new(records) {
        let entry = entry?;
        if entry.magic() != MAGIC_V2 {
            return Err(AppendError::Invalid(format!("unconverted magic {}", entry.magic())));
        }
        let view = entry.batch()?;
        if origin == Origin::Replication {
            view.check_crc()?;
        }
        if view.last_offset_delta() < 0 {
            return Err(AppendError::Invalid("the batch has an invalid offset range".to_owned()));
        }
        let size = entry.size_in_bytes();
        let producer = Batch::of(&view);
        let is_marker = view.is_control() && producer.is_some();
        let marker =
            is_marker.then(|| crate::recovery::marker_of(&records[at..at + size])).flatten();
        batches.push(Checked { at, size, producer, marker });
        at += size;
    }
    if at != records.len() {
        return Err(AppendError::Invalid(format!(
            "{} bytes after the last batch",
            records.len() - at
        )));
    }
    if batches.is_empty() {
        return Err(AppendError::Invalid("no record batch".to_owned()));
    }
    Ok(batches)
}

/// What the producer state says to the batches; the earlier append that they repeat, if they do.
fn check_producers(
    writer: &Writer,
    batches: &CheckedBatches,
    options: &AppendOptions,
) -> Result<Option<Appended>, AppendError> {
    if options.origin == Origin::Replication {
        return Ok(None);
    }
    for checked in batches {
        let Some(batch) = &checked.producer else { continue };
        if let Some(marker) = &checked.marker {
            writer.producers.check_marker(marker, options.marker_version)?;
        } else if options.origin == Origin::Coordinator {
            writer.producers.check_epoch(batch)?;
            check_transaction(writer, batch, options)?;
        } else if let Verdict::Duplicate(known) = writer.producers.check(batch)?
            && !planted("ignore-duplicates")
        {
            return Ok(Some(Appended {
                base_offset: known.first_offset(),
                last_offset: known.last_offset,
                log_append_time: known.timestamp,
                duplicate: true,
                rolled: false,
                sync_due: false,
            }));
        } else {
            check_transaction(writer, batch, options)?;
        }
    }
    Ok(None)
}

fn check_transaction(
    writer: &Writer,
    batch: &Batch,
    options: &AppendOptions,
) -> Result<(), Refusal> {
    writer.verifications.check(&writer.producers, batch, options.guard)
}

/// The name of the producer snapshot at an offset.
pub(crate) fn snapshot_name(offset: i64) -> String {
    crate::names::file_name(offset, SNAPSHOT_SUFFIX)
}
