//! What is known of the log cleaner.

use std::time::Duration;

use klamm_log::Stats;
use klamm_metrics::{Counter, Gauge};

/// What is known of the log cleaner; the names in backticks are those of Kafka's metrics.
#[derive(Debug, Default)]
pub(crate) struct CleanerMetrics {
    /// Cleanings begun that came to an end, whichever.
    pub(crate) cleanings: Counter,
    /// Bytes read.
    pub(crate) bytes_read: Counter,
    /// Bytes written.
    pub(crate) bytes_written: Counter,
    /// Records dropped because they have no key.
    pub(crate) records_without_key: Counter,
    /// `cleaner-recopy-percent`: of the last cleaning, what was written of what was read.
    pub(crate) recopy_percent: Gauge,
    /// `max-buffer-utilization-percent`: how full the map of keys was in the last cleaning.
    pub(crate) buffer_utilization_percent: Gauge,
    /// `max-clean-time-secs` in milliseconds: how long the last cleaning took.
    pub(crate) clean_time_ms: Gauge,
    /// `max-dirty-percent`: the dirty part of the dirtiest log.
    pub(crate) max_dirty_percent: Gauge,
    /// `max-compaction-delay-secs` in milliseconds: by how much `max.compaction.lag.ms` is exceeded
    /// at most.
    pub(crate) max_compaction_delay_ms: Gauge,
    /// When a cleaner last looked for work, milliseconds since the epoch
    /// (`time-since-last-run-ms`).
    pub(crate) last_run_ms: Gauge,
    /// `uncleanable-partitions-count`.
    pub(crate) uncleanable_partitions: Gauge,
    /// `uncleanable-bytes`.
    pub(crate) uncleanable_bytes: Gauge,
}

impl CleanerMetrics {
    /// Notes a cleaning that ended.
    pub(crate) fn cleaned(&self, stats: &Stats, took: Duration) {
        let percent = |part: f64| (part * 100.0).clamp(0.0, 1000.0) as i64;
        let recopied = stats.bytes_written as f64 / stats.bytes_read.max(1) as f64;
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.cleanings.one();
        self.bytes_read.add(stats.bytes_read + stats.indexed_bytes);
        self.bytes_written.add(stats.bytes_written);
        self.records_without_key.add(stats.records_without_key);
        self.recopy_percent.set(percent(recopied));
        self.buffer_utilization_percent.set(percent(stats.map_utilization));
        self.clean_time_ms.set(took_ms);
    }

    /// Notes what a look over all logs found: the largest dirty part, the longest delay, and the
    /// number and size of logs that cannot be compacted.
    pub(crate) fn looked(&self, now_ms: i64, dirty: f64, delay_ms: i64, unfit: (i64, i64)) {
        self.last_run_ms.set(now_ms);
        self.max_dirty_percent.set((dirty * 100.0) as i64);
        self.max_compaction_delay_ms.set(delay_ms);
        self.uncleanable_partitions.set(unfit.0);
        self.uncleanable_bytes.set(unfit.1);
    }
}
