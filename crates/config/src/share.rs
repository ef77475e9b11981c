//! Settings of share groups (KIP-932), and of the store of their state.

use crate::effective::Effective;
use crate::groups::{GroupTimes, own_number};

/// Settings of share groups. A pair is what one of the groups may be given at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareGroupSettings {
    /// `group.share.*`.
    pub times: GroupTimes,
    /// `group.share.max.size`: members of one group.
    pub size_max: usize,
    /// `group.share.max.share.sessions`: members that fetch from one broker.
    pub sessions_max: usize,
    /// `group.share.delivery.count.limit`: how often a record is given out.
    pub delivery_count_limit: i32,
    /// `group.share.min.delivery.count.limit`, `group.share.max.delivery.count.limit`.
    pub delivery_count_limits: (i32, i32),
    /// `group.share.record.lock.duration.ms`.
    pub record_lock_duration_ms: i32,
    /// `group.share.min.record.lock.duration.ms`, `group.share.max.record.lock.duration.ms`.
    pub record_lock_duration_limits_ms: (i32, i32),
    /// `group.share.partition.max.record.locks`: records of a partition in flight.
    pub partition_max_record_locks: i32,
    /// `group.share.min.partition.max.record.locks`, `group.share.max.partition.max.record.locks`.
    pub partition_max_record_locks_limits: (i32, i32),
    /// `share.isolation.level` of the group is `read_committed`.
    pub read_committed: bool,
    /// `share.renew.acknowledge.enable` of the group.
    pub renew_acknowledge_enable: bool,
    /// `share.auto.offset.reset` of the group.
    pub auto_offset_reset: OffsetReset,
}

/// Where a group starts on a partition that it never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record there is.
    Earliest,
    /// After the last.
    Latest,
    /// At the first record that is not older than so many milliseconds.
    ByDuration(i64),
}

impl Default for ShareGroupSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            times: GroupTimes::default(),
            size_max: 200,
            sessions_max: 2_000,
            delivery_count_limit: 5,
            delivery_count_limits: (2, 10),
            record_lock_duration_ms: 30_000,
            record_lock_duration_limits_ms: (15_000, 60_000),
            partition_max_record_locks: 2_000,
            partition_max_record_locks_limits: (100, 4_000),
            read_committed: false,
            renew_acknowledge_enable: true,
            auto_offset_reset: OffsetReset::Latest,
        }
    }
}

impl ShareGroupSettings {
    pub(crate) fn of(of: &Effective) -> Self {
        let int = |rest: &str| of.int(&format!("group.share.{rest}"));
        let limits = |rest: &str| (int(&format!("min.{rest}")), int(&format!("max.{rest}")));
        let count = |rest: &str| usize::try_from(int(rest)).unwrap_or(0);
        Self {
            times: GroupTimes::of(of, "share"),
            size_max: count("max.size"),
            sessions_max: count("max.share.sessions"),
            delivery_count_limit: int("delivery.count.limit"),
            delivery_count_limits: limits("delivery.count.limit"),
            record_lock_duration_ms: int("record.lock.duration.ms"),
            record_lock_duration_limits_ms: limits("record.lock.duration.ms"),
            partition_max_record_locks: int("partition.max.record.locks"),
            partition_max_record_locks_limits: limits("partition.max.record.locks"),
            ..Self::default()
        }
    }

    /// The settings of one group, which has some of its own: `own` looks one up by its name.
    #[must_use]
    pub fn with_own<'a>(self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        let is = |name: &str, value: &str| {
            own(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
        };
        Self {
            times: self.times.with_own("share", &own),
            delivery_count_limit: own_number(
                own("share.delivery.count.limit"),
                self.delivery_count_limit,
                self.delivery_count_limits,
            ),
            record_lock_duration_ms: own_number(
                own("share.record.lock.duration.ms"),
                self.record_lock_duration_ms,
                self.record_lock_duration_limits_ms,
            ),
            partition_max_record_locks: own_number(
                own("share.partition.max.record.locks"),
                self.partition_max_record_locks,
                self.partition_max_record_locks_limits,
            ),
            read_committed: is("share.isolation.level", "read_committed"),
            renew_acknowledge_enable: !is("share.renew.acknowledge.enable", "false"),
            auto_offset_reset: own("share.auto.offset.reset")
                .and_then(offset_reset)
                .unwrap_or(self.auto_offset_reset),
            ..self
        }
    }
}

