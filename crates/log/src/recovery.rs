//! Reading what is inside batches, and rebuilding a segment after a crash.

use std::{io, sync::Arc};

use klamm_env::File;
use klamm_protocol::records::{
    BatchError, Batches, DecompressionLimit, LOG_OVERHEAD, MAGIC_V2, RecordBatchView,
    control::{ControlType, EndTransactionMarker},
    legacy::MessageView,
};
use klamm_transactions::Marker;

use crate::{
    LogConfig, OpenError, TimestampOffset,
    index::{MemoryIndex, TimeEntry},
    log::Writer,
    names::LOG_SUFFIX,
    scan::{Facts, WalkEnd, facts, walk_batches},
    segment::Segment,
};

/// The most a batch may decompress to while a timestamp is looked for, bytes.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 30;

/// Offsets and timestamps of the records in a batch or message of any format; damaged records end
/// the iteration.
pub(crate) fn records_of(bytes: &[u8]) -> impl Iterator<Item = TimestampOffset> {
    let limit = DecompressionLimit(DECOMPRESSED_BYTES_MAX);
    let mut found = Vec::new();
    if let Ok(view) = RecordBatchView::parse(bytes) {
        if let Ok(records) = view.records(limit) {
            let records = records.iter().map_while(Result::ok);
            found.extend(
                records.map(|r| TimestampOffset { timestamp: r.timestamp, offset: r.offset }),
            );
        }
    } else if let Ok(message) = MessageView::parse(bytes)
        && let Ok(records) = message.records(limit)
    {
        let records = records.iter().map_while(Result::ok);
        found.extend(records.map(|r| TimestampOffset { timestamp: r.timestamp, offset: r.offset }));
    }
    found.into_iter()
}

/// The end of a transaction that a control batch tells of.
pub(crate) fn marker_of(bytes: &[u8]) -> Option<Marker> {
    let view = RecordBatchView::parse(bytes).ok()?;
    let records = view.records(DecompressionLimit(DECOMPRESSED_BYTES_MAX)).ok()?;
    let record = records.iter().next()?.ok()?;
    match ControlType::parse(record.key) {
        Ok(ControlType::Abort | ControlType::Commit) => {}
        _ => return None,
    }
    let marker = EndTransactionMarker::parse(&record).ok()?;
    Some(Marker {
        producer_id: view.producer_id(),
        epoch: view.producer_epoch(),
        committed: marker.committed,
        coordinator_epoch: marker.coordinator_epoch,
        timestamp: record.timestamp,
    })
}

/// The largest offset in a segment, relative to its base.
const MAX_RELATIVE: u32 = i32::MAX as u32;

/// How the rebuilding of a segment ended.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    /// Offset after its last whole batch.
    pub(crate) end_offset: i64,
    /// Size up to there, bytes.
    pub(crate) size: u64,
    /// What is wrong with the bytes that follow, if there are any.
    pub(crate) damage: Option<String>,
}

/// Reads a whole segment, checks every batch, and makes its indexes anew. Producer state and
/// epochs are replayed from `replay_from` on.
pub(crate) fn rebuild(
    segment: &Segment,
    config: &LogConfig,
    writer: &mut Writer,
    replay_from: i64,
) -> io::Result<Rebuilt> {
    let file = Arc::clone(segment.file()?);
    let size = file.len()?;
    segment.reopen(MemoryIndex::default());
    segment.set_newest(TimeEntry { timestamp: -1, relative: 0 });
    segment.clear_aborted()?;
    let mut end_offset = segment.base_offset;
    let mut whole = 0;
    // That an index cannot be written says nothing of the batches.
    let mut unwritten = None;
    let walk = walk_batches(&*file, 0, size, |position, facts, bytes| {
        check(bytes, facts, end_offset)?;
        if segment.relative(facts.last_offset).is_none_or(|relative| relative > MAX_RELATIVE) {
            let base = segment.base_offset;
            return Err(format!("offset {} is too far from base offset {base}", facts.last_offset));
        }
        segment.note(config.index_interval_bytes, position, facts);
        if facts.base_offset >= replay_from
            && let Some(completed) = writer.replay(bytes, facts).filter(|of| !of.committed)
        {
            let added = segment.add_aborted(completed.into());
            added.map_err(|error| unwritten.insert(error).to_string())?;
        }
        end_offset = facts.last_offset + 1;
        whole = position + facts.size;
        Ok(())
    })?;
    if let Some(error) = unwritten {
        return Err(error);
    }
    segment.set_size(whole);
    let damage = match walk {
        WalkEnd::Whole => None,
        WalkEnd::Cut(_) => Some("the last batch is cut".to_owned()),
        WalkEnd::Bad(_, error) => Some(error),
    };
    Ok(Rebuilt { end_offset, size: whole, damage })
}

