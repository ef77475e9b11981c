//! What the broker counts. On the way of a request that is a few atomic additions, on memory that no
//! other thread writes to; nothing is allocated or locked.
//!
//! What can be looked up is not counted: `observe/` reads it when somebody asks.

mod cleaner;
mod clients;
mod disks;
mod listeners;
mod slow;
mod timing;
mod topic;

use std::{collections::BTreeMap, sync::Arc};

use klamm_metrics::{Counter, Gauge, Histogram, Sharded, Snapshot};
use klamm_security::quota::Kind;
use parking_lot::Mutex;
use tokio::time::Instant;

pub(crate) use self::{
    cleaner::CleanerMetrics,
    clients::{Client, Clients},
    disks::DiskMetrics,
    listeners::{Listeners, Traffic},
    slow::SlowRequests,
    timing::{Stopwatch, Timing, waits_on_purpose},
    topic::TopicTraffic,
};
pub use self::{slow::SlowRequest, timing::Stages};
pub(crate) use slow::log as log_slow;

use crate::api::APIS;

/// What the broker counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    shards: Sharded<Shard>,
    /// Errors by row of the table of APIs and code: the codes are the broker's own, so they are few.
    errors: Mutex<BTreeMap<(usize, i16), u64>>,
    throttles: [Throttle; 5],
    pub(crate) listeners: Listeners,
    pub(crate) clients: Arc<Clients>,
    pub(crate) slow: SlowRequests,
    pub(crate) cleaner: CleanerMetrics,
    pub(crate) disks: DiskMetrics,
    pub(crate) started: Instant,
}

/// What one thread counts.
#[derive(Debug)]
struct Shard {
    /// By row of the table of APIs.
    apis: Box<[ApiCounts]>,
    records_in: Counter,
    record_bytes_in: Counter,
    record_bytes_out: Counter,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            apis: APIS.iter().map(|_| ApiCounts::default()).collect(),
            records_in: Counter::new(),
            record_bytes_in: Counter::new(),
            record_bytes_out: Counter::new(),
        }
    }
}

/// What is counted of one API.
#[derive(Debug, Default)]
struct ApiCounts {
    total: Histogram,
    queue: Histogram,
    local: Histogram,
    /// Only of requests that waited.
    remote: Histogram,
    /// Only of requests whose client was held back.
    throttle: Histogram,
    send: Histogram,
    /// Requests that wait. One thread may see it begin and another end.
    waiting: Gauge,
}

