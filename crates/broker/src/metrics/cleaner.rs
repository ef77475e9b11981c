//! What is known of the log cleaner.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use klamm_log::Stats;

/// What is known of the log cleaner; the names in backticks are those of Kafka's metrics.
#[derive(Debug, Default)]
pub(crate) struct CleanerMetrics {
    /// Cleanings begun that came to an end, whichever.
    pub(crate) cleanings: AtomicU64,
    /// Bytes read.
    pub(crate) bytes_read: AtomicU64,
    /// Bytes written.
    pub(crate) bytes_written: AtomicU64,
    /// Records dropped because they have no key.
    pub(crate) records_without_key: AtomicU64,
    /// `cleaner-recopy-percent`: of the last cleaning, what was written of what was read.
    pub(crate) recopy_percent: AtomicU64,
    /// `max-buffer-utilization-percent`: how full the map of keys was in the last cleaning.
    pub(crate) buffer_utilization_percent: AtomicU64,
    /// `max-clean-time-secs` in milliseconds: how long the last cleaning took.
    pub(crate) clean_time_ms: AtomicU64,
    /// `max-dirty-percent`: the dirty part of the dirtiest log.
    pub(crate) max_dirty_percent: AtomicU64,
    /// `max-compaction-delay-secs` in milliseconds: by how much `max.compaction.lag.ms` is exceeded
    /// at most.
    pub(crate) max_compaction_delay_ms: AtomicI64,
    /// When a cleaner last looked for work, milliseconds since the epoch
    /// (`time-since-last-run-ms`).
    pub(crate) last_run_ms: AtomicI64,
    /// `uncleanable-partitions-count`.
    pub(crate) uncleanable_partitions: AtomicU64,
    /// `uncleanable-bytes`.
    pub(crate) uncleanable_bytes: AtomicU64,
}

impl CleanerMetrics {
    /// Notes a cleaning that ended.
    pub(crate) fn cleaned(&self, stats: &Stats, took: Duration) {
        let percent = |part: f64| (part * 100.0).clamp(0.0, 1000.0) as u64;
        let recopied = stats.bytes_written as f64 / stats.bytes_read.max(1) as f64;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.cleanings.fetch_add(1, Ordering::Relaxed);
        self.bytes_read.fetch_add(stats.bytes_read + stats.indexed_bytes, Ordering::Relaxed);
        self.bytes_written.fetch_add(stats.bytes_written, Ordering::Relaxed);
        self.records_without_key.fetch_add(stats.records_without_key, Ordering::Relaxed);
        self.recopy_percent.store(percent(recopied), Ordering::Relaxed);
        self.buffer_utilization_percent.store(percent(stats.map_utilization), Ordering::Relaxed);
        self.clean_time_ms.store(took_ms, Ordering::Relaxed);
    }

    /// Notes what a look over all logs found: the largest dirty part, the longest delay, and the
    /// number and size of logs that cannot be compacted.
    pub(crate) fn looked(&self, now_ms: i64, dirty: f64, delay_ms: i64, unfit: (u64, u64)) {
        self.last_run_ms.store(now_ms, Ordering::Relaxed);
        self.max_dirty_percent.store((dirty * 100.0) as u64, Ordering::Relaxed);
        self.max_compaction_delay_ms.store(delay_ms, Ordering::Relaxed);
        self.uncleanable_partitions.store(unfit.0, Ordering::Relaxed);
        self.uncleanable_bytes.store(unfit.1, Ordering::Relaxed);
    }
}
