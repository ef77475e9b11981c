//! Tiered storage.

use super::reason::TIERING;
use crate::key::keys;
use crate::rule::Rule;

keys! { Broker:
    "remote.log.storage.system.enable" Boolean "false" [accepted(TIERING)]
        "Whether the broker offers tiered storage.";
    "remote.log.storage.manager.class.name" String null [rule(Rule::NonEmpty), jvm]
        "Java class that stores segments remotely.";
    "remote.log.storage.manager.class.path" String null [jvm]
        "Class path of that class.";
    "remote.log.storage.manager.impl.prefix" String "rsm.config." [rule(Rule::NonEmpty), jvm]
        "Prefix of the keys handed to that class.";
    "remote.log.metadata.manager.class.name" String "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"
        [rule(Rule::NonEmpty), jvm]
        "Java class that keeps the list of remote segments.";
    "remote.log.metadata.manager.class.path" String null [jvm]
        "Class path of that class.";
    "remote.log.metadata.manager.impl.prefix" String "rlmm.config." [rule(Rule::NonEmpty), jvm]
        "Prefix of the keys handed to that class.";
    "remote.log.metadata.manager.listener.name" String null
        [rule(Rule::NonEmpty), accepted(TIERING)]
        "Listener over which the list of remote segments is read and written.";
    "remote.log.metadata.custom.metadata.max.bytes" Int "128" [at_least(0), accepted(TIERING)]
        "Largest extra data kept with a remote segment.";
    "remote.log.index.file.cache.total.size.bytes" Long "1073741824"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "Disk space for indexes fetched from remote storage.";
    "remote.log.index.file.cache.ttl.ms" Long "900000" [at_least(-1), internal, accepted(TIERING)]
        "How long an unused remote index stays in the cache.";
    "remote.log.manager.thread.pool.size" Int "2" [at_least(1), accepted(TIERING)]
        "How many threads work on remote storage.";
    "remote.log.manager.copier.thread.pool.size" Int "10"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "How many threads copy segments to remote storage.";
    "remote.log.manager.expiration.thread.pool.size" Int "10"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "How many threads delete expired remote segments.";
    "remote.log.manager.follower.thread.pool.size" Int "2"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "How many threads follow the state of remote segments.";
    "remote.log.manager.task.interval.ms" Long "30000" [at_least(1), accepted(TIERING)]
        "How often work on remote storage is due.";
    "remote.log.manager.task.retry.backoff.ms" Long "500" [at_least(1), internal, accepted(TIERING)]
        "First wait before failed remote work is repeated.";
    "remote.log.manager.task.retry.backoff.max.ms" Long "30000"
        [at_least(1), internal, accepted(TIERING)]
        "Longest wait before failed remote work is repeated.";
    "remote.log.manager.task.retry.jitter" Double "0.2"
        [rule(Rule::UpTo(0.5)), internal, accepted(TIERING)]
        "Random part of those waits, as a fraction.";
    "remote.log.manager.copy.max.bytes.per.second" Long "9223372036854775807"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "Upper bound on copying to remote storage.";
    "remote.log.manager.copy.quota.window.num" Int "11" [at_least(1), accepted(TIERING)]
        "How many windows that bound looks back over.";
    "remote.log.manager.copy.quota.window.size.seconds" Int "1" [at_least(1), accepted(TIERING)]
        "How long one such window lasts.";
    "remote.log.manager.fetch.max.bytes.per.second" Long "9223372036854775807"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "Upper bound on reading from remote storage.";
    "remote.log.manager.fetch.quota.window.num" Int "11" [at_least(1), accepted(TIERING)]
        "How many windows that bound looks back over.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int "1" [at_least(1), accepted(TIERING)]
        "How long one such window lasts.";
    "remote.log.reader.threads" Int "10" [at_least(1), cluster_wide, accepted(TIERING)]
        "How many threads read from remote storage.";
    "remote.log.reader.max.pending.tasks" Int "100" [at_least(1), accepted(TIERING)]
        "How many reads from remote storage may wait.";
    "remote.fetch.max.wait.ms" Int "500" [at_least(1), cluster_wide, accepted(TIERING)]
        "How long a fetch waits for remote storage.";
    "remote.list.offsets.request.timeout.ms" Long "30000"
        [at_least(1), cluster_wide, accepted(TIERING)]
        "How long a lookup of offsets waits for remote storage.";
    "follower.fetch.last.tiered.offset.enable" Boolean "false" [cluster_wide, accepted(TIERING)]
        "Whether a new follower starts where remote storage ends.";
}
