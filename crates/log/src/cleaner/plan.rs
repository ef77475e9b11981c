//! What of a log is to be compacted, how urgently, and in which portions.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use klamm_planted::planted;

use crate::{Log, LogConfig, segment::Segment};

/// A log as the cleaner sees it. Offsets are bases of segments.
#[derive(Debug, Clone)]
pub struct Cleanable {
    /// The log.
    pub log: Arc<Log>,
    /// Everything below was compacted before.
    pub first_dirty: i64,
    /// Nothing from here on may be compacted yet.
    pub first_uncleanable: i64,
    /// Size of what was compacted before, bytes.
    pub clean_bytes: u64,
    /// Size of what is to be, bytes.
    pub dirty_bytes: u64,
    /// By how much the oldest dirty record exceeds `max.compaction.lag.ms`, milliseconds; 0 if it
    /// does not.
    pub overdue_ms: i64,
}

impl Cleanable {
    /// The dirty part of what may be compacted, 0 to 1.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes + self.dirty_bytes;
        if total == 0 { 0.0 } else { self.dirty_bytes as f64 / total as f64 }
    }

    /// Whether it is to be compacted now: it is dirty enough, or it has waited too long.
    pub fn is_due(&self) -> bool {
        let by_age = self.overdue_ms > 0 && self.dirty_bytes > 0;
        by_age || self.dirty_ratio() > self.log.config().min_cleanable_dirty_ratio
    }
}

impl Log {
    /// Everything below this offset was compacted, as far as is known.
    pub fn cleaned_to(&self) -> Option<i64> {
        Some(self.cleaned_to.load(Ordering::Acquire)).filter(|offset| *offset >= 0)
    }

    /// Why compaction leaves the log alone until the next start, if it does.
    pub fn unfit_reason(&self) -> Option<String> {
        self.unfit.lock().clone()
    }

    /// Lets compaction leave the log alone until the next start.
    pub fn set_unfit(&self, reason: &str) {
        self.unfit.lock().get_or_insert_with(|| reason.to_owned());
    }

    /// What of the log may be compacted. `last_stable` is the partition's last stable offset.
    ///
    /// # Errors
    /// An index or a segment cannot be read.
    pub fn cleanable(
        self: &Arc<Self>,
        now_ms: i64,
        last_stable: i64,
    ) -> Result<Cleanable, crate::ReadError> {
        let config = self.config();
        let segments = self.segments.load_full();
        let first_dirty = self.first_dirty();
        let (closed, active) = match segments.split_last() {
            Some((active, closed)) => (closed, active.base_offset),
            None => (&[][..], 0),
        };
        // What is not durable yet is not: recovery takes a gap there for lost records.
        let last_stable =
            if planted("cleaner-drops-open-transactions") { i64::MAX } else { last_stable };
        let bound = last_stable.min(active).min(self.recovery_point());
        let young = first_young(closed, &config, first_dirty, now_ms)?;
        let bound = young.map_or(bound, |young| bound.min(young));
        // Whole segments only.
        let whole = closed.iter().enumerate().take_while(|(at, _)| {
            let next = segments.get(at + 1).map_or(active, |next| next.base_offset);
            next <= bound
        });
        let count = whole.count();
        let first_uncleanable = segments.get(count).map_or(active, |next| next.base_offset);
        let sizes = |dirty: bool| -> u64 {
            let of = closed[..count].iter().filter(|s| (s.base_offset >= first_dirty) == dirty);
            of.map(|segment| segment.size()).sum()
        };
        Ok(Cleanable {
            log: Arc::clone(self),
            first_dirty,
            first_uncleanable: first_uncleanable.max(first_dirty),
            clean_bytes: sizes(false),
            dirty_bytes: sizes(true),
            overdue_ms: overdue_ms(closed, &config, first_dirty, now_ms)?,
        })
    }

    /// Where cleaning goes on: after what was cleaned, unless that says nothing about this log.
    fn first_dirty(&self) -> i64 {
        let start = self.start_offset();
        let cleaned = self.cleaned_to().unwrap_or(start);
        if cleaned < start || cleaned > self.end_offset() { start } else { cleaned }
    }
}

/// The base offset of the first dirty segment with a record younger than `min.compaction.lag.ms`.
fn first_young(
    closed: &[Arc<Segment>],
    config: &LogConfig,
    first_dirty: i64,
    now_ms: i64,
) -> io::Result<Option<i64>> {
    if config.min_compaction_lag_ms <= 0 {
        return Ok(None);
    }
    let bound = now_ms.saturating_sub(config.min_compaction_lag_ms);
    for segment in dirty(closed, first_dirty) {
        if segment.largest_timestamp()? > bound {
            return Ok(Some(segment.base_offset));
        }
    }
    Ok(None)
}

fn overdue_ms(
    closed: &[Arc<Segment>],
    config: &LogConfig,
    first_dirty: i64,
    now_ms: i64,
) -> Result<i64, crate::ReadError> {
    if config.max_compaction_lag_ms == i64::MAX {
        return Ok(0);
    }
    let mut earliest = i64::MAX;
    for segment in dirty(closed, first_dirty) {
        let first = segment.first_batch_timestamp()?;
        if first > 0 {
            earliest = earliest.min(first);
        }
    }
    let bound = now_ms.saturating_sub(config.max_compaction_lag_ms);
    Ok(bound.saturating_sub(earliest).max(0))
}

/// The closed segments from the one on that holds `first_dirty`.
fn dirty(closed: &[Arc<Segment>], first_dirty: i64) -> &[Arc<Segment>] {
    &closed[Log::segment_index(closed, first_dirty).min(closed.len())..]
}

/// Consecutive segments that become one.
pub(crate) type Group = Vec<Arc<Segment>>;

/// Groups segments so that none becomes larger than its limits, even if nothing can go. Those at
/// and beyond `end` are left as they are; `next` is where the one after the last begins.
pub(crate) fn groups(
    segments: &[Arc<Segment>],
    config: &LogConfig,
    next: i64,
) -> io::Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut bytes, mut offsets, mut times) = (0, 0, 0);
    for (at, segment) in segments.iter().enumerate() {
        let (size, index) = (segment.size(), segment.index_sizes()?);
        let last = segments.get(at + 1).map_or(next, |next| next.base_offset) - 1;
        if let Some(group) = groups.last_mut() {
            let reaches = size == 0 || last - group[0].base_offset <= i64::from(i32::MAX);
            let fits = bytes + size <= config.segment_bytes
                && offsets + index.0 <= config.segment_index_bytes
                && times + index.1 <= config.segment_index_bytes;
            if reaches && fits {
                group.push(Arc::clone(segment));
                (bytes, offsets, times) = (bytes + size, offsets + index.0, times + index.1);
                continue;
            }
        }
        groups.push(vec![Arc::clone(segment)]);
        (bytes, offsets, times) = (size, index.0, index.1);
    }
    Ok(groups)
}
