//! The settings of one log, resolved from the topic's and the broker's configuration.

/// Settings of one log. Names and defaults are those of Kafka's topic configs.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: size at which a segment is closed.
    pub segment_bytes: u64,
    /// `preallocate`: whether a new segment's file has its largest size at once.
    pub preallocate: bool,
    /// `segment.ms`: age at which a segment is closed, milliseconds.
    pub segment_ms: i64,
    /// `segment.jitter.ms`, drawn for this log: taken off `segment_ms`.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`: bytes of log per index entry.
    pub index_interval_bytes: u64,
    /// `segment.index.bytes`: largest size of an offset index.
    pub segment_index_bytes: u64,
    /// `flush.messages`: records after which the log is synced; `i64::MAX` for never.
    pub flush_messages: i64,
    /// `flush.ms`: age at which records are synced, milliseconds; `i64::MAX` for never.
    pub flush_ms: i64,
    /// `retention.ms`: age at which segments are deleted; negative for never.
    pub retention_ms: i64,
    /// `retention.bytes`: size above which old segments are deleted; negative for never.
    pub retention_bytes: i64,
    /// Whether `cleanup.policy` has `delete`.
    pub delete: bool,
    /// Whether `cleanup.policy` has `compact`.
    pub compact: bool,
    /// `delete.retention.ms`: how long tombstones stay after they were compacted, milliseconds.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: how long records stay as they are, milliseconds.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: age at which records are compacted whatever the ratio,
    /// milliseconds; `i64::MAX` for never.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: the dirty part above which a log is compacted, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `file.delete.delay.ms`: how long files stay after they left the log.
    pub file_delete_delay_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            preallocate: false,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            delete: true,
            compact: false,
            delete_retention_ms: 24 * 3_600_000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            file_delete_delay_ms: 60_000,
        }
    }
}

impl LogConfig {
    /// Whether every append must be durable before it is acknowledged.
    pub fn sync_each_append(&self) -> bool {
        self.flush_messages <= 1
    }
}
