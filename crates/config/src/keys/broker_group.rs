//! Consumer groups of the classic protocol, and committed offsets.

use super::reason::{NATIVE, RUNTIME};
use crate::key::{Unit, keys};

keys! { Broker:
    "group.initial.rebalance.delay.ms" Int "3000" []
        "How long the first rebalance of an empty group waits for further members.";
    "group.min.session.timeout.ms" Int "6000" []
        "Shortest session timeout a member may ask for.";
    "group.max.session.timeout.ms" Int "1800000" []
        "Longest session timeout a member may ask for.";
    "group.max.size" Int "2147483647" [at_least(1)]
        "How many members a group may have.";
    "group.coordinator.rebalance.protocols" List "classic,consumer,streams"
        [non_empty_list_of(&["consumer", "classic", "share", "streams"])]
        "Which group protocols are on. Deprecated.";
    "group.coordinator.threads" Int "4" [at_least(1), accepted(RUNTIME)]
        "How many threads the group coordinator has.";
    "group.coordinator.background.threads" Int "2" [at_least(1), accepted(RUNTIME)]
        "How many threads do the coordinator's long computations.";
    "group.coordinator.append.linger.ms" Int "-1" [at_least(-1), accepted(NATIVE)]
        "How long the coordinator gathers records before it writes them; -1 adapts by itself.";
    "group.coordinator.cached.buffer.max.bytes" Int "1048588"
        [at_least(524288), cluster_wide, accepted(NATIVE)]
        "Largest write buffer the coordinator keeps for reuse.";
    "offset.metadata.max.bytes" Int "4096" []
        "Longest note that a consumer may commit with an offset.";
    "offsets.commit.timeout.ms" Int "5000" [at_least(1)]
        "How long a commit waits for the replicas of the offsets topic.";
    "offsets.load.buffer.size" Int "5242880" [at_least(1), unit_is(Unit::Bytes), accepted(NATIVE)]
        "How much is read at once while committed offsets are loaded.";
    "offsets.retention.minutes" Int "10080" [at_least(1)]
        "How long offsets are kept after their group is empty, or after the last commit of a \
         consumer without a group membership.";
    "offsets.retention.check.interval.ms" Long "600000" [at_least(1)]
        "How often offsets are searched for those to expire.";
    "offsets.topic.num.partitions" Int "50" [at_least(1)]
        "How many partitions the topic of committed offsets has. Not to be changed afterwards.";
    "offsets.topic.segment.bytes" Int "104857600" [at_least(1)]
        "Segment size of the topic of committed offsets; small ones load fast.";
    "offsets.topic.compression.codec" Int "0" []
        "Codec of the coordinator's batches in the offsets topic: 0 none, 1 gzip, 2 snappy, 3 \
         LZ4, 4 Zstandard.";
}
