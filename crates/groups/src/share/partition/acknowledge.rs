//! Records come back from members: acknowledged, released, at the end of a member or of its time.

use klamm_protocol::ErrorCode;

use super::{
    Acknowledgement, Change, End, Hold, Limits, NEVER_MS, Outcome, Refused, Run, RunState,
    SharePartition,
};
use crate::share::store::Batch;

/// What an acknowledgement may say of a record. 3 is that it is rejected.
const GAP: i8 = 0;
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const RENEW: i8 = 4;

impl SharePartition {
    /// Takes acknowledgements of a member, all or none of them; the ranges rise. What was renewed
    /// is held longer at once, the rest is to be written.
    ///
    /// # Errors
    /// The member does not hold a record, or a range is none of those that were acquired.
    pub fn acknowledge(
        &mut self,
        now_ms: i64,
        member: &str,
        acknowledgements: &[Acknowledgement],
        limits: &Limits,
    ) -> Result<Option<Change>, Refused> {
        let mut after = i64::MIN;
        for range in acknowledgements {
            self.check(member, range, limits)?;
            if range.first <= after {
                return Err(refused(
                    "The offset cannot be acknowledged. The offset is not acquired.",
                ));
            }
            after = range.last;
        }
        let id = self.last_change + 1;
        let mut batches = Vec::new();
        let start = self.start;
        for range in acknowledgements.iter().filter(|range| range.last >= start) {
            for (first, last, kind) in pieces(range) {
                let range = (first.max(start), last);
                self.settle_piece(now_ms, range, kind, id, limits, &mut batches);
            }
        }
        if batches.is_empty() {
            return Ok(None);
        }
        self.last_change = id;
        Ok(Some(self.change(id, batches)))
    }

    fn check(&self, member: &str, range: &Acknowledgement, limits: &Limits) -> Result<(), Refused> {
        let invalid = |text| Err(Refused { error: ErrorCode::InvalidRequest, text });
        if range.types.iter().any(|kind| !(GAP..=RENEW).contains(kind)) || range.types.is_empty() {
            return invalid("The acknowledge type is invalid.");
        }
        let length = i64::try_from(range.types.len()).unwrap_or(i64::MAX);
        if range.first > range.last || (length > 1 && length - 1 != range.last - range.first) {
            return invalid("The range of the acknowledgement is invalid.");
        }
        if range.last < self.start {
            return Ok(());
        }
        let first = range.first.max(self.start);
        if self.runs.is_empty() {
            return Err(refused(
                "Batch record not found. The request batch offsets are not found in the cache.",
            ));
        }
        if first >= self.end {
            return invalid(
                "Batch record not found. The first offset in request is past acquired records.",
            );
        }
        if range.last >= self.end {
            return invalid(
                "Batch record not found. The last offset in request is past acquired records.",
            );
        }
        if range.types.contains(&RENEW) && !limits.may_renew {
            return Err(refused("Renewing acquisition locks is not enabled for the group."));
        }
        let from = self.runs.range(..=first).next_back().map_or(first, |(at, _)| *at);
        self.runs.range(from..=range.last).try_for_each(|(_, run)| check_run(member, run))
    }

    fn settle_piece(
        &mut self,
        now_ms: i64,
        (first, last): (i64, i64),
        kind: i8,
        id: u64,
        limits: &Limits,
        batches: &mut Vec<Batch>,
    ) {
        self.each_within(first, last, |at, run| {
            let RunState::Acquired(hold) = &mut run.state else { return };
            let to = match kind {
                ACCEPT => Outcome::Done(End::Acknowledged),
                RELEASE => Outcome::returned(run.deliveries, limits),
                RENEW => {
                    hold.until_ms = now_ms + limits.lock_ms;
                    return;
                }
                // Rejected, or there is no such record.
                _ => Outcome::Done(End::Archived),
            };
            batches.push(batch_of(at, run, to));
            run.settle_to(to, id);
        });
        self.join(first, last);
    }

