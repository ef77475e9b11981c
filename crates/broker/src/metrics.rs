//! Counters of the data path. One atomic addition each; nothing is allocated or locked.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::api::APIS;

/// What the broker counts.
#[derive(Debug)]
pub struct Metrics {
    requests: [AtomicU64; APIS.len()],
    bytes_in: AtomicU64,
    records_bytes_in: AtomicU64,
    connections: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: [const { AtomicU64::new(0) }; APIS.len()],
            bytes_in: AtomicU64::new(0),
            records_bytes_in: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn requested(&self, row: usize) {
        self.requests[row].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn appended(&self, bytes: usize) {
        self.records_bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests handled so far, by API name.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        APIS.iter().zip(&self.requests).map(move |(api, counter)| (api.key.name(), count(counter)))
    }

    /// Bytes of requests received so far.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Bytes of records appended by clients so far.
    pub fn records_bytes_in(&self) -> u64 {
        self.records_bytes_in.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}
