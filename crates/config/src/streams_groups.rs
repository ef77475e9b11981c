//! Groups of the streams protocol (KIP-1071): what holds for all, and what one of them has of its own.

use crate::effective::Effective;

/// Settings of streams groups. Times are in milliseconds. Where a pair of limits stands
/// beside a time, a group may have a time of its own within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsGroupSettings {
    /// `group.streams.session.timeout.ms`.
    pub session_timeout_ms: i32,
    /// `group.streams.min.session.timeout.ms` and `group.streams.max.session.timeout.ms`.
    pub session_timeout_limits_ms: (i32, i32),
    /// `group.streams.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.streams.min.heartbeat.interval.ms` and `group.streams.max.heartbeat.interval.ms`.
    pub heartbeat_interval_limits_ms: (i32, i32),
    /// `group.streams.assignment.interval.ms`: between two computations of a target assignment.
    pub assignment_interval_ms: i32,
    /// `group.streams.min.assignment.interval.ms` and `group.streams.max.assignment.interval.ms`.
    pub assignment_interval_limits_ms: (i32, i32),
    /// `group.streams.initial.rebalance.delay.ms`: how long an empty group waits for more members
    /// before the first assignment.
    pub initial_rebalance_delay_ms: i32,
    /// `group.streams.max.size`: members of one group.
    pub size_max: usize,
    /// `group.streams.num.standby.replicas`: copies of each task that has state.
    pub num_standby_replicas: usize,
    /// `group.streams.max.standby.replicas`.
    pub num_standby_replicas_max: usize,
}

impl Default for StreamsGroupSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            session_timeout_limits_ms: (45_000, 60_000),
            heartbeat_interval_ms: 5_000,
            heartbeat_interval_limits_ms: (5_000, 15_000),
            assignment_interval_ms: 1_000,
            assignment_interval_limits_ms: (0, 15_000),
            initial_rebalance_delay_ms: 3_000,
            size_max: i32::MAX as usize,
            num_standby_replicas: 0,
            num_standby_replicas_max: 2,
        }
    }
}

impl StreamsGroupSettings {
    pub(crate) fn of(of: &Effective) -> Self {
        let limits = |rest: &str| {
            let bound = |which: &str| of.int(&format!("group.streams.{which}.{rest}"));
            (bound("min"), bound("max"))
        };
        let count = |name: &str| usize::try_from(of.int(name)).unwrap_or(0);
        Self {
            session_timeout_ms: of.int("group.streams.session.timeout.ms"),
            session_timeout_limits_ms: limits("session.timeout.ms"),
            heartbeat_interval_ms: of.int("group.streams.heartbeat.interval.ms"),
            heartbeat_interval_limits_ms: limits("heartbeat.interval.ms"),
            assignment_interval_ms: of.int("group.streams.assignment.interval.ms"),
            assignment_interval_limits_ms: limits("assignment.interval.ms"),
            initial_rebalance_delay_ms: of.int("group.streams.initial.rebalance.delay.ms"),
            size_max: count("group.streams.max.size"),
            num_standby_replicas: count("group.streams.num.standby.replicas"),
            num_standby_replicas_max: count("group.streams.max.standby.replicas"),
        }
    }

    /// The settings of one group, which has some of its own: `own` looks one up by its name.
    #[must_use]
    pub fn with_own<'a>(&self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name: &str, otherwise: i32, limits| own_number(own(name), otherwise, limits);
        let standbys =
            own("streams.num.standby.replicas").and_then(|text| text.trim().parse().ok());
        Self {
            session_timeout_ms: number(
                "streams.session.timeout.ms",
                self.session_timeout_ms,
                self.session_timeout_limits_ms,
            ),
            heartbeat_interval_ms: number(
                "streams.heartbeat.interval.ms",
                self.heartbeat_interval_ms,
                self.heartbeat_interval_limits_ms,
            ),
            assignment_interval_ms: number(
                "streams.assignment.interval.ms",
                self.assignment_interval_ms,
                self.assignment_interval_limits_ms,
            ),
            initial_rebalance_delay_ms: number(
                "streams.initial.rebalance.delay.ms",
                self.initial_rebalance_delay_ms,
                (0, i32::MAX),
            ),
            num_standby_replicas: standbys
                .unwrap_or(self.num_standby_replicas)
                .min(self.num_standby_replicas_max),
            ..self.clone()
        }
    }
}

/// A number that a group has of its own, or else what holds for all. The limits may have changed
/// since the group's value was set.
fn own_number(own: Option<&str>, otherwise: i32, (min, max): (i32, i32)) -> i32 {
    let own = own.and_then(|text| text.trim().parse::<i32>().ok());
    own.map_or(otherwise, |value| value.max(min).min(max))
}
