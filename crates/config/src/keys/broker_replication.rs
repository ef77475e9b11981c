//! Replication, leader election, and the traffic between brokers.

use super::reason::ONE_NODE;
use crate::key::keys;

keys! { Broker:
    "default.replication.factor" Int "1" []
        "How many replicas a topic gets when its creator names no number.";
    "min.insync.replicas" Int "1" [at_least(1), cluster_wide]
        "How many in-sync replicas must hold a record before a producer with `acks=all` gets its \
         answer.";
    "unclean.leader.election.enable" Boolean "false" [cluster_wide, accepted(ONE_NODE)]
        "Whether a replica that is not in sync may become leader, which loses records.";
    "unclean.leader.election.interval.ms" Long "300000" [at_least(1), internal, accepted(ONE_NODE)]
        "How often partitions without a leader are searched for an unclean election.";
    "auto.leader.rebalance.enable" Boolean "true" [accepted(ONE_NODE)]
        "Whether leaderships go back to preferred replicas by themselves.";
    "leader.imbalance.check.interval.seconds" Long "300" [at_least(1), accepted(ONE_NODE)]
        "How often the controller looks whether leaderships should move back.";
    "replica.lag.time.max.ms" Long "30000" [accepted(ONE_NODE)]
        "How long a follower may lag before it leaves the in-sync replicas.";
    "replica.fetch.max.bytes" Int "1048576" [at_least(0), accepted(ONE_NODE)]
        "How many bytes of one partition a follower asks for at once.";
    "replica.fetch.min.bytes" Int "1" [accepted(ONE_NODE)]
        "How many bytes a follower waits for.";
    "replica.fetch.response.max.bytes" Int "10485760" [at_least(0), accepted(ONE_NODE)]
        "How many bytes a follower asks for over all partitions.";
    "replica.fetch.wait.max.ms" Int "500" [accepted(ONE_NODE)]
        "How long a follower's fetch may wait for records.";
    "replica.fetch.backoff.ms" Int "1000" [at_least(0), accepted(ONE_NODE)]
        "How long a follower waits after a failed fetch.";
    "replica.socket.timeout.ms" Int "30000" [accepted(ONE_NODE)]
        "How long a follower waits for the leader's answer.";
    "replica.socket.receive.buffer.bytes" Int "65536" [accepted(ONE_NODE)]
        "Receive buffer of the connection from a follower to its leader.";
    "replica.high.watermark.checkpoint.interval.ms" Long "5000" []
        "How often high watermarks are written to disk.";
    "replica.selector.class" String null [jvm]
        "Java class that picks the replica a client reads from.";
    "num.replica.fetchers" Int "1" [at_least(1), cluster_wide, accepted(ONE_NODE)]
        "How many fetchers copy from each other broker.";
    "num.replica.alter.log.dirs.threads" Int null []
        "How many replicas move between log directories at a time; not set is one per directory.";
    "controller.socket.timeout.ms" Int "30000" [accepted(ONE_NODE)]
        "How long a request between controller and broker may take.";
    "inter.broker.listener.name" String null []
        "Listener that brokers use among themselves. Excludes `security.inter.broker.protocol`.";
    "security.inter.broker.protocol" String "PLAINTEXT"
        [one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])]
        "Security protocol that brokers use among themselves, when no listener is named for it.";
    "broker.heartbeat.interval.ms" Int "2000" []
        "How often a broker tells the controller that it is alive.";
    "broker.session.timeout.ms" Int "9000" []
        "How long a broker may be silent before the controller fences it.";
    "initial.broker.registration.timeout.ms" Int "60000" [accepted(ONE_NODE)]
        "How long a starting broker tries to register before it gives up.";
    "offsets.topic.replication.factor" Short "3" [at_least(1)]
        "How many replicas the topic of committed offsets gets, bounded by the number of brokers.";
    "transaction.state.log.replication.factor" Short "3" [at_least(1)]
        "How many replicas the topic of transactions gets, bounded by the number of brokers.";
    "share.coordinator.state.topic.replication.factor" Short "3"
        [at_least(1)]
        "How many replicas the topic of share-group state gets.";
}
