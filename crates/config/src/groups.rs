//! Groups: what holds for all of a protocol, and what one of them has of its own.

use crate::effective::Effective;
use crate::share::ShareGroupSettings;

/// Groups of consumers.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSettings {
    /// `group.coordinator.rebalance.protocols`: the group protocols that are on.
    pub rebalance_protocols: Vec<String>,
    /// Groups of the consumer protocol (KIP-848).
    pub consumer: ConsumerGroupSettings,
    /// Groups of the streams protocol.
    pub streams: StreamsGroupSettings,
    /// Share groups (KIP-932).
    pub share: ShareGroupSettings,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`.
    pub max_size: i32,
}

impl GroupSettings {
    pub(crate) fn of(of: &Effective) -> Self {
        Self {
            rebalance_protocols: of
                .list("group.coordinator.rebalance.protocols")
                .unwrap_or_default()
                .to_vec(),
            consumer: ConsumerGroupSettings::of(of),
            streams: StreamsGroupSettings::of(of),
            share: ShareGroupSettings::of(of),
            initial_rebalance_delay_ms: of.int("group.initial.rebalance.delay.ms"),
            min_session_timeout_ms: of.int("group.min.session.timeout.ms"),
            max_session_timeout_ms: of.int("group.max.session.timeout.ms"),
            max_size: of.int("group.max.size"),
        }
    }
}

/// Times of the groups of one protocol, in milliseconds. Where a pair of limits stands beside a
/// time, a group may have a time of its own within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupTimes {
    /// `group.*.session.timeout.ms`.
    pub session_timeout_ms: i32,
    /// `group.*.min.session.timeout.ms` and `group.*.max.session.timeout.ms`.
    pub session_timeout_limits_ms: (i32, i32),
    /// `group.*.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.*.min.heartbeat.interval.ms` and `group.*.max.heartbeat.interval.ms`.
    pub heartbeat_interval_limits_ms: (i32, i32),
    /// `group.*.assignment.interval.ms`: between two computations of a target assignment.
    pub assignment_interval_ms: i32,
    /// `group.*.min.assignment.interval.ms` and `group.*.max.assignment.interval.ms`.
    pub assignment_interval_limits_ms: (i32, i32),
}

impl Default for GroupTimes {
    /// Kafka's defaults, which are the same for all protocols.
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            session_timeout_limits_ms: (45_000, 60_000),
            heartbeat_interval_ms: 5_000,
            heartbeat_interval_limits_ms: (5_000, 15_000),
            assignment_interval_ms: 1_000,
            assignment_interval_limits_ms: (0, 15_000),
        }
    }
}

impl GroupTimes {
    pub(crate) fn of(of: &Effective, protocol: &str) -> Self {
        let time = |rest: &str| of.int(&format!("group.{protocol}.{rest}"));
        let limits = |rest: &str| (time(&format!("min.{rest}")), time(&format!("max.{rest}")));
        Self {
            session_timeout_ms: time("session.timeout.ms"),
            session_timeout_limits_ms: limits("session.timeout.ms"),
            heartbeat_interval_ms: time("heartbeat.interval.ms"),
            heartbeat_interval_limits_ms: limits("heartbeat.interval.ms"),
            assignment_interval_ms: time("assignment.interval.ms"),
            assignment_interval_limits_ms: limits("assignment.interval.ms"),
        }
    }

    pub(crate) fn with_own<'a>(
        self,
        protocol: &str,
        own: &impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let time = |rest: &str, otherwise: i32, limits| {
            own_number(own(&format!("{protocol}.{rest}")), otherwise, limits)
        };
        Self {
            session_timeout_ms: time(
                "session.timeout.ms",
                self.session_timeout_ms,
                self.session_timeout_limits_ms,
            ),
            heartbeat_interval_ms: time(
                "heartbeat.interval.ms",
                self.heartbeat_interval_ms,
                self.heartbeat_interval_limits_ms,
            ),
            assignment_interval_ms: time(
                "assignment.interval.ms",
                self.assignment_interval_ms,
                self.assignment_interval_limits_ms,
            ),
            ..self
        }
    }
}

/// A number that a group has of its own, or else what holds for all. The limits may have changed
/// since the group's value was set.
pub(crate) fn own_number(own: Option<&str>, otherwise: i32, (min, max): (i32, i32)) -> i32 {
    let own = own.and_then(|text| text.trim().parse::<i32>().ok());
    own.map_or(otherwise, |value| value.max(min).min(max))
}

/// Settings of groups of the consumer protocol (KIP-848).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupSettings {
    /// `group.consumer.*`.
    pub times: GroupTimes,
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
    #[must_use]
    pub fn named(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let both = is("bidirectional");
        Self { upgrade: both || is("upgrade"), downgrade: both || is("downgrade") }
    }
}

impl Default for ConsumerGroupSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            times: GroupTimes::default(),
            size_max: i32::MAX as usize,
            assignors: vec!["uniform".into(), "range".into()],
            migration: Migration { upgrade: true, downgrade: true },
            regex_refresh_interval_ms: 600_000,
        }
    }
}

impl ConsumerGroupSettings {
    fn of(of: &Effective) -> Self {
        let policy = of.text("group.consumer.migration.policy").unwrap_or_default();
        Self {
            times: GroupTimes::of(of, "consumer"),
            size_max: usize::try_from(of.int("group.consumer.max.size")).unwrap_or(usize::MAX),
            assignors: of.list("group.consumer.assignors").unwrap_or_default().to_vec(),
            migration: Migration::named(policy),
            regex_refresh_interval_ms: of.int("group.consumer.regex.refresh.interval.ms").into(),
        }
    }

    /// The settings of one group, which has some of its own: `own` looks one up by its name.
    #[must_use]
    pub fn with_own<'a>(&self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self { times: self.times.with_own("consumer", &own), ..self.clone() }
    }
}

/// Settings of streams groups (KIP-1071).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsGroupSettings {
    /// `group.streams.*`.
    pub times: GroupTimes,
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
            times: GroupTimes::default(),
            initial_rebalance_delay_ms: 3_000,
            size_max: i32::MAX as usize,
            num_standby_replicas: 0,
            num_standby_replicas_max: 2,
        }
    }
}

impl StreamsGroupSettings {
    fn of(of: &Effective) -> Self {
        let count = |name: &str| usize::try_from(of.int(name)).unwrap_or(0);
        Self {
            times: GroupTimes::of(of, "streams"),
            initial_rebalance_delay_ms: of.int("group.streams.initial.rebalance.delay.ms"),
            size_max: count("group.streams.max.size"),
            num_standby_replicas: count("group.streams.num.standby.replicas"),
            num_standby_replicas_max: count("group.streams.max.standby.replicas"),
        }
    }

    /// The settings of one group, which has some of its own: `own` looks one up by its name.
    #[must_use]
    pub fn with_own<'a>(&self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        let standbys =
            own("streams.num.standby.replicas").and_then(|text| text.trim().parse().ok());
        Self {
            times: self.times.with_own("streams", &own),
            initial_rebalance_delay_ms: own_number(
                own("streams.initial.rebalance.delay.ms"),
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
