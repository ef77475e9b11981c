//! One of something per thread, so that threads do not fight for cache lines.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The most shards, however many cores there are.
const SHARDS_MAX: usize = 16;

/// Gives each thread a number when it first asks.
static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Several of the same, of which each thread uses one. Threads beyond the number of shards share.
#[derive(Debug)]
pub struct Sharded<T> {
    /// A power of two of them.
    shards: Box<[Padded<T>]>,
}

/// Alone in its cache lines (pairs of them are fetched together).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Sharded<T> {
    /// For so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let shards = threads.clamp(1, SHARDS_MAX).next_power_of_two();
        Self { shards: (0..shards).map(|_| Padded::default()).collect() }
    }
}

impl<T> Sharded<T> {
    /// The one of this thread.
    #[inline]
    pub fn mine(&self) -> &T {
        let at = THREAD.with(|thread| match thread.get() {
            usize::MAX => {
                let number = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
                thread.set(number);
                number
            }
            number => number,
        });
        &self.shards[at & (self.shards.len() - 1)].0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().map(|shard| &shard.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counter;

    #[test]
    fn nothing_is_lost_between_threads() {
        let counters = Sharded::<Counter>::new(3);
        assert_eq!(counters.shards.len(), 4);
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| (0..1000).for_each(|_| counters.mine().one()));
            }
        });
        assert_eq!(counters.iter().map(Counter::get).sum::<u64>(), 10_000);
    }
}
