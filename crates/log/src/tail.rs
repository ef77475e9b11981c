//! The end of a log, as readers see it: one short lock gives a consistent view of end offset, size
//! and the last batches, so that a read at the tail needs no index and no disk.

use std::collections::VecDeque;

use crate::scan::Facts;

/// How many of the last batches are remembered.
const RECENT_MAX: usize = 64;

/// A batch at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recent {
    pub(crate) segment: i64,
    pub(crate) position: u64,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) size: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) end_offset: i64,
    /// Base offset of the segment being written.
    pub(crate) segment: i64,
    /// Its size, bytes.
    pub(crate) size: u64,
    recent: VecDeque<Recent>,
}

impl Tail {
    pub(crate) fn new(end_offset: i64, segment: i64, size: u64) -> Self {
        Self { end_offset, segment, size, recent: VecDeque::new() }
    }

    /// Notes a batch written at the end.
    pub(crate) fn push(&mut self, position: u64, facts: &Facts) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent {
            segment: self.segment,
            position,
            base_offset: facts.base_offset,
            last_offset: facts.last_offset,
            size: facts.size,
        });
        self.end_offset = facts.last_offset + 1;
        self.size = position + facts.size;
    }

    pub(crate) fn roll(&mut self, segment: i64) {
        self.segment = segment;
        self.size = 0;
    }

    /// The recent batch that holds `offset`.
    pub(crate) fn batch_of(&self, offset: i64) -> Option<Recent> {
        let first = self.recent.front()?;
        if offset < first.base_offset {
            return None;
        }
        let at = self.recent.partition_point(|batch| batch.last_offset < offset);
        self.recent.get(at).copied()
    }
}
