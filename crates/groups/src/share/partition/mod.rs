//! Who has which records of a partition: the share partition of KIP-932.
//!
//! A record is *available*, *acquired* by a member until a deadline, or *done* (acknowledged, or
//! archived because it was rejected or delivered too often). Records of which the same is known
//! are one run, so that memory goes with the number of acknowledgements in between, not of records.
//!
//! *Invariants*
//! - Runs cover exactly the offsets from the start offset up to the end, without overlap. Before
//!   the start everything is done; from the end on nothing has been delivered.
//! - The first run is not done: the start offset has moved over it.
//! - A record has at most one holder, and its delivery count rises each time it gets one.
//! - What a member is told of its acknowledgement is in the store before; until the store has
//!   answered nobody else can get the record.
//! - A record that was delivered as often as the limit allows is not available again.
//! - No run ends within a batch of the log unless records were asked for or acknowledged one by one.
//!
//! Time, limits and settings are arguments. Cost of an acquisition: the runs that it looks at.

mod acknowledge;
mod acquire;
mod load;
mod runs;

use std::collections::BTreeMap;

use klamm_protocol::ErrorCode;

use super::store;
use crate::name::Name;

/// Settings of the group, or else of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `share.delivery.count.limit`.
    pub deliveries_max: i16,
    /// `share.record.lock.duration.ms`.
    pub lock_ms: i64,
    /// `share.partition.max.record.locks`.
    pub locks_max: i64,
    /// `share.renew.acknowledge.enable`.
    pub may_renew: bool,
}

/// A batch of the log that was read for a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first offset.
    pub first: i64,
    /// Its last offset.
    pub last: i64,
    /// Whether it is part of an aborted transaction, and so not for this group.
    pub is_aborted: bool,
}

/// How much a member asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Records.
    pub records_max: i64,
    /// Records that one acquired range aims at.
    pub batch_size: i64,
    /// Whether `records_max` is exact (`share.acquire.mode=record_limit`), or else batches are
    /// given whole.
    pub is_exact: bool,
    /// Where the fetch began to read.
    pub offset: i64,
}

/// A range that a member has acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acquired {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// How often they were delivered, with this time.
    pub deliveries: i16,
}

/// What a member says of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// One for all, or one for each offset: 0 there is no such record, 1 accept, 2 release,
    /// 3 reject, 4 renew (KIP-1222).
    pub types: Vec<i8>,
}

/// A change that is to be written to the store, and then reported with
/// [`SharePartition::settle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    id: u64,
    /// What to write.
    pub write: store::Write,
}

/// Why an acknowledgement is not taken. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// INVALID_RECORD_STATE or INVALID_REQUEST.
    pub error: ErrorCode,
    /// Kafka's text.
    pub text: &'static str,
}

/// How a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Acknowledged,
    Archived,
}

/// What an acknowledgement leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Available,
    Done(End),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hold {
    member: Name,
    until_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum RunState {
    Available,
    Acquired(Hold),
    /// On its way to the store with the change of this id.
    Settling {
        hold: Hold,
        to: Outcome,
        id: u64,
    },
    Done(End),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    last: i64,
    /// The first offset of what was acquired together at first: runs of several are not joined.
    batch: i64,
    deliveries: i16,
    state: RunState,
}

/// The records of one partition for one group.
#[derive(Debug)]
pub struct SharePartition {
    start: i64,
    /// After the last offset that was ever delivered.
    end: i64,
    /// By first offset.
    runs: BTreeMap<i64, Run>,
    state_epoch: i32,
    leader_epoch: i32,
    last_change: u64,
    /// No hold ends before this time, milliseconds since 1970.
    next_deadline_ms: i64,
}

/// No hold ends.
pub const NEVER_MS: i64 = i64::MAX;

impl SharePartition {
    /// Before this offset everything is done.
    pub fn start_offset(&self) -> i64 {
        self.start
    }

    /// From this offset on nothing was ever delivered.
    pub fn end_offset(&self) -> i64 {
        self.end
    }

    /// Where to read next: at the first available record.
    pub fn next_fetch_offset(&self) -> i64 {
        let mut available = self.runs.iter().filter(|(_, run)| run.state == RunState::Available);
        available.next().map_or(self.end, |(first, _)| *first)
    }

    /// Whether a fetch at [`next_fetch_offset`](Self::next_fetch_offset) may get something: there
    /// are records to deliver again, or fewer in flight than the limit allows.
    pub fn may_acquire(&self, limits: &Limits) -> bool {
        self.next_fetch_offset() < self.end || self.end - self.start < limits.locks_max
    }

    /// When [`expire`](Self::expire) is due at the earliest, or [`NEVER_MS`].
    pub fn next_deadline_ms(&self) -> i64 {
        self.next_deadline_ms
    }

    /// The log begins at this offset by now: what was before is done. Says whether that is new.
    pub fn log_started(&mut self, offset: i64) -> bool {
        if offset <= self.start {
            return false;
        }
        self.split(offset);
        self.runs = self.runs.split_off(&offset);
        self.start = offset;
        self.end = self.end.max(offset);
        self.advance();
        true
    }

    /// Moves the start over what is done.
    fn advance(&mut self) {
        while let Some(first) = self.runs.first_entry() {
            if !matches!(first.get().state, RunState::Done(_)) {
                self.start = *first.key();
                return;
            }
            first.remove();
        }
        self.start = self.end;
    }

    /// Records from the start on that are done, or will be once the store has answered.
    fn complete_count(&self) -> i32 {
        let is_complete = |run: &Run| {
            matches!(run.state, RunState::Done(_) | RunState::Settling { to: Outcome::Done(_), .. })
        };
        let complete = self.runs.iter().filter(|(_, run)| is_complete(run));
        let count: i64 = complete.map(|(first, run)| run.last - first + 1).sum();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    fn change(&self, id: u64, batches: Vec<store::Batch>) -> Change {
        let write = store::Write {
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start,
            complete_count: self.complete_count(),
            batches,
        };
        Change { id, write }
    }
}

impl Outcome {
    /// What a record comes to that its holder does not want, or did not acknowledge in time.
    fn returned(deliveries: i16, limits: &Limits) -> Self {
        if deliveries >= limits.deliveries_max {
            Self::Done(End::Archived)
        } else {
            Self::Available
        }
    }

    fn state(self) -> RunState {
        match self {
            Self::Available => RunState::Available,
            Self::Done(end) => RunState::Done(end),
        }
    }

    /// Kafka's number.
    fn number(self) -> i8 {
        match self {
            Self::Available => load::AVAILABLE,
            Self::Done(End::Acknowledged) => load::ACKNOWLEDGED,
            Self::Done(End::Archived) => load::ARCHIVED,
        }
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
