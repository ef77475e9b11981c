//! A member acquires records: those that came back first, then new ones.

use super::{Acquired, Ask, End, Hold, Limits, Run, RunState, SharePartition, Span};
use crate::name::Name;

/// What a fetch gets, in the making.
struct Taking<'a> {
    member: &'a Name,
    until_ms: i64,
    ask: &'a Ask,
    /// Records that may still be acquired.
    room: i64,
    acquired: Vec<Acquired>,
    /// What each of those was acquired with at first.
    batches: Vec<i64>,
}

impl SharePartition {
    /// Gives records of these batches to a member. `spans` are the whole batches that were read
    /// from `ask.offset` on, in order.
    pub fn acquire(
        &mut self,
        now_ms: i64,
        member: &str,
        ask: &Ask,
        spans: &[Span],
        limits: &Limits,
    ) -> Vec<Acquired> {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Vec::new() };
        if last.last < self.start {
            return Vec::new();
        }
        let mut upto = last.last;
        let mut room = ask.records_max.min(limits.locks_max - (self.end - self.start));
        if room <= 0 {
            // No new ones; those between may be delivered again.
            room = ask.records_max.min(self.end - ask.offset);
            upto = upto.min(self.end - 1);
        }
        if room <= 0 {
            return Vec::new();
        }
        // Compaction has left nothing before the first batch.
        self.archive_available(ask.offset, first.first - 1);
        if self.runs.is_empty() && self.end < first.first {
            (self.start, self.end) = (first.first, first.first);
        }
        for span in spans.iter().filter(|span| span.is_aborted) {
            self.archive_available(span.first, span.last.min(self.end - 1));
        }
        let member = Name::from(member);
        let until_ms = now_ms + limits.lock_ms;
        let (acquired, batches) = (Vec::new(), Vec::new());
        let mut taking = Taking { member: &member, until_ms, ask, room, acquired, batches };
        if self.take_again(&mut taking, first.first, upto, limits) {
            self.take_new(&mut taking, spans, upto);
        }
        if !taking.acquired.is_empty() {
            self.next_deadline_ms = self.next_deadline_ms.min(until_ms);
        }
        let acquired = taking.acquired;
        self.join(self.start, self.end);
        self.advance();
        acquired
    }

    fn archive_available(&mut self, first: i64, last: i64) {
        self.each_within(first, last, |_, run| {
            if run.state == RunState::Available {
                run.state = RunState::Done(End::Archived);
            }
        });
    }

    /// Takes what is available from `first` to `last`. Says whether new records may be added.
    fn take_again(
        &mut self,
        taking: &mut Taking<'_>,
        first: i64,
        last: i64,
        limits: &Limits,
    ) -> bool {
        if last < first {
            return taking.room > 0;
        }
        self.split(first);
        self.split(last + 1);
        let is_available = |(_, run): &(&i64, &Run)| run.state == RunState::Available;
        let within = self.runs.range(first..=last).filter(is_available);
        let found: Vec<(i64, i64, i16)> =
            within.map(|(at, run)| (*at, run.last, run.deliveries)).collect();
        for (at, end, deliveries) in found {
            if taking.room <= 0 {
                return false;
            }
            let whole = end - at + 1;
            let careful = careful_count(whole, deliveries, limits.deliveries_max);
            if careful.is_some() && !taking.acquired.is_empty() {
                return false;
            }
            let mut count = careful.unwrap_or(whole);
            if taking.ask.is_exact {
                count = count.min(taking.room);
            }
            self.take(taking, at, at + count - 1);
            if careful.is_some() {
                return false;
            }
        }
        taking.room > 0
    }

    fn take(&mut self, taking: &mut Taking<'_>, first: i64, last: i64) {
        let hold = Hold { member: taking.member.clone(), until_ms: taking.until_ms };
        let mut taken = Vec::new();
        self.each_within(first, last, |at, run| {
            run.state = RunState::Acquired(hold.clone());
            run.deliveries = run.deliveries.saturating_add(1);
            taken.push((
                Acquired { first: at, last: run.last, deliveries: run.deliveries },
                run.batch,
            ));
        });
        for (acquired, batch) in taken {
            taking.add(acquired, batch);
        }
    }

    /// Takes what was never delivered, in whole batches unless the number of records is exact.
    fn take_new(&mut self, taking: &mut Taking<'_>, spans: &[Span], upto: i64) {
        let last = self.last_new(taking, spans, upto);
        let mut begun: Option<i64> = None;
        let from = self.end;
        for span in spans.iter().filter(|span| span.last >= from) {
            if self.end > last {
                break;
            }
            let (next, span_last) = (span.first.max(self.end), span.last.min(last));
            let is_full = begun.is_some_and(|begun| next - begun >= taking.ask.batch_size);
            if begun.is_some() && (span.is_aborted || (is_full && !taking.ask.is_exact)) {
                self.take_piece(taking, &mut begun, next - 1);
                self.end = next;
            }
            if span.is_aborted {
                // From the end on, so that nothing stays uncovered.
                let archived = RunState::Done(End::Archived);
                let run = Run { last: span_last, batch: self.end, deliveries: 0, state: archived };
                self.runs.insert(self.end, run);
                self.end = span_last + 1;
            } else {
                begun.get_or_insert(self.end);
                self.end = span_last + 1;
            }
        }
        let end = self.end - 1;
        self.take_piece(taking, &mut begun, end);
    }

    /// The last new offset to take.
    fn last_new(&self, taking: &Taking<'_>, spans: &[Span], upto: i64) -> i64 {
        let last = self.end + taking.room - 1;
        if upto <= last {
            return upto;
        }
        if taking.ask.is_exact {
            return last;
        }
        let whole = spans.iter().find(|span| last <= span.last).map_or(upto, |span| span.last);
        whole.min(upto)
    }

    /// Makes one run of the new offsets up to `last`.
    fn take_piece(&mut self, taking: &mut Taking<'_>, begun: &mut Option<i64>, last: i64) {
        let Some(first) = begun.take() else { return };
        let hold = Hold { member: taking.member.clone(), until_ms: taking.until_ms };
        let state = RunState::Acquired(hold);
        self.runs.insert(first, Run { last, batch: first, deliveries: 1, state });
        self.end = self.end.max(last + 1);
        taking.add(Acquired { first, last, deliveries: 1 }, first);
    }
}

impl Taking<'_> {
    fn add(&mut self, acquired: Acquired, batch: i64) {
        self.room -= acquired.last - acquired.first + 1;
        if let (Some(before), Some(before_batch)) = (self.acquired.last_mut(), self.batches.last())
            && before.last + 1 == acquired.first
            && before.deliveries == acquired.deliveries
            && *before_batch == batch
        {
            before.last = acquired.last;
            return;
        }
        self.acquired.push(acquired);
        self.batches.push(batch);
    }
}

/// How many of so many records are delivered at once that came back often already, so that one
/// that no member survives is found: ever fewer, and the last time each alone. None means all.
fn careful_count(count: i64, deliveries: i16, deliveries_max: i16) -> Option<i64> {
    let from = ((deliveries_max + 1) / 2).max(2);
    if deliveries < from {
        return None;
    }
    if deliveries_max > 2 && deliveries == deliveries_max - 1 {
        return Some(1);
    }
    let shift = u32::from((deliveries - from + 1).unsigned_abs()).min(62);
    Some((count >> shift).max(1))
}
