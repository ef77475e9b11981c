//! Group configurations.

use crate::key::{keys, same};
use crate::rule::Rule;

keys! { Group:
    "consumer.session.timeout.ms" Int "45000"
        [at_least(1), from(&[same("group.consumer.session.timeout.ms")])]
        "How long a member may be silent before it is removed.";
    "consumer.heartbeat.interval.ms" Int "5000"
        [at_least(1), from(&[same("group.consumer.heartbeat.interval.ms")])]
        "How often members send heartbeats.";
    "consumer.assignment.interval.ms" Int "1000"
        [at_least(0), from(&[same("group.consumer.assignment.interval.ms")])]
        "Least time between two computations of the assignment.";
    "share.session.timeout.ms" Int "45000"
        [at_least(1), from(&[same("group.share.session.timeout.ms")])]
        "How long a member may be silent before it is removed.";
    "share.heartbeat.interval.ms" Int "5000"
        [at_least(1), from(&[same("group.share.heartbeat.interval.ms")])]
        "How often members send heartbeats.";
    "share.assignment.interval.ms" Int "1000"
        [at_least(0), from(&[same("group.share.assignment.interval.ms")])]
        "Least time between two computations of the assignment.";
    "share.auto.offset.reset" String "latest" [rule(Rule::OffsetReset)]
        "Where a group starts on a new partition: `earliest`, `latest`, or `by_duration:` and an \
         ISO 8601 duration back from now.";
    "share.isolation.level" String "read_uncommitted"
        [one_of(&["read_committed", "read_uncommitted"])]
        "Whether records of open and aborted transactions are delivered.";
    "share.delivery.count.limit" Int "5"
        [at_least(2), from(&[same("group.share.delivery.count.limit")])]
        "How often a record is delivered before it counts as failed.";
    "share.record.lock.duration.ms" Int "30000"
        [at_least(1000), from(&[same("group.share.record.lock.duration.ms")])]
        "How long a member may hold a record before it goes to another.";
    "share.partition.max.record.locks" Int "2000"
        [at_least(100), from(&[same("group.share.partition.max.record.locks")])]
        "How many records of a partition the group may hold at once.";
    "share.renew.acknowledge.enable" Boolean "true" []
        "Whether a member may prolong its hold on a record.";
    "streams.session.timeout.ms" Int "45000"
        [at_least(1), from(&[same("group.streams.session.timeout.ms")])]
        "How long a member may be silent before it is removed.";
    "streams.heartbeat.interval.ms" Int "5000"
        [at_least(1), from(&[same("group.streams.heartbeat.interval.ms")])]
        "How often members send heartbeats.";
    "streams.assignment.interval.ms" Int "1000"
        [at_least(0), from(&[same("group.streams.assignment.interval.ms")])]
        "Least time between two computations of the assignment.";
    "streams.initial.rebalance.delay.ms" Int "3000"
        [at_least(0), from(&[same("group.streams.initial.rebalance.delay.ms")])]
        "How long the first rebalance of an empty group waits for further members.";
    "streams.num.standby.replicas" Int "0"
        [at_least(0), from(&[same("group.streams.num.standby.replicas")])]
        "How many standby copies each task gets.";
}
