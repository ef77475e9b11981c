//! A schedule that does not wait for anybody.
//!
//! What is late stays on the schedule, and latency counts from the scheduled time: a broker that
//! stalls is charged for everything that should have been sent meanwhile.

use std::time::{Duration, Instant};

/// Due times at a fixed rate.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    per_second: f64,
    count: u64,
}

impl Pace {
    /// Starts now; `per_second` is above 0.
    pub(crate) fn new(per_second: f64) -> Self {
        Pace { start: Instant::now(), per_second, count: 0 }
    }

    /// When the next one is due.
    fn due(&mut self) -> Instant {
        let at = self.start + Duration::from_secs_f64(self.count as f64 / self.per_second);
        self.count += 1;
        at
    }

    /// Waits until the next one is due, if that is not yet past, and says when it was due.
    pub(crate) fn wait(&mut self) -> Instant {
        let due = self.due();
        let rest = due.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_do_not_drift() {
        let mut pace = Pace::new(1000.0);
        let start = pace.start;
        let due: Vec<_> = (0..3).map(|_| (pace.due() - start).as_micros()).collect();
        assert_eq!(due, [0, 1000, 2000]);
    }
}