/// Replays producers and epochs from the batches at and after `from`, without checking them.
pub(crate) fn replay(segment: &Segment, writer: &mut Writer, from: i64) -> Result<i64, OpenError> {
    let file = segment.file()?;
    let start = segment.floor_position(from)?;
    let mut end_offset = segment.base_offset.max(from);
    let walk = walk_batches(&**file, start, segment.size(), |_, facts, bytes| {
        if facts.last_offset >= from {
            writer.replay(bytes, facts);
        }
        end_offset = facts.last_offset + 1;
        Ok(())
    })?;
    let (position, error) = match walk {
        WalkEnd::Whole => return Ok(end_offset),
        WalkEnd::Cut(position) => (position, "the batch is cut".to_owned()),
        WalkEnd::Bad(position, error) => (position, error),
    };
    Err(OpenError::Corrupt {
        file: segment.path(LOG_SUFFIX).display().to_string(),
        position,
        error,
        following: segment.size() - position,
    })
}

/// Whether a batch is whole and belongs behind `end_offset`.
pub(crate) fn check(bytes: &[u8], facts: &Facts, end_offset: i64) -> Result<(), String> {
    check_crc(bytes).map_err(|error| error.to_string())?;
    if facts.last_offset < end_offset {
        return Err(format!("offset {} follows offset {}", facts.last_offset, end_offset - 1));
    }
    Ok(())
}

fn check_crc(bytes: &[u8]) -> Result<(), BatchError> {
    if bytes.get(LOG_OVERHEAD + 4).is_some_and(|magic| *magic as i8 == MAGIC_V2) {
        RecordBatchView::parse(bytes)?.check_crc()
    } else if let Ok(message) = MessageView::parse(bytes) {
        message.check_crc()
    } else {
        Ok(())
    }
}

/// Whether nothing was written from `from` on.
pub(crate) fn is_blank(file: &dyn File, from: u64, size: u64) -> io::Result<bool> {
    let (mut at, mut buf) = (from, vec![0; 64 << 10]);
    while at < size {
        let read = file.read_at(&mut buf, at)?;
        if read == 0 || buf[..read].iter().any(|byte| *byte != 0) {
            return Ok(read == 0);
        }
        at += read as u64;
    }
    Ok(true)
}

/// Bytes read at once while looking for whole batches behind a damaged one.
const SEARCH_BYTES: usize = 8 << 20;

/// Whether a whole, valid batch that belongs to the segment stands anywhere from `from` on: then
/// what is there is not the torn end of the log.
pub(crate) fn valid_batch_follows(
    file: &dyn File,
    from: u64,
    size: u64,
    base_offset: i64,
) -> io::Result<bool> {
    let mut at = from;
    let mut buf = Vec::new();
    while at < size {
        let want = SEARCH_BYTES.min(usize::try_from(size - at).unwrap_or(SEARCH_BYTES));
        buf.resize(want, 0);
        let read = file.read_at(&mut buf, at)?;
        buf.truncate(read);
        if (0..buf.len()).any(|skip| is_valid_batch(&buf[skip..], base_offset)) {
            return Ok(true);
        }
        if at + read as u64 >= size || read == 0 {
            return Ok(false);
        }
        // Windows overlap by half, so that a batch across their border is seen whole.
        at += (read / 2).max(1) as u64;
    }
    Ok(false)
}

fn is_valid_batch(bytes: &[u8], base_offset: i64) -> bool {
    let magic = bytes.get(LOG_OVERHEAD + 4).map(|magic| *magic as i8);
    if magic != Some(MAGIC_V2) {
        return false;
    }
    let Ok(facts) = facts(bytes) else { return false };
    (0..1 << 31).contains(&facts.base_offset.saturating_sub(base_offset))
        && Batches::new(bytes)
            .next()
            .and_then(Result::ok)
            .and_then(|entry| entry.batch().ok())
            .is_some_and(|view| view.check_crc().is_ok())
}
