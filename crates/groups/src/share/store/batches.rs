//! Batches of records over batches: what was said last holds.

use std::collections::BTreeMap;

use super::{Batch, NO_START_OFFSET};

/// The older batches with the newer ones over them, as far as they are not before the start
/// offset; neighbours of which the same is known are one.
pub(super) fn combined(older: &[Batch], newer: &[Batch], start_offset: i64) -> Vec<Batch> {
    let mut by_first: BTreeMap<i64, Batch> = BTreeMap::new();
    for batch in older.iter().chain(newer) {
        if batch.first <= batch.last {
            lay_over(&mut by_first, *batch);
        }
    }
    let mut combined: Vec<Batch> = Vec::with_capacity(by_first.len());
    for mut batch in by_first.into_values() {
        if start_offset != NO_START_OFFSET {
            batch.first = batch.first.max(start_offset);
        }
        if batch.last < batch.first {
            continue;
        }
        match combined.last_mut() {
            Some(before) if before.last + 1 == batch.first && is_same(before, &batch) => {
                before.last = batch.last;
            }
            _ => combined.push(batch),
        }
    }
    combined
}

fn is_same(a: &Batch, b: &Batch) -> bool {
    a.state == b.state && a.deliveries == b.deliveries
}

fn lay_over(by_first: &mut BTreeMap<i64, Batch>, batch: Batch) {
    let before = by_first.range(..batch.first).next_back().map(|(_, b)| *b);
    if let Some(before) = before.filter(|before| before.last >= batch.first) {
        by_first.insert(before.first, Batch { last: batch.first - 1, ..before });
        if before.last > batch.last {
            by_first.insert(batch.last + 1, Batch { first: batch.last + 1, ..before });
        }
    }
    let covered: Vec<i64> = by_first.range(batch.first..=batch.last).map(|(at, _)| *at).collect();
    for at in covered {
        if let Some(old) = by_first.remove(&at).filter(|old| old.last > batch.last) {
            by_first.insert(batch.last + 1, Batch { first: batch.last + 1, ..old });
        }
    }
    by_first.insert(batch.first, batch);
}