/// What is known of the requests of one API.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApiSnapshot {
    pub(crate) total: Snapshot,
    /// By the name of the stage.
    pub(crate) stages: [(&'static str, Snapshot); 5],
    pub(crate) waiting: i64,
}

#[derive(Debug, Default)]
struct Throttle {
    count: Counter,
    millis: Counter,
}

/// The kinds of quota, by the names that `klamm_throttled_total` has for them.
const THROTTLES: [(Kind, &str); 5] = [
    (Kind::Produce, "produce"),
    (Kind::Fetch, "fetch"),
    (Kind::Request, "request"),
    (Kind::Mutation, "controller_mutation"),
    (Kind::Connection, "connection"),
];

impl Metrics {
    /// For a broker with so many threads that serve connections; 0 is one per core.
    pub(crate) fn new(threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            threads => threads,
        };
        Self {
            shards: Sharded::new(threads),
            errors: Mutex::default(),
            throttles: Default::default(),
            listeners: Listeners::new(threads),
            clients: Arc::default(),
            slow: SlowRequests::new(),
            cleaner: CleanerMetrics::default(),
            disks: DiskMetrics::default(),
            started: Instant::now(),
        }
    }

    /// A request's answer was sent, or it needs none; its stages, if its row is known.
    pub(crate) fn answered(&self, timing: &Timing, now: u64) -> Option<(usize, Stages)> {
        let row = timing.row?;
        let stages = timing.stages(now);
        let counts = &self.shards.mine().apis[row];
        counts.total.observe(stages.total);
        counts.queue.observe(stages.queue);
        counts.local.observe(stages.local);
        counts.send.observe(stages.send);
        if stages.remote > 0 {
            counts.remote.observe(stages.remote);
        }
        if stages.throttle > 0 {
            counts.throttle.observe(stages.throttle);
        }
        Some((row, stages))
    }

    /// Requests of an API began to wait, or, if negative, waited long enough.
    pub(crate) fn wait(&self, row: Option<usize>, requests: i64) {
        if let Some(row) = row {
            self.shards.mine().apis[row].waiting.add(requests);
        }
    }

    /// An answer says this.
    pub(crate) fn failed(&self, row: Option<usize>, codes: &[i16]) {
        if let (Some(row), false) = (row, codes.is_empty()) {
            let mut errors = self.errors.lock();
            for code in codes {
                *errors.entry((row, *code)).or_insert(0) += 1;
            }
        }
    }

    /// Clients produced so much.
    pub(crate) fn produced(&self, records: u64, bytes: u64) {
        let shard = self.shards.mine();
        shard.records_in.add(records);
        shard.record_bytes_in.add(bytes);
    }

    /// Clients fetched so many bytes of records.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.shards.mine().record_bytes_out.add(bytes);
    }

    /// A client is held back for so many milliseconds; not if it is none.
    pub(crate) fn throttled(&self, kind: Kind, millis: i64) {
        if let Ok(millis @ 1..) = u64::try_from(millis) {
            let at = THROTTLES.iter().position(|(other, _)| *other == kind).unwrap_or(0);
            self.throttles[at].count.one();
            self.throttles[at].millis.add(millis);
        }
    }

    /// How often clients were held back by each kind of quota, and for how many milliseconds.
    pub(crate) fn throttles(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let pairs = THROTTLES.iter().zip(&self.throttles);
        pairs.map(|((_, name), throttle)| (*name, throttle.count.get(), throttle.millis.get()))
    }

    /// Records in, bytes of records in, bytes of records out.
    pub(crate) fn records(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Shard) -> &Counter| self.shards.iter().map(|s| of(s).get()).sum::<u64>();
        (sum(|s| &s.records_in), sum(|s| &s.record_bytes_in), sum(|s| &s.record_bytes_out))
    }

    /// Errors by row and code.
    pub(crate) fn errors(&self) -> BTreeMap<(usize, i16), u64> {
        self.errors.lock().clone()
    }

    /// What is known of the requests of one row.
    pub(crate) fn api(&self, row: usize) -> ApiSnapshot {
        let names = ["queue", "local", "remote", "throttle", "send"];
        let mut all = ApiSnapshot {
            stages: names.map(|name| (name, Snapshot::default())),
            ..ApiSnapshot::default()
        };
        for shard in self.shards.iter() {
            let of = &shard.apis[row];
            of.total.add_to(&mut all.total);
            let stages = [&of.queue, &of.local, &of.remote, &of.throttle, &of.send];
            for ((_, sum), stage) in all.stages.iter_mut().zip(stages) {
                stage.add_to(sum);
            }
            all.waiting += of.waiting.get();
        }
        let count = all.total.count();
        for (_, stage) in &mut all.stages {
            stage.fill_with_zeros(count);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_are_counted_by_their_quota() {
        let metrics = Metrics::new(1);
        for (kind, _) in THROTTLES {
            metrics.throttled(kind, 5);
            metrics.throttled(kind, 0);
            metrics.throttled(kind, -1);
        }
        metrics.throttled(Kind::Mutation, 7);
        let told: Vec<_> = metrics.throttles().collect();
        assert_eq!(told[2], ("request", 1, 5));
        assert_eq!(told[3], ("controller_mutation", 2, 12));
    }

    #[test]
    fn errors_are_counted_by_their_name() {
        let metrics = Metrics::new(4);
        metrics.failed(Some(1), &[3, 3, 6]);
        metrics.failed(None, &[3]);
        assert_eq!(metrics.errors(), BTreeMap::from([((1, 3), 2), ((1, 6), 1)]));
    }
}
