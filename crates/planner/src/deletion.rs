//! Which segments go when a log directory is too full.
//!
//! Invariants:
//! - Of each log only the first closed segments go, in order; never one that is younger than the
//!   policy allows, nor so many that less than the least size is left.
//! - Logs that are exempt are not looked at.

use crate::{Need, Policy};

/// A closed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentView {
    /// Offset of the first record after it.
    pub next_offset: i64,
    /// Bytes.
    pub bytes: u64,
    /// Its largest timestamp, milliseconds since the epoch.
    pub newest_ms: i64,
}

/// A log of the directory whose data may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView<N> {
    /// Topic and partition.
    pub name: N,
    /// All of it, bytes.
    pub bytes: u64,
    /// Its closed segments, the first ones first.
    pub closed: Vec<SegmentView>,
}

/// Part of a log that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion<N> {
    /// Topic and partition.
    pub name: N,
    /// Everything before this offset.
    pub before: i64,
    /// How many segments that are.
    pub segments: usize,
    /// And how many bytes.
    pub bytes: u64,
}

/// How many of a log's first segments may go.
fn allowed<N>(log: &LogView<N>, policy: &Policy, now_ms: i64) -> usize {
    let mut left = log.bytes;
    let may_go = |segment: &&SegmentView| {
        left = left.saturating_sub(segment.bytes);
        left >= policy.min_bytes && now_ms.saturating_sub(segment.newest_ms) >= policy.min_age_ms
    };
    log.closed.iter().take_while(may_go).count()
}

/// Chooses what goes: at least as much as is needed, if the floors let so much go, and not more
/// than that and one segment, in proportional deletion one segment of each log.
///
/// Cost: the closed segments of all logs, sorted by age.
pub fn choose<N: Clone>(
    logs: &[LogView<N>],
    need: Need,
    policy: &Policy,
    now_ms: i64,
) -> Vec<Deletion<N>> {
    let allowed: Vec<usize> = logs.iter().map(|log| allowed(log, policy, now_ms)).collect();
    let total: u64 = logs.iter().map(|log| log.bytes).sum();
    let counts = match need {
        Need::OldestShare(percent) => {
            let bytes = u128::from(total) * u128::from(percent) / 100;
            oldest(logs, &allowed, u64::try_from(bytes).unwrap_or(u64::MAX).max(1))
        }
        Need::Oldest(bytes) => oldest(logs, &allowed, bytes),
        Need::Proportional(bytes) => proportional(logs, &allowed, bytes, total),
    };
    let deletions = logs.iter().zip(counts).filter_map(|(log, count)| {
        let gone = &log.closed[..count];
        Some(Deletion {
            name: log.name.clone(),
            before: gone.last()?.next_offset,
            segments: count,
            bytes: gone.iter().map(|segment| segment.bytes).sum(),
        })
    });
    deletions.collect()
}

/// The oldest segments of all logs, until so many bytes are reached.
fn oldest<N>(logs: &[LogView<N>], allowed: &[usize], bytes: u64) -> Vec<usize> {
    let mut counts = vec![0; logs.len()];
    let mut all = Vec::new();
    for (at, log) in logs.iter().enumerate() {
        // A log goes from its front, whatever times its producers gave.
        let mut newest_ms = i64::MIN;
        for (place, segment) in log.closed[..allowed[at]].iter().enumerate() {
            newest_ms = newest_ms.max(segment.newest_ms);
            all.push((newest_ms, place, at, segment.bytes));
        }
    }
    all.sort_unstable();
    let mut freed = 0_u64;
    for (_, _, at, size) in all {
        if freed >= bytes {
            break;
        }
        counts[at] += 1;
        freed += size;
    }
    counts
}

/// From each log its part, to the nearest segment; what one loses too little or too much the next
/// makes up for.
fn proportional<N>(logs: &[LogView<N>], allowed: &[usize], bytes: u64, total: u64) -> Vec<usize> {
    let mut counts = vec![0; logs.len()];
    let mut order: Vec<usize> = (0..logs.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(logs[*at].bytes));
    let mut carried = 0_i128;
    for at in &order {
        let part = u128::from(bytes) * u128::from(logs[*at].bytes) / u128::from(total.max(1));
        let mut part = i128::try_from(part).unwrap_or(i128::MAX) + carried;
        for segment in &logs[*at].closed[..allowed[*at]] {
            if part < i128::from(segment.bytes.div_ceil(2)) {
                break;
            }
            part -= i128::from(segment.bytes);
            counts[*at] += 1;
        }
        carried = part;
    }
    if counts.iter().all(|count| *count == 0)
        && let Some(at) = order.into_iter().find(|at| allowed[*at] > 0)
    {
        // Less is too much than the smallest segment: it has to go all the same.
        counts[at] = 1;
    }
    counts
}
