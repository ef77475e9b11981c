//! Time: the wall clock, and tokio's timers for everything that waits.

use std::time::Duration;

use tokio::time::Instant;

/// How long a piece of work lasts on a virtual clock.
pub const VIRTUAL_WORK: Duration = Duration::from_millis(10);

/// The wall clock of a process.
///
/// Waiting is done with `tokio::time`; under a paused runtime both stand still and jump together.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Follows tokio's (possibly paused) clock from a fixed wall-clock origin.
    Virtual {
        origin_ms: i64,
        start: Instant,
    },
}

impl Clock {
    /// The operating system's wall clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A wall clock that shows `origin_ms` (milliseconds since the epoch) now and then follows
    /// tokio's clock.
    pub fn following_runtime(origin_ms: i64) -> Self {
        Self(Source::Virtual { origin_ms, start: Instant::now() })
    }

    /// Milliseconds since the Unix epoch, as in Kafka's timestamps.
    #[expect(clippy::disallowed_methods, reason = "this is the seam to the system clock")]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => {
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, millis)
            }
            Source::Virtual { origin_ms, start } => origin_ms + millis(start.elapsed()),
        }
    }

    /// The monotonic clock that timers use.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// How long a piece of work lasted that began at this time of [`monotonic`](Self::monotonic)
    /// and did not wait. Where the clock is virtual no time passes in the meantime: every piece is
    /// taken to have lasted [`VIRTUAL_WORK`].
    pub fn worked_since(&self, begun: Instant) -> Duration {
        match &self.0 {
            Source::System => begun.elapsed(),
            Source::Virtual { .. } => VIRTUAL_WORK,
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