/// The store of what share groups have read, and its topic. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareStateSettings {
    /// `share.coordinator.state.topic.num.partitions`.
    pub topic_num_partitions: i32,
    /// `share.coordinator.state.topic.replication.factor`; capped at the number of brokers.
    pub topic_replication_factor: i16,
    /// `share.coordinator.state.topic.min.isr`; capped at the number of replicas.
    pub topic_min_isr: i32,
    /// `share.coordinator.state.topic.segment.bytes`.
    pub topic_segment_bytes: i32,
    /// `share.coordinator.state.topic.compression.codec`; 0 none, 1 gzip, 2 snappy, 3 LZ4, 4
    /// Zstandard.
    pub topic_compression_codec: i32,
    /// `share.coordinator.state.topic.prune.interval.ms`.
    pub topic_prune_interval_ms: i32,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`.
    pub cold_partition_snapshot_interval_ms: i32,
    /// `share.coordinator.snapshot.update.records.per.snapshot`.
    pub updates_per_snapshot: i32,
}

impl ShareStateSettings {
    pub(crate) fn of(of: &Effective) -> Self {
        Self {
            topic_num_partitions: of.int("share.coordinator.state.topic.num.partitions"),
            topic_replication_factor: of.short("share.coordinator.state.topic.replication.factor"),
            topic_min_isr: of.long("share.coordinator.state.topic.min.isr").try_into().unwrap_or(1),
            topic_segment_bytes: of.int("share.coordinator.state.topic.segment.bytes"),
            topic_compression_codec: of.int("share.coordinator.state.topic.compression.codec"),
            topic_prune_interval_ms: of.int("share.coordinator.state.topic.prune.interval.ms"),
            cold_partition_snapshot_interval_ms: of
                .int("share.coordinator.cold.partition.snapshot.interval.ms"),
            updates_per_snapshot: of.int("share.coordinator.snapshot.update.records.per.snapshot"),
        }
    }
}

/// Reads a value that the key's rule has let pass.
fn offset_reset(text: &str) -> Option<OffsetReset> {
    match text.trim() {
        "earliest" => Some(OffsetReset::Earliest),
        "latest" => Some(OffsetReset::Latest),
        text => duration_ms(text.strip_prefix("by_duration:")?).map(OffsetReset::ByDuration),
    }
}

/// A duration as `java.time.Duration.parse` reads it: `PnDTnHnMn.nS`.
fn duration_ms(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let rest = text.strip_prefix('P')?;
    let (days, mut left) = rest.split_once('T').unwrap_or((rest, ""));
    let number = |text: &str| text.parse::<i64>().ok();
    let mut seconds = match days.strip_suffix('D') {
        Some(days) => number(days)?.checked_mul(24 * 3600)?,
        None => 0,
    };
    for (unit, factor) in [('H', 3600), ('M', 60)] {
        if let Some((count, after)) = left.split_once(unit) {
            seconds = seconds.checked_add(number(count)?.checked_mul(factor)?)?;
            left = after;
        }
    }
    let (whole, part) = match left.strip_suffix('S') {
        Some(text) => text.split_once('.').unwrap_or((text, "")),
        None => ("0", ""),
    };
    let millis: String = part.chars().chain("000".chars()).take(3).collect();
    seconds.checked_add(number(whole)?)?.checked_mul(1000)?.checked_add(number(&millis)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_resets_are_read() {
        let check = |text: &str, expected| assert_eq!(offset_reset(text), expected, "{text}");
        check("earliest", Some(OffsetReset::Earliest));
        check("latest", Some(OffsetReset::Latest));
        check("by_duration:PT1H", Some(OffsetReset::ByDuration(3_600_000)));
        check("by_duration:P1DT2M3.25S", Some(OffsetReset::ByDuration(86_523_250)));
        check("by_duration:P2D", Some(OffsetReset::ByDuration(172_800_000)));
        check("sometimes", None);
    }
}
