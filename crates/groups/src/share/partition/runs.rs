//! Cutting and joining runs.

use std::collections::btree_map::Entry;

use super::{Run, RunState, SharePartition};

impl SharePartition {
    /// Makes a run begin at `offset`, if one goes over it.
    pub(super) fn split(&mut self, offset: i64) {
        let Some((first, run)) = self.runs.range_mut(..offset).next_back() else { return };
        if *first < offset && offset <= run.last {
            let rest = run.clone();
            run.last = offset - 1;
            self.runs.insert(offset, rest);
        }
    }

    /// Does something with each run from `first` to `last`, which end there for it.
    pub(super) fn each_within(
        &mut self,
        first: i64,
        last: i64,
        mut each: impl FnMut(i64, &mut Run),
    ) {
        if first > last {
            return;
        }
        self.split(first);
        self.split(last + 1);
        for (at, run) in self.runs.range_mut(first..=last) {
            each(*at, run);
        }
    }

    /// Joins neighbours from before `first` to after `last` of which the same is known.
    pub(super) fn join(&mut self, first: i64, last: i64) {
        let from = self.runs.range(..first).next_back().map_or(first, |(at, _)| *at);
        let mut at = from;
        while let Some(run) = self.runs.get(&at) {
            let next = run.last + 1;
            if next > last + 1 {
                return;
            }
            let fits = self.runs.get(&next).is_some_and(|after| is_same(run, after));
            if !fits {
                at = next;
                continue;
            }
            let after = self.runs.remove(&next).map_or(next, |after| after.last);
            if let Entry::Occupied(mut run) = self.runs.entry(at) {
                run.get_mut().last = after;
            }
        }
    }
}

/// Once done, it does not matter what records came with.
fn is_same(a: &Run, b: &Run) -> bool {
    let is_done = matches!(a.state, RunState::Done(_));
    a.state == b.state && (is_done || (a.batch == b.batch && a.deliveries == b.deliveries))
}
