//! Requests that took long, with the time of each stage. Nothing of their contents is kept.
//!
//! Invariants: at most [`KEPT_MAX`] requests are remembered, and at most [`LINES_MAX`] lines a
//! second are logged: an overload must not grow by being told of.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use klamm_metrics::Counter;
use parking_lot::Mutex;

use super::timing::Stages;

/// The most that are remembered; the oldest is forgotten.
pub(crate) const KEPT_MAX: usize = 256;

/// The most lines a second that the log gets.
const LINES_MAX: u32 = 10;

/// The most characters of a client's name for itself.
const CLIENT_ID_CHARS_MAX: usize = 128;

/// A request that took longer than `klamm.slow.request.ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRequest {
    /// When its answer was sent, milliseconds since the epoch.
    pub at_ms: i64,
    /// Name of the API.
    pub api: &'static str,
    /// Version of the request.
    pub version: i16,
    /// The client's number for it.
    pub correlation_id: i32,
    /// The client's name for itself, cut if it is long.
    pub client_id: String,
    /// The client's address.
    pub address: SocketAddr,
    /// The listener it came in by.
    pub listener: Arc<str>,
    /// Bytes of the request.
    pub request_bytes: usize,
    /// Bytes of the answer.
    pub response_bytes: u64,
    /// How long each stage took.
    pub stages: Stages,
}

/// The slow requests of a broker.
#[derive(Debug)]
pub(crate) struct SlowRequests {
    /// From which time on a request is slow, microseconds; the largest number for never.
    threshold_micros: AtomicU64,
    kept: Mutex<Kept>,
    pub(crate) count: Counter,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<SlowRequest>,
    /// The second in which lines were last logged, and how many.
    lines: (i64, u32),
}

impl SlowRequests {
    pub(crate) fn new() -> Self {
        let threshold_micros = AtomicU64::new(u64::MAX);
        Self { threshold_micros, kept: Mutex::default(), count: Counter::new() }
    }

    /// Sets `klamm.slow.request.ms`; a negative number is never.
    pub(crate) fn set_threshold(&self, millis: i64) {
        let micros = u64::try_from(millis).map_or(u64::MAX, |millis| millis.saturating_mul(1000));
        self.threshold_micros.store(micros, Ordering::Relaxed);
    }

    /// Whether so many microseconds are slow.
    #[inline]
    pub(crate) fn is_slow(&self, micros: u64) -> bool {
        micros >= self.threshold_micros.load(Ordering::Relaxed)
    }

    /// Remembers a request; whether it should be logged.
    pub(crate) fn keep(&self, mut request: SlowRequest) -> bool {
        if let Some((at, _)) = request.client_id.char_indices().nth(CLIENT_ID_CHARS_MAX) {
            request.client_id.truncate(at);
        }
        self.count.one();
        let second = request.at_ms.div_euclid(1000);
        let mut kept = self.kept.lock();
        if kept.requests.len() >= KEPT_MAX {
            kept.requests.pop_front();
        }
        kept.requests.push_back(request);
        if kept.lines.0 != second {
            kept.lines = (second, 0);
        }
        kept.lines.1 = kept.lines.1.saturating_add(1);
        kept.lines.1 <= LINES_MAX
    }

    /// Those that are remembered, the newest first.
    pub(crate) fn all(&self) -> Vec<SlowRequest> {
        self.kept.lock().requests.iter().rev().cloned().collect()
    }
}

/// One line of the log.
pub(crate) fn log(request: &SlowRequest) {
    let stages = &request.stages;
    tracing::warn!(
        api = request.api,
        version = request.version,
        correlation_id = request.correlation_id,
        client_id = ?request.client_id,
        address = %request.address,
        request_bytes = request.request_bytes,
        response_bytes = request.response_bytes,
        total_us = stages.total,
        queue_us = stages.queue,
        local_us = stages.local,
        remote_us = stages.remote,
        throttle_us = stages.throttle,
        send_us = stages.send,
        "slow request"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at_ms: i64, client_id: &str) -> SlowRequest {
        SlowRequest {
            at_ms,
            api: "Produce",
            version: 13,
            correlation_id: 1,
            client_id: client_id.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            listener: "PLAINTEXT".into(),
            request_bytes: 100,
            response_bytes: 10,
            stages: Stages { queue: 0, local: 9, remote: 0, throttle: 0, send: 1, total: 10 },
        }
    }

    #[test]
    fn memory_and_log_are_bounded() {
        let slow = SlowRequests::new();
        let logged = (0..1000).filter(|n| slow.keep(request(n / 500 * 1000, "c"))).count();
        assert_eq!(logged, 2 * LINES_MAX as usize);
        assert_eq!((slow.all().len(), slow.count.get()), (KEPT_MAX, 1000));
        slow.keep(request(5000, &"ä".repeat(1000)));
        let newest = slow.all().remove(0);
        assert_eq!((newest.at_ms, newest.client_id.chars().count()), (5000, CLIENT_ID_CHARS_MAX));
    }

    #[test]
    fn the_threshold_can_be_moved_and_taken_away() {
        let slow = SlowRequests::new();
        assert!(!slow.is_slow(1 << 40));
        slow.set_threshold(5);
        assert!(slow.is_slow(5000) && !slow.is_slow(4999));
        slow.set_threshold(-1);
        assert!(!slow.is_slow(1 << 40));
    }
}
