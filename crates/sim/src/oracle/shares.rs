//! Share groups: every record is delivered, to one member at a time, until one has accepted it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Oracle};
use crate::calls::SharedRecord;

pub(super) const ACCEPTED_STAYS: Invariant = Invariant {
    id: "accepted-stays-accepted",
    sentence: "What a member of a share group has accepted or rejected, and was told so, is never \
               delivered again.",
};

pub(super) const ONE_HOLDER: Invariant = Invariant {
    id: "one-holder",
    sentence: "What a member of a share group has acquired goes to nobody else before its time is \
               over, it has given it back, or its connection or the broker has ended.",
};

pub(super) const NONE_LOST: Invariant = Invariant {
    id: "share-none-lost",
    sentence: "Every record whose append was acknowledged is delivered to a share group, unless \
               it had to make room on a full volume, or as many answers were lost as it may be \
               delivered.",
};

/// How often a record is delivered at most, in runs.
pub(crate) const DELIVERIES_MAX: u64 = 10;

/// What is known of the share group.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    produced: BTreeMap<u64, Appended>,
    delivered: BTreeSet<u64>,
    done: BTreeSet<u64>,
    /// Who has a record at a partition's offset, and until when for certain.
    held: BTreeMap<(i32, i64), (String, i64)>,
    /// How often the broker has ended.
    pub(crate) ends: u64,
    /// Fetches whose outcome is not known: each may have delivered any record.
    lost: u64,
}

/// Where a record is, and what was lost before it was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Appended {
    place: (i32, i64),
    lost: u64,
}

impl Shares {
    /// The broker ended.
    pub(super) fn ended(&mut self) {
        self.held.clear();
        self.ends += 1;
    }

    /// Records that must have been delivered and were not, with their places.
    fn undelivered(&self) -> impl Iterator<Item = (u64, (i32, i64))> {
        let produced = self.produced.iter().map(|(value, appended)| (*value, *appended));
        let due = produced.filter(|(_, appended)| self.lost - appended.lost < DELIVERIES_MAX);
        let missing = due.filter(|(value, _)| !self.delivered.contains(value));
        missing.map(|(value, appended)| (value, appended.place))
    }
}

impl Oracle {
    /// Records were appended to a partition, the first at this offset.
    pub(crate) fn shared(&mut self, index: i32, first: i64, values: &[u64]) {
        let lost = self.shares.lost;
        let places = (first..).map(|offset| Appended { place: (index, offset), lost });
        self.shares.produced.extend(values.iter().copied().zip(places));
    }

    /// What a fetch of a member came to is not known.
    pub(crate) fn share_fetch_lost(&mut self) {
        self.shares.lost += 1;
    }

    /// A member was given records, which it has `until_ms` for certain.
    pub(crate) fn acquired(
        &mut self,
        member: &str,
        records: &[SharedRecord],
        (now_ms, until_ms): (i64, i64),
    ) {
        for SharedRecord { index, offset, value } in records {
            self.shares.delivered.insert(*value);
            if self.shares.done.contains(value) {
                self.violate(ACCEPTED_STAYS, format!("{value} at {index}-{offset} to {member}"));
            }
            let hold = (member.to_owned(), until_ms);
            let before = self.shares.held.insert((*index, *offset), hold);
            if let Some((other, _)) =
                before.filter(|(other, until_ms)| other != member && *until_ms > now_ms)
            {
                let text = format!("{value} at {index}-{offset} to {member}, of {other}");
                self.violate(ONE_HOLDER, text);
            }
        }
    }

    /// A member is about to say what it did with a record: from here on others may get it.
    pub(crate) fn gives_back(&mut self, record: &SharedRecord) {
        self.shares.held.remove(&(record.index, record.offset));
    }

    /// A member is about to lose its connection or to end its session.
    pub(crate) fn lets_go(&mut self, member: &str) {
        self.shares.held.retain(|_, (holder, _)| holder != member);
    }

    /// A member was told that a record which it accepted or rejected is done.
    pub(crate) fn share_done(&mut self, value: u64) {
        self.shares.done.insert(value);
    }

    /// Nothing more came although everything was asked for. By partition where the logs begin, as
    /// far as they may begin elsewhere than at 0.
    pub(crate) fn share_drained(&mut self, starts: &BTreeMap<i32, i64>) {
        let is_there = |(index, offset): (i32, i64)| offset >= starts.get(&index).map_or(0, |s| *s);
        let lost = self.shares.undelivered().find(|(_, place)| is_there(*place));
        if let Some((value, (index, offset))) = lost {
            self.violate(NONE_LOST, format!("{value} at {index}-{offset}"));
        }
    }
}
