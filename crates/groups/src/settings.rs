//! What an operator may set about groups, under Kafka's names.

use klamm_config::{ConsumerGroupSettings, ShareGroupSettings, StreamsGroupSettings};

/// The limits and times of one coordinator. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `group.min.session.timeout.ms`: a shorter session is INVALID_SESSION_TIMEOUT.
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`: a longer session is INVALID_SESSION_TIMEOUT.
    pub session_timeout_max_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay_ms: i32,
    /// How long a member that has no id yet may be parked in a join; 5 minutes in Kafka.
    pub new_member_join_timeout_ms: i32,
    /// `group.max.size`: members of one group.
    pub group_size_max: usize,
    /// `offset.metadata.max.bytes`: UTF-16 units of the text beside a committed offset.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds (KIP-211).
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`: between two sweeps for expired offsets.
    pub offsets_retention_check_interval_ms: i64,
    /// `offsets.commit.timeout.ms`: how long an answer waits for its append.
    pub append_timeout_ms: i64,
    /// Groups of the consumer protocol (KIP-848).
    pub consumer: ConsumerGroupSettings,
    /// Groups of the streams protocol (KIP-1071).
    pub streams: StreamsGroupSettings,
    /// Share groups (KIP-932).
    pub share: ShareGroupSettings,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            new_member_join_timeout_ms: 300_000,
            group_size_max: i32::MAX as usize,
            offset_metadata_max: 4_096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            offsets_retention_check_interval_ms: 600_000,
            append_timeout_ms: 5_000,
            consumer: ConsumerGroupSettings::default(),
            streams: StreamsGroupSettings::default(),
            share: ShareGroupSettings::default(),
        }
    }
}
