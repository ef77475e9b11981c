//! A rate over the last few windows of time, as Kafka's `Rate` over a `SampledStat` has it.

use std::collections::VecDeque;

/// `quota.window.num` and `quota.window.size.seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How many windows are looked back over; at least 1.
    pub count: u32,
    /// How long one of them is, milliseconds; at least 1.
    pub ms: i64,
}

impl Windows {
    fn span_ms(self) -> i64 {
        i64::from(self.count).saturating_mul(self.ms)
    }

    /// Seconds of all windows but the one that has just begun: so long a burst at the quota's
    /// rate may be held back for.
    pub fn burst_seconds(self) -> f64 {
        f64::from(self.count.saturating_sub(1).max(1)) * self.ms as f64 / 1e3
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    start_ms: i64,
    last_ms: i64,
    sum: f64,
}

/// What was used in each of the last windows. A window begins with the first use in it.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    samples: VecDeque<Sample>,
}

impl Rate {
    /// Notes a use; a negative one takes back what was noted.
    pub fn record(&mut self, value: f64, now_ms: i64, windows: Windows) {
        self.forget(now_ms, windows);
        match self.samples.back_mut() {
            Some(sample) if now_ms - sample.start_ms < windows.ms => {
                sample.sum += value;
                sample.last_ms = now_ms;
            }
            _ => self.samples.push_back(Sample { start_ms: now_ms, last_ms: now_ms, sum: value }),
        }
    }

    /// Uses per second, and the milliseconds that this looks back over: at least all windows but
    /// one, so that a first use does not look like a high rate.
    fn measure(&mut self, now_ms: i64, windows: Windows) -> (f64, f64) {
        self.forget(now_ms, windows);
        let oldest = self.samples.front().map_or(now_ms, |sample| sample.start_ms);
        let elapsed = (now_ms - oldest).max(0);
        let missing = i64::from(windows.count) - 1 - elapsed / windows.ms;
        let span = (elapsed + missing.max(0) * windows.ms).max(1) as f64;
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        (sum * 1e3 / span, span)
    }

    /// How long whoever uses this must be held back, milliseconds, so that it comes down to
    /// `limit` per second; 0 if it is not above.
    pub fn throttle_ms(&mut self, limit: f64, now_ms: i64, windows: Windows) -> i64 {
        let (rate, span) = self.measure(now_ms, windows);
        if rate <= limit { 0 } else { ((rate - limit) / limit * span).round() as i64 }
    }

    /// Whether nothing was used within the windows.
    pub fn is_idle(&self, now_ms: i64, windows: Windows) -> bool {
        self.samples.back().is_none_or(|sample| now_ms - sample.last_ms >= windows.span_ms())
    }

    fn forget(&mut self, now_ms: i64, windows: Windows) {
        while let Some(sample) = self.samples.front()
            && now_ms - sample.last_ms >= windows.span_ms()
        {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { count: 11, ms: 1000 };

    /// `TIME:VALUE` uses, then what is said at a time with a limit.
    fn check(uses: &str, now_ms: i64, limit: f64, throttle_ms: i64) {
        let mut rate = Rate::default();
        for one in uses.split_whitespace() {
            let (time, value) = one.split_once(':').expect("time:value");
            rate.record(value.parse().unwrap(), time.parse().unwrap(), WINDOWS);
        }
        assert_eq!(rate.throttle_ms(limit, now_ms, WINDOWS), throttle_ms, "{uses} at {now_ms}");
    }

    #[test]
    fn uses_above_the_limit_are_held_back() {
        check("", 0, 10.0, 0);
        // 100 in the first moment count as if they came in ten seconds.
        check("0:100", 0, 10.0, 0);
        check("0:110", 0, 10.0, 1000);
        check("0:200", 0, 10.0, 10_000);
        check("0:100 500:100", 500, 10.0, 9500);
        check("0:200", 10_999, 10.0, 9001);
        check("0:200", 11_000, 10.0, 0);
        check("0:200 0:-200", 0, 10.0, 0);
    }

    #[test]
    fn what_is_idle_is_known() {
        let mut rate = Rate::default();
        assert!(rate.is_idle(0, WINDOWS));
        rate.record(1.0, 0, WINDOWS);
        assert!(!rate.is_idle(10_999, WINDOWS));
        assert!(rate.is_idle(11_000, WINDOWS));
    }

    #[test]
    fn samples_are_bounded() {
        let mut rate = Rate::default();
        for ms in 0..100_000 {
            rate.record(1.0, ms, WINDOWS);
        }
        assert!(rate.samples.len() <= 12, "{}", rate.samples.len());
    }
}
