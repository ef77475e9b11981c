//! How long things take: counts by powers of two.

use std::sync::atomic::{AtomicU64, Ordering};

/// Number of bounded buckets: the first ends at 64 µs, each other at twice the one before, the last
/// at 33.6 s. One more has what is longer.
pub const BOUNDS: usize = 20;

/// The first bound is 2^6 µs.
const FIRST_BITS: u32 = 6;

/// A histogram of durations. An observation is two atomic additions.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Adds a duration in microseconds.
    #[inline]
    pub fn observe(&self, micros: u64) {
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds what was observed until now to a snapshot.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        for (sum, bucket) in snapshot.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        snapshot.sum_micros += self.sum_micros.load(Ordering::Relaxed);
    }
}

/// The bucket of a duration: bounds belong to the bucket they end.
#[inline]
fn bucket(micros: u64) -> usize {
    let bits = u64::BITS - micros.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST_BITS) as usize).min(BOUNDS)
}

/// The bound of a bucket, seconds.
#[must_use]
pub fn bound_seconds(bucket: usize) -> f64 {
    (1_u64 << (FIRST_BITS as usize + bucket.min(BOUNDS))) as f64 / 1e6
}

/// What histograms have at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Observations by bucket, not cumulated.
    pub buckets: [u64; BOUNDS + 1],
    /// The sum of all observations, microseconds.
    pub sum_micros: u64,
}

impl Snapshot {
    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Brings the number of observations to `count` with durations of nothing, which nobody took
    /// the trouble to observe.
    pub fn fill_with_zeros(&mut self, count: u64) {
        self.buckets[0] += count.saturating_sub(self.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(micros: u64, expected: usize) {
        assert_eq!(bucket(micros), expected, "{micros} µs");
        let seconds = micros as f64 / 1e6;
        assert!(expected == BOUNDS || seconds <= bound_seconds(expected), "{micros} µs");
        assert!(expected == 0 || seconds > bound_seconds(expected - 1), "{micros} µs");
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_it_ends() {
        check(0, 0);
        check(64, 0);
        check(65, 1);
        check(128, 1);
        check(129, 2);
        check(1000, 4);
        check(33_554_432, 19);
        check(33_554_433, 20);
        check(u64::MAX, 20);
    }

    #[test]
    fn snapshots_add_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.observe(10);
        one.observe(200);
        other.observe(100_000_000);
        let mut snapshot = Snapshot::default();
        one.add_to(&mut snapshot);
        other.add_to(&mut snapshot);
        assert_eq!((snapshot.count(), snapshot.sum_micros), (3, 100_000_210));
        snapshot.fill_with_zeros(5);
        assert_eq!((snapshot.count(), snapshot.buckets[0]), (5, 3));
        snapshot.fill_with_zeros(2);
        assert_eq!(snapshot.count(), 5);
    }
}
