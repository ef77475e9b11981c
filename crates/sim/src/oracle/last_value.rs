//! What compaction must keep.
//!
//! One client keeps values of keys in a topic whose appends are all synced: what was acknowledged,
//! or once seen, no fault can take. Every record has a number of its own.

use std::collections::BTreeMap;

use super::{Invariant, Oracle};

pub(super) const LAST_VALUE_SURVIVES: Invariant = Invariant {
    id: "last-value-survives",
    sentence: "The last value of every key in a compacted topic is there, at its offset.",
};

pub(super) const NO_EARLIER_VALUE: Invariant = Invariant {
    id: "no-earlier-value",
    sentence: "Who reads a compacted topic sees no earlier value of a key as its last one.",
};

pub(super) const TOMBSTONES_STAY: Invariant = Invariant {
    id: "tombstones-stay",
    sentence: "A tombstone stays for delete.retention.ms at least.",
};

/// A record that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) key: u64,
    pub(crate) is_tombstone: bool,
    /// When it was sent, milliseconds since the epoch.
    pub(crate) sent_ms: i64,
}

/// What is known of the compacted topic.
#[derive(Debug, Default)]
pub(crate) struct KeptModel {
    pub(crate) delete_retention_ms: i64,
    sent: BTreeMap<u64, Kept>,
    /// Which record is at an offset, as far as that was acknowledged or seen.
    known: BTreeMap<i64, u64>,
}

/// One reading of the whole topic.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) began_ms: i64,
    pub(crate) ended_ms: i64,
    /// The offset after the last that was known when it began.
    pub(crate) known_to: i64,
    /// Numbers of records by offset, with what they say of themselves.
    pub(crate) found: BTreeMap<i64, (u64, u64, bool)>,
}

impl KeptModel {
    /// Whether a tombstone that was not acknowledged may have deleted what is at an offset, long
    /// enough ago that it is gone as well.
    fn may_be_deleted(&self, key: u64, offset: i64, now_ms: i64) -> bool {
        let last = self.known.get(&offset);
        let later = self.sent.iter().filter(|(number, _)| last.is_none_or(|last| *number > last));
        let mut tombstones = later.filter(|(_, kept)| kept.key == key && kept.is_tombstone);
        tombstones.any(|(number, kept)| {
            now_ms - kept.sent_ms >= self.delete_retention_ms
                && !self.known.values().any(|known| known == number)
        })
    }
}

impl Oracle {
    /// A record is about to be sent.
    pub(crate) fn keeping(&mut self, number: u64, kept: Kept) {
        self.kept.sent.insert(number, kept);
    }

    /// Records were acknowledged, from this offset on.
    pub(crate) fn is_kept(&mut self, base: i64, numbers: &[u64]) {
        for (offset, number) in (base..).zip(numbers) {
            self.kept.known.insert(offset, *number);
        }
    }

    /// The offset after the last record that is known.
    pub(crate) fn kept_to(&self) -> i64 {
        self.kept.known.keys().next_back().map_or(0, |offset| offset + 1)
    }

    /// What was read cannot be understood.
    pub(crate) fn kept_garbage(&mut self, text: &str) {
        self.violate(LAST_VALUE_SURVIVES, text.to_owned());
    }

    /// The compacted topic was read from its start to its end.
    pub(crate) fn read_kept(&mut self, reading: &Reading) {
        for (offset, (number, key, is_tombstone)) in &reading.found {
            let sent = self.kept.sent.get(number);
            let is_right = sent.is_some_and(|s| (s.key, s.is_tombstone) == (*key, *is_tombstone));
            let before = *self.kept.known.entry(*offset).or_insert(*number);
            if !is_right || before != *number {
                let text =
                    format!("offset {offset}: {number}, key {key}; it is {sent:?}, {before}");
                self.violate(LAST_VALUE_SURVIVES, text);
            }
        }
        let mut last: BTreeMap<u64, (i64, Kept)> = BTreeMap::new();
        for (offset, number) in self.kept.known.range(..reading.known_to) {
            if let Some(kept) = self.kept.sent.get(number) {
                last.insert(kept.key, (*offset, *kept));
            }
        }
        for (key, (offset, kept)) in last {
            self.check_last(reading, key, offset, kept);
        }
    }

    fn check_last(&mut self, reading: &Reading, key: u64, offset: i64, kept: Kept) {
        let shown = reading.found.iter().rev().find(|(_, (_, found, _))| *found == key);
        let shown = shown.map(|(shown, _)| *shown);
        if shown.is_some_and(|shown| shown >= offset) {
            return;
        }
        let text = format!("key {key} has {kept:?} at {offset}, shown is {shown:?}");
        if !kept.is_tombstone {
            // One that nobody heard of or saw may have come and gone.
            if shown.is_some() || !self.kept.may_be_deleted(key, offset, reading.ended_ms) {
                self.violate(LAST_VALUE_SURVIVES, text);
            }
            return;
        }
        let retention = self.kept.delete_retention_ms;
        if reading.ended_ms - kept.sent_ms < retention {
            self.violate(TOMBSTONES_STAY, text);
        } else if shown.is_some() && reading.ended_ms - reading.began_ms < retention {
            self.violate(NO_EARLIER_VALUE, text);
        }
    }
}
