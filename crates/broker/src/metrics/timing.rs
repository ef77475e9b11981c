//! When a request passed from one stage to the next.

use klamm_protocol::ApiKey;
use tokio::time::{Duration, Instant};

/// The way of one request so far. Reading the clock is what it costs, so requests that are handled
/// one after the other share the time between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Its row in the table of APIs; none if it is not served.
    pub(crate) row: Option<usize>,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: u64,
    /// How long its connection is not read afterwards.
    pub(crate) throttle_ms: u64,
    /// When it was last read from its connection.
    came: Instant,
    begun: Instant,
    handled: Instant,
    ready: Instant,
}

impl Timing {
    /// Of a request that came at one time and is begun at another.
    pub(crate) fn begin(request: &crate::request::Request, came: Instant, begun: Instant) -> Self {
        Self {
            row: None,
            version: request.version,
            correlation_id: request.correlation_id,
            request_bytes: request.len(),
            response_bytes: 0,
            throttle_ms: 0,
            came,
            begun,
            handled: begun,
            ready: begun,
        }
    }

    /// The handler has returned, with the answer or not.
    pub(crate) fn handled(&mut self, row: Option<usize>, now: Instant) {
        self.row = row;
        self.handled = now;
        self.ready = now;
    }

    /// The answer is there.
    pub(crate) fn ready(&mut self, now: Instant) {
        self.ready = now;
    }

    /// When the answer was there.
    pub(crate) fn ready_at(&self) -> Instant {
        self.ready
    }

    /// How long each stage took, for a request whose answer is sent now.
    pub(crate) fn stages(&self, now: Instant) -> Stages {
        Stages {
            queue: micros(self.begun - self.came),
            local: micros(self.handled - self.begun),
            remote: micros(self.ready - self.handled),
            throttle: self.throttle_ms.saturating_mul(1000),
            send: micros(now - self.ready),
            total: micros(now - self.came),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros())
}

/// How long the stages of a request took, microseconds. The names are those of Kafka's
/// `RequestMetrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// From when it was read until it was begun: behind other requests of its connection.
    pub queue: u64,
    /// In its handler.
    pub local: u64,
    /// Waiting: for records, other members, the disk, the high watermark.
    pub remote: u64,
    /// How long its client was then held back by quotas.
    pub throttle: u64,
    /// From when the answer was there until the system took all of it, behind earlier answers of
    /// its connection.
    pub send: u64,
    /// From when it was read until its answer was sent.
    pub total: u64,
}

/// Whether requests of this kind wait because their client asked for it: for records, or for other
/// members of its group.
pub(crate) fn waits_on_purpose(key: ApiKey) -> bool {
    matches!(key, ApiKey::Fetch | ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::ShareFetch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other() {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let mut timing = Timing {
            row: None,
            version: 0,
            correlation_id: 0,
            request_bytes: 0,
            response_bytes: 0,
            throttle_ms: 7,
            came: at(0),
            begun: at(1),
            handled: at(1),
            ready: at(1),
        };
        timing.handled(Some(3), at(3));
        timing.ready(at(6));
        let expected = Stages {
            queue: 1000,
            local: 2000,
            remote: 3000,
            throttle: 7000,
            send: 4000,
            total: 10_000,
        };
        assert_eq!(timing.stages(at(10)), expected);
    }
}
