//! What passes is counted by the workers and read out at the ends of the measured time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::Target;
use crate::process::{Spent, spent};

/// Workers share so many tallies at most: a histogram takes 200 kB.
const TALLIES: usize = 8;
/// A longer latency counts as this one.
const LATENCY_MAX_US: u64 = 600_000_000;
/// A point of the series covers this time.
const POINT: Duration = Duration::from_millis(500);

/// Counts of one or a few workers.
#[derive(Debug)]
pub(crate) struct Tally {
    records: u64,
    bytes: u64,
    requests: u64,
    latency_us: Histogram<u64>,
}

impl Tally {
    fn new() -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)
            .expect("1 is a lower bound, and 3 digits are allowed");
        Tally { records: 0, bytes: 0, requests: 0, latency_us }
    }

    /// Counts what one answer acknowledged or brought.
    pub(crate) fn add(&mut self, requests: u64, records: u64, bytes: u64) {
        self.requests += requests;
        self.records += records;
        self.bytes += bytes;
    }

    /// Counts one latency.
    pub(crate) fn took(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(us.max(1));
    }

    fn take_from(&mut self, other: &mut Tally) {
        self.add(other.requests, other.records, other.bytes);
        // Both have the same bounds.
        self.latency_us.add(&other.latency_us).ok();
        other.latency_us.reset();
        (other.records, other.bytes, other.requests) = (0, 0, 0);
    }
}

/// Shared by the workers of a load and the one that measures.
#[derive(Debug)]
pub(crate) struct Meter {
    tallies: Vec<Mutex<Tally>>,
    next: AtomicUsize,
    stopped: AtomicBool,
    failure: Mutex<Option<String>>,
}

/// A worker's access to its tally.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    meter: Arc<Meter>,
    index: usize,
}

impl Counter {
    /// The tally, for one answer's counts.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.meter.tallies[self.index])
    }

    /// Whether the load is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.meter.stopped.load(Ordering::Relaxed)
    }

    /// Ends the load with an error.
    pub(crate) fn fail(&self, why: impl ToString) {
        // Connections break when the load ends: that is no failure.
        if !self.is_stopped() {
            lock(&self.meter.failure).get_or_insert(why.to_string());
        }
        self.meter.stopped.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    /// Nothing counted yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Meter {
            tallies: (0..TALLIES).map(|_| Mutex::new(Tally::new())).collect(),
            next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// A counter for one more worker.
    pub(crate) fn counter(self: &Arc<Self>) -> Counter {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % TALLIES;
        Counter { meter: Arc::clone(self), index }
    }

    /// Ends the load.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn drain(&self) -> Tally {
        let mut sum = Tally::new();
        self.tallies.iter().for_each(|tally| sum.take_from(&mut lock(tally)));
        sum
    }

    /// Lets the load run for its warm-up and its measured time, ends it, and reports.
    ///
    /// # Errors
    /// What a worker failed with, or a broker that is gone.
    pub(crate) fn measure(&self, target: &Target) -> Result<Report> {
        self.pause(Duration::from_secs_f64(match target.total_bytes {
            Some(_) => 0.0,
            None => target.warm_up_seconds,
        }));
        if target.total_bytes.is_none() {
            self.drain();
        }
        let mut window = Window::open(target)?;
        while !window.is_over(target) && !self.stopped.load(Ordering::Relaxed) {
            self.pause(window.until_next_point(target));
            window.point(self.drain())?;
        }
        self.stop();
        if let Some(why) = lock(&self.failure).take() {
            anyhow::bail!(why);
        }
        window.report(target)
    }

    /// Sleeps, unless the load ends before.
    fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stopped.load(Ordering::Relaxed) {
            let rest = end.saturating_duration_since(Instant::now());
            std::thread::sleep(rest.min(Duration::from_millis(50)));
        }
    }
}

/// The measured time.
struct Window {
    pid: Option<u32>,
    start: Instant,
    last: Instant,
    before: Spent,
    latest: Spent,
    rss_bytes_max: u64,
    driver_before: Spent,
    total: Tally,
    series: Vec<Value>,
}

