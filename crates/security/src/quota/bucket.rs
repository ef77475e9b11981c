//! A token bucket, as Kafka measures changes to the metadata with (KIP-599): bursts are allowed
//! up to what the windows hold, and whoever went below zero waits until it is made up for.

use super::Windows;

/// Tokens that are left.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    tokens: f64,
    /// Of the last refill; none before the first use, when the bucket is full.
    at_ms: Option<i64>,
}

impl Bucket {
    fn refill(&mut self, limit: f64, now_ms: i64, windows: Windows) {
        let burst = limit * f64::from(windows.count) * windows.ms as f64 / 1e3;
        self.tokens = match self.at_ms {
            Some(at_ms) => {
                let added = (now_ms - at_ms).max(0) as f64 / 1e3 * limit;
                (self.tokens + added).min(burst)
            }
            None => burst,
        };
        self.at_ms = Some(now_ms);
    }

    /// Takes tokens out, more than there are if need be.
    pub fn take(&mut self, tokens: f64, limit: f64, now_ms: i64, windows: Windows) {
        self.refill(limit, now_ms, windows);
        self.tokens -= tokens;
    }

    /// How long until the bucket is not below zero, milliseconds; 0 if it is not.
    pub fn throttle_ms(&mut self, limit: f64, now_ms: i64, windows: Windows) -> i64 {
        self.refill(limit, now_ms, windows);
        if self.tokens >= 0.0 { 0 } else { (-self.tokens / limit * 1e3).round() as i64 }
    }

    /// When it was used last.
    pub fn used_at_ms(&self) -> Option<i64> {
        self.at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_made_up_for() {
        let windows = Windows { count: 10, ms: 1000 };
        let mut bucket = Bucket::default();
        bucket.take(20.0, 2.0, 0, windows);
        assert_eq!(bucket.throttle_ms(2.0, 0, windows), 0, "the burst");
        bucket.take(4.0, 2.0, 0, windows);
        assert_eq!(bucket.throttle_ms(2.0, 0, windows), 2000, "four too many");
        assert_eq!(bucket.throttle_ms(2.0, 1500, windows), 500);
        assert_eq!(bucket.throttle_ms(2.0, 2000, windows), 0);
        assert_eq!(bucket.throttle_ms(2.0, 1_000_000, windows), 0, "full again, not fuller");
        bucket.take(21.0, 2.0, 1_000_000, windows);
        assert_eq!(bucket.throttle_ms(2.0, 1_000_000, windows), 500);
    }
}