    /// A member has gone: what it holds is to come back.
    pub fn release(&mut self, member: &str, limits: &Limits) -> Option<Change> {
        let id = self.last_change + 1;
        let mut batches = Vec::new();
        for (at, run) in &mut self.runs {
            if matches!(&run.state, RunState::Acquired(hold) if *hold.member == *member) {
                let to = Outcome::returned(run.deliveries, limits);
                batches.push(batch_of(*at, run, to));
                run.settle_to(to, id);
            }
        }
        if batches.is_empty() {
            return None;
        }
        self.last_change = id;
        Some(self.change(id, batches))
    }

    /// Takes back what is held beyond its time. It is available at once, whatever becomes of the
    /// change.
    pub fn expire(&mut self, now_ms: i64, limits: &Limits) -> Option<Change> {
        let mut batches = Vec::new();
        let mut next_ms = NEVER_MS;
        for (at, run) in &mut self.runs {
            let RunState::Acquired(Hold { until_ms, .. }) = &run.state else { continue };
            if *until_ms > now_ms {
                next_ms = next_ms.min(*until_ms);
                continue;
            }
            let to = Outcome::returned(run.deliveries, limits);
            batches.push(batch_of(*at, run, to));
            run.state = to.state();
        }
        self.next_deadline_ms = next_ms;
        if batches.is_empty() {
            return None;
        }
        let change = self.change(0, batches);
        self.join(self.start, self.end);
        self.advance();
        Some(change)
    }

    /// The store has answered. If it did not take the change, who held the records holds them
    /// again, unless the time is over. Says whether records are available again, or the start
    /// has moved.
    pub fn settle(
        &mut self,
        now_ms: i64,
        change: &Change,
        is_written: bool,
        limits: &Limits,
    ) -> bool {
        let (mut is_freed, start) = (false, self.start);
        for batch in &change.write.batches {
            let first = batch.first.max(self.start);
            let mut deadline_ms = self.next_deadline_ms;
            self.each_within(first, batch.last, |_, run| {
                let RunState::Settling { hold, to, id } = &run.state else { return };
                if *id != change.id {
                    return;
                }
                run.state = if is_written {
                    to.state()
                } else if hold.until_ms <= now_ms {
                    Outcome::returned(run.deliveries, limits).state()
                } else {
                    deadline_ms = deadline_ms.min(hold.until_ms);
                    RunState::Acquired(hold.clone())
                };
                is_freed |= run.state == RunState::Available;
            });
            self.next_deadline_ms = deadline_ms;
            self.join(first, batch.last);
        }
        self.advance();
        is_freed || self.start != start
    }
}

impl Run {
    fn settle_to(&mut self, to: Outcome, id: u64) {
        if let RunState::Acquired(hold) = &self.state {
            self.state = RunState::Settling { hold: hold.clone(), to, id };
        }
    }
}

fn batch_of(first: i64, run: &Run, to: Outcome) -> Batch {
    Batch { first, last: run.last, state: to.number(), deliveries: run.deliveries }
}

fn check_run(member: &str, run: &Run) -> Result<(), Refused> {
    match &run.state {
        RunState::Acquired(Hold { member: holder, .. }) if **holder == *member => Ok(()),
        RunState::Acquired(_) => Err(refused("Member is not the owner of batch record")),
        RunState::Settling { .. } => Err(refused(
            "The record state is invalid. The acknowledgement of delivery could not be completed.",
        )),
        RunState::Available | RunState::Done(_) => Err(refused(
            "The batch cannot be acknowledged. The batch is not in the acquired state.",
        )),
    }
}

fn refused(text: &'static str) -> Refused {
    Refused { error: ErrorCode::InvalidRecordState, text }
}

/// The parts of a range that are acknowledged alike.
fn pieces(range: &Acknowledgement) -> Vec<(i64, i64, i8)> {
    if let [kind] = range.types[..] {
        return vec![(range.first, range.last, kind)];
    }
    let mut pieces: Vec<(i64, i64, i8)> = Vec::new();
    for (offset, kind) in (range.first..=range.last).zip(&range.types) {
        match pieces.last_mut() {
            Some((_, last, before)) if before == kind => *last = offset,
            _ => pieces.push((offset, offset, *kind)),
        }
    }
    pieces
}