impl Window {
    fn open(target: &Target) -> Result<Self> {
        let before = broker(target.broker_pid)?;
        let start = Instant::now();
        Ok(Window {
            pid: target.broker_pid,
            start,
            last: start,
            before,
            latest: before,
            rss_bytes_max: before.rss_bytes,
            driver_before: spent(std::process::id())?,
            total: Tally::new(),
            series: Vec::new(),
        })
    }

    fn is_over(&self, target: &Target) -> bool {
        match target.total_bytes {
            Some(bytes) => self.total.bytes >= bytes,
            None => self.start.elapsed().as_secs_f64() >= target.seconds,
        }
    }

    fn until_next_point(&self, target: &Target) -> Duration {
        match target.total_bytes {
            Some(_) => Duration::from_millis(20),
            None => POINT
                .min(Duration::from_secs_f64(target.seconds).saturating_sub(self.start.elapsed())),
        }
    }

    fn point(&mut self, mut tally: Tally) -> Result<()> {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        let spent = broker(self.pid)?;
        self.rss_bytes_max = self.rss_bytes_max.max(spent.rss_bytes);
        if seconds >= POINT.as_secs_f64() / 2.0 {
            self.series.push(json!({
                "at_seconds": (now - self.start).as_secs_f64(),
                "mb_per_second": tally.bytes as f64 / 1e6 / seconds,
                "cpu": (spent.cpu_seconds - self.latest.cpu_seconds) / seconds,
                "rss_mb": spent.rss_bytes as f64 / 1e6,
                "p50_us": tally.latency_us.value_at_quantile(0.5),
                "p99_us": tally.latency_us.value_at_quantile(0.99),
            }));
            (self.last, self.latest) = (now, spent);
        }
        self.total.take_from(&mut tally);
        Ok(())
    }

    fn report(self, target: &Target) -> Result<Report> {
        ensure!(self.total.records > 0, "nothing was answered in the measured time");
        let after = broker(self.pid)?;
        let driver = spent(std::process::id())?;
        let mut report = Report::default();
        report.set("seconds", self.start.elapsed().as_secs_f64());
        report.set("records", self.total.records as f64);
        report.set("bytes", self.total.bytes as f64);
        report.set("requests", self.total.requests as f64);
        report.set("driver_cpu_seconds", driver.cpu_seconds - self.driver_before.cpu_seconds);
        if target.broker_pid.is_some() {
            report.set("broker_cpu_seconds", after.cpu_seconds - self.before.cpu_seconds);
            report.set("broker_rss_bytes", self.rss_bytes_max.max(after.rss_bytes) as f64);
            let written = after.written_bytes.saturating_sub(self.before.written_bytes);
            report.set("broker_written_bytes", written as f64);
        }
        report.latencies(&self.total.latency_us);
        report.0.insert("series".to_owned(), Value::Array(self.series));
        Ok(report)
    }
}

fn broker(pid: Option<u32>) -> Result<Spent> {
    pid.map_or(Ok(Spent::default()), spent)
}

/// What a load prints.
#[derive(Debug, Default)]
pub(crate) struct Report(Map<String, Value>);

impl Report {
    /// Adds a number.
    pub(crate) fn set(&mut self, key: &str, value: f64) {
        self.0.insert(key.to_owned(), json!(value));
    }

    fn latencies(&mut self, histogram: &Histogram<u64>) {
        if histogram.is_empty() {
            return;
        }
        let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
        for (name, quantile) in quantiles {
            self.set(&format!("latency_{name}_us"), histogram.value_at_quantile(quantile) as f64);
        }
    }

    /// The JSON object.
    pub(crate) fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_leaves_nothing() {
        let meter = Meter::new();
        let counter = meter.counter();
        counter.tally().add(1, 10, 100);
        counter.tally().took(Duration::from_micros(250));
        let sum = meter.drain();
        assert_eq!((sum.requests, sum.records, sum.bytes, sum.latency_us.len()), (1, 10, 100, 1));
        assert_eq!(meter.drain().latency_us.len(), 0);
    }

    #[test]
    fn the_first_failure_is_kept() {
        let meter = Meter::new();
        let counter = meter.counter();
        counter.fail("first");
        counter.fail("second");
        assert!(counter.is_stopped());
        assert_eq!(lock(&meter.failure).as_deref(), Some("first"));
    }
}
