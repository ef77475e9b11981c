//! When a request passed from one stage to the next.

use klamm_protocol::ApiKey;
use tokio::time::{Duration, Instant};

/// The time of one connection: microseconds since it began. It is read once for the end of one
/// thing and the beginning of the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    zero: Instant,
    now: u64,
}

impl Stopwatch {
    /// Begins now, at 0.
    pub(crate) fn start() -> Self {
        Self { zero: Instant::now(), now: 0 }
    }

    /// What time it is.
    pub(crate) fn read(&mut self) -> u64 {
        let passed = self.zero.elapsed();
        self.now = passed.as_secs() * 1_000_000 + u64::from(passed.subsec_micros());
        self.now
    }

    /// What time it was when somebody last looked.
    pub(crate) fn last(&self) -> u64 {
        self.now
    }

    /// A time as others understand it.
    pub(crate) fn instant(&self, micros: u64) -> Instant {
        self.zero + Duration::from_micros(micros)
    }
}

/// The way of one request so far. Times are those of its connection's [`Stopwatch`].
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
    came: u64,
    begun: u64,
    handled: u64,
    ready: u64,
}

impl Timing {
    /// Of a request that came at one time and is begun at another.
    pub(crate) fn begin(request: &crate::request::Request, came: u64, begun: u64) -> Self {
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
    pub(crate) fn handled(&mut self, row: Option<usize>, now: u64) {
        self.row = row;
        self.handled = now;
        self.ready = now;
    }

    /// The answer is there.
    pub(crate) fn ready(&mut self, now: u64) {
        self.ready = now;
    }

    /// When the answer was there.
    pub(crate) fn ready_at(&self) -> u64 {
        self.ready
    }

    /// How long each stage took, for a request whose answer is sent now.
    pub(crate) fn stages(&self, now: u64) -> Stages {
        Stages {
            queue: self.begun - self.came,
            local: self.handled - self.begun,
            remote: self.ready - self.handled,
            throttle: self.throttle_ms.saturating_mul(1000),
            send: now - self.ready,
            total: now - self.came,
        }
    }
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
        let mut timing = Timing {
            row: None,
            version: 0,
            correlation_id: 0,
            request_bytes: 0,
            response_bytes: 0,
            throttle_ms: 7,
            came: 0,
            begun: 1000,
            handled: 1000,
            ready: 1000,
        };
        timing.handled(Some(3), 3000);
        timing.ready(6000);
        let expected = Stages {
            queue: 1000,
            local: 2000,
            remote: 3000,
            throttle: 7000,
            send: 4000,
            total: 10_000,
        };
        assert_eq!(timing.stages(10_000), expected);
    }
}
