//! Transactions and the topic that stores them.

use super::reason::NATIVE;
use crate::key::{Unit, keys};

keys! { Broker:
    "transaction.max.timeout.ms" Int "900000" [at_least(1)]
        "Longest transaction timeout a producer may ask for.";
    "transactional.id.expiration.ms" Int "604800000" [at_least(1)]
        "How long the coordinator remembers an unused transactional id.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int "10000"
        [at_least(1)]
        "How often transactions are searched for those that timed out.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int "3600000"
        [at_least(1)]
        "How often transactional ids are searched for those to forget.";
    "transaction.partition.verification.enable" Boolean "true"
        [cluster_wide]
        "Whether a write in a transaction is checked against the coordinator.";
    "transaction.two.phase.commit.enable" Boolean "false" []
        "Whether producers may take part in a commit that another system decides.";
    "transaction.state.log.load.buffer.size" Int "5242880"
        [at_least(1), unit_is(Unit::Bytes), accepted(NATIVE)]
        "How much is read at once while transactions are loaded.";
    "transaction.state.log.min.isr" Int "2" [at_least(1)]
        "`min.insync.replicas` of the topic of transactions.";
    "transaction.state.log.num.partitions" Int "50" [at_least(1)]
        "How many partitions the topic of transactions has. Not to be changed afterwards.";
    "transaction.state.log.segment.bytes" Int "104857600" [at_least(1)]
        "Segment size of the topic of transactions.";
    "add.partitions.to.txn.retry.backoff.ms" Int "20" [at_least(1)]
        "How long until adding a partition to a transaction is tried again.";
    "add.partitions.to.txn.retry.backoff.max.ms" Int "100" [at_least(0)]
        "How long adding a partition to a transaction is retried on the producer's behalf.";
}
