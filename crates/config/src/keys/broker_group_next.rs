//! Groups of the consumer (KIP-848), share (KIP-932) and streams (KIP-1071) protocols.

use super::reason::{NATIVE, ONE_ASSIGNOR, ONE_NODE, RUNTIME};
use crate::key::{Unit, keys};
use crate::rule::Rule;

keys! { Broker:
    "group.consumer.session.timeout.ms" Int "45000" [at_least(1)]
        "How long a member of consumer groups may be silent before it is removed. A group may be \
         given its own.";
    "group.consumer.min.session.timeout.ms" Int "45000" [at_least(1)]
        "Shortest session timeout that one of the consumer groups may be given.";
    "group.consumer.max.session.timeout.ms" Int "60000" [at_least(1)]
        "Longest session timeout that one of the consumer groups may be given.";
    "group.consumer.heartbeat.interval.ms" Int "5000" [at_least(1)]
        "How often members of consumer groups send heartbeats. A group may be given its own.";
    "group.consumer.min.heartbeat.interval.ms" Int "5000" [at_least(1)]
        "Shortest heartbeat interval that one of the consumer groups may be given.";
    "group.consumer.max.heartbeat.interval.ms" Int "15000"
        [at_least(1)]
        "Longest heartbeat interval that one of the consumer groups may be given.";
    "group.consumer.assignment.interval.ms" Int "1000"
        [at_least(0), cluster_wide]
        "Least time between two computations of the assignment in consumer groups. A group may be \
         given its own.";
    "group.consumer.min.assignment.interval.ms" Int "0" [at_least(0)]
        "Shortest assignment interval that one of the consumer groups may be given.";
    "group.consumer.max.assignment.interval.ms" Int "15000"
        [at_least(0)]
        "Longest assignment interval that one of the consumer groups may be given.";
    "group.consumer.max.size" Int "2147483647" [at_least(1)]
        "How many members one of the consumer groups may have.";
    "group.share.session.timeout.ms" Int "45000" [at_least(1)]
        "How long a member of share groups may be silent before it is removed. A group may be \
         given its own.";
    "group.share.min.session.timeout.ms" Int "45000" [at_least(1)]
        "Shortest session timeout that one of the share groups may be given.";
    "group.share.max.session.timeout.ms" Int "60000" [at_least(1)]
        "Longest session timeout that one of the share groups may be given.";
    "group.share.heartbeat.interval.ms" Int "5000" [at_least(1)]
        "How often members of share groups send heartbeats. A group may be given its own.";
    "group.share.min.heartbeat.interval.ms" Int "5000" [at_least(1)]
        "Shortest heartbeat interval that one of the share groups may be given.";
    "group.share.max.heartbeat.interval.ms" Int "15000" [at_least(1)]
        "Longest heartbeat interval that one of the share groups may be given.";
    "group.share.assignment.interval.ms" Int "1000"
        [at_least(0), cluster_wide]
        "Least time between two computations of the assignment in share groups. A group may be \
         given its own.";
    "group.share.min.assignment.interval.ms" Int "0" [at_least(0)]
        "Shortest assignment interval that one of the share groups may be given.";
    "group.share.max.assignment.interval.ms" Int "15000" [at_least(0)]
        "Longest assignment interval that one of the share groups may be given.";
    "group.share.max.size" Int "200" [between(1, 1000)]
        "How many members one of the share groups may have.";
    "group.streams.session.timeout.ms" Int "45000" [at_least(1)]
        "How long a member of streams groups may be silent before it is removed. A group may be \
         given its own.";
    "group.streams.min.session.timeout.ms" Int "45000" [at_least(1)]
        "Shortest session timeout that one of the streams groups may be given.";
    "group.streams.max.session.timeout.ms" Int "60000" [at_least(1)]
        "Longest session timeout that one of the streams groups may be given.";
    "group.streams.heartbeat.interval.ms" Int "5000" [at_least(1)]
        "How often members of streams groups send heartbeats. A group may be given its own.";
    "group.streams.min.heartbeat.interval.ms" Int "5000" [at_least(1)]
        "Shortest heartbeat interval that one of the streams groups may be given.";
    "group.streams.max.heartbeat.interval.ms" Int "15000" [at_least(1)]
        "Longest heartbeat interval that one of the streams groups may be given.";
    "group.streams.assignment.interval.ms" Int "1000"
        [at_least(0), cluster_wide]
        "Least time between two computations of the assignment in streams groups. A group may be \
         given its own.";
    "group.streams.min.assignment.interval.ms" Int "0" [at_least(0)]
        "Shortest assignment interval that one of the streams groups may be given.";
    "group.streams.max.assignment.interval.ms" Int "15000" [at_least(0)]
        "Longest assignment interval that one of the streams groups may be given.";
    "group.streams.max.size" Int "2147483647" [at_least(1)]
        "How many members one of the streams groups may have.";
    "group.consumer.assignors" List "uniform,range"
        [non_empty_list_of(&[])]
        "Server-side assignors, the default first.";
    "group.consumer.migration.policy" String "bidirectional"
        [rule(Rule::OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]))]
        "Between which protocols a group may move while it has members.";
    "group.consumer.regex.refresh.interval.ms" Int "600000"
        [at_least(10000), internal]
        "How often the topics behind a subscribed pattern are looked up again.";
    "group.share.assignors" List "simple" [non_empty_list_of(&[]), accepted(ONE_ASSIGNOR)]
        "The server-side assignor of share groups.";
    "group.share.delivery.count.limit" Int "5" [between(2, 10)]
        "How often a record is delivered before it counts as failed.";
    "group.share.min.delivery.count.limit" Int "2" [between(2, 5)]
        "Smallest delivery count a group may be given.";
    "group.share.max.delivery.count.limit" Int "10" [between(5, 25)]
        "Largest delivery count a group may be given.";
    "group.share.record.lock.duration.ms" Int "30000"
        [between(1000, 3600000)]
        "How long a member may hold a record before it goes to another.";
    "group.share.min.record.lock.duration.ms" Int "15000"
        [between(1000, 30000)]
        "Shortest lock duration a group may be given.";
    "group.share.max.record.lock.duration.ms" Int "60000"
        [between(30000, 3600000)]
        "Longest lock duration a group may be given.";
    "group.share.partition.max.record.locks" Int "2000"
        [between(100, 10000)]
        "How many records of a partition a group may hold at once.";
    "group.share.min.partition.max.record.locks" Int "100"
        [between(100, 2000)]
        "Smallest number of record locks a group may be given.";
    "group.share.max.partition.max.record.locks" Int "4000"
        [between(2000, 10000)]
        "Largest number of record locks a group may be given.";
    "group.share.max.share.sessions" Int "2000" [at_least(1)]
        "How many share sessions the broker remembers.";
    "group.share.initialize.retry.interval.ms" Int "30000"
        [at_least(1), internal, accepted(NATIVE)]
        "How long until initializing a share group's state is tried again.";
    "group.share.persister.class.name" String "org.apache.kafka.server.share.persister.DefaultStatePersister"
        [internal, jvm]
        "Java class that stores the state of share groups.";
    "group.streams.num.standby.replicas" Int "0" [at_least(0)]
        "How many standby copies each task gets.";
    "group.streams.max.standby.replicas" Int "2" [at_least(0)]
        "Largest number of standby copies a group may be given.";
    "group.streams.initial.rebalance.delay.ms" Int "3000" [at_least(0)]
        "How long the first rebalance of an empty group waits for further members.";
    "share.coordinator.append.linger.ms" Int "-1" [at_least(-1), accepted(NATIVE)]
        "How long the share coordinator gathers records before it writes them; -1 adapts by \
         itself.";
    "share.coordinator.cached.buffer.max.bytes" Int "1048588"
        [at_least(524288), cluster_wide, accepted(NATIVE)]
        "Largest write buffer the share coordinator keeps for reuse.";
    "share.coordinator.cold.partition.snapshot.interval.ms" Int "300000"
        [at_least(1), internal]
        "How often the state of a quiet partition is written as a snapshot.";
    "share.coordinator.load.buffer.size" Int "5242880"
        [at_least(1), unit_is(Unit::Bytes), accepted(NATIVE)]
        "How much is read at once while share-group state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int "500"
        [between(0, 500)]
        "How many updates are written between two snapshots of a partition's state.";
    "share.coordinator.state.topic.compression.codec" Int "0" []
        "Codec of the share coordinator's batches.";
    "share.coordinator.state.topic.min.isr" Short "2" [at_least(1)]
        "`min.insync.replicas` of the topic of share-group state.";
    "share.coordinator.state.topic.num.partitions" Int "50" [at_least(1)]
        "How many partitions the topic of share-group state has.";
    "share.coordinator.state.topic.prune.interval.ms" Int "300000"
        [at_least(1), internal]
        "How often old share-group state is deleted.";
    "share.coordinator.state.topic.segment.bytes" Int "104857600"
        [at_least(1)]
        "Segment size of the topic of share-group state.";
    "share.coordinator.threads" Int "1" [at_least(1), accepted(RUNTIME)]
        "How many threads the share coordinator has.";
    "share.coordinator.write.timeout.ms" Int "5000" [at_least(1), accepted(ONE_NODE)]
        "How long the share coordinator waits for the replicas of its topic.";
}
