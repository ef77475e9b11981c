//! What an operator may set about groups, under Kafka's names.

use klamm_config::StreamsGroupSettings;

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
    pub consumer: ConsumerSettings,
    /// Groups of the streams protocol (KIP-1071).
    pub streams: StreamsGroupSettings,
}

/// What an operator may set about groups of the consumer protocol. Where a pair of limits stands
/// beside a time, a group may have a time of its own within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// `group.consumer.session.timeout.ms`.
    pub session_timeout_ms: i32,
    /// `group.consumer.min.session.timeout.ms` and `group.consumer.max.session.timeout.ms`.
    pub session_timeout_limits_ms: (i32, i32),
    /// `group.consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.min.heartbeat.interval.ms` and `group.consumer.max.heartbeat.interval.ms`.
    pub heartbeat_interval_limits_ms: (i32, i32),
    /// `group.consumer.assignment.interval.ms`: between two computations of a target assignment.
    pub assignment_interval_ms: i32,
    /// `group.consumer.min.assignment.interval.ms` and `group.consumer.max.assignment.interval.ms`.
    pub assignment_interval_limits_ms: (i32, i32),
    /// `group.consumer.max.size`: members of one group.
    pub size_max: usize,
    /// `group.consumer.assignors`: names of assignors, the default first.
    pub assignors: Vec<String>,
    /// `group.consumer.migration.policy`.
    pub migration: Migration,
    /// `group.consumer.regex.refresh.interval.ms`: after this time patterns are looked up again
    /// even if nothing speaks for it.
    pub regex_refresh_interval_ms: i64,
}

/// Between which protocols a group with members may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// From the classic protocol to the consumer protocol.
    pub upgrade: bool,
    /// From the consumer protocol to the classic protocol.
    pub downgrade: bool,
}

impl Migration {
    /// The policy of this name, in any case: `disabled`, `upgrade`, `downgrade`, `bidirectional`.
    pub fn named(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let both = is("bidirectional");
        Self { upgrade: both || is("upgrade"), downgrade: both || is("downgrade") }
    }
}

impl Default for ConsumerSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            session_timeout_limits_ms: (45_000, 60_000),
            heartbeat_interval_ms: 5_000,
            heartbeat_interval_limits_ms: (5_000, 15_000),
            assignment_interval_ms: 1_000,
            assignment_interval_limits_ms: (0, 15_000),
            size_max: i32::MAX as usize,
            assignors: vec!["uniform".into(), "range".into()],
            migration: Migration { upgrade: true, downgrade: true },
            regex_refresh_interval_ms: 600_000,
        }
    }
}

impl ConsumerSettings {
    /// The settings of one group, which has some of its own: `own` looks one up by its name.
    #[must_use]
    pub(crate) fn with_own<'a>(&self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name: &str, otherwise: i32, (min, max): (i32, i32)| {
            let own = own(name).and_then(|text| text.trim().parse::<i32>().ok());
            // The limits may have changed since the group's value was set.
            own.map_or(otherwise, |value| value.max(min).min(max))
        };
        Self {
            session_timeout_ms: number(
                "consumer.session.timeout.ms",
                self.session_timeout_ms,
                self.session_timeout_limits_ms,
            ),
            heartbeat_interval_ms: number(
                "consumer.heartbeat.interval.ms",
                self.heartbeat_interval_ms,
                self.heartbeat_interval_limits_ms,
            ),
            assignment_interval_ms: number(
                "consumer.assignment.interval.ms",
                self.assignment_interval_ms,
                self.assignment_interval_limits_ms,
            ),
            ..self.clone()
        }
    }
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
            consumer: ConsumerSettings::default(),
            streams: StreamsGroupSettings::default(),
        }
    }
}
