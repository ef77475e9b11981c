//! Topic configurations.

use super::reason::{ONE_NODE, TIERING};
use crate::key::{hours, keys, minutes, same};
use crate::rule::Rule;

keys! { Topic:
    "cleanup.policy" List "delete"
        [list_of(&["compact", "delete"]), from(&[same("log.cleanup.policy")])]
        "What happens to old segments: `delete` drops them by age and size, `compact` keeps the \
         last record of each key. Both may be combined; an empty list keeps everything.";
    "compression.type" String "producer"
        [one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), from(&[same("compression.type")])]
        "Codec in which records are stored. `producer` keeps the producer's own; `uncompressed` \
         stores without.";
    "compression.gzip.level" Int "-1"
        [rule(Rule::GzipLevel), from(&[same("compression.gzip.level")])]
        "Level used where the broker compresses with gzip; -1 is the library's default.";
    "compression.lz4.level" Int "9" [between(1, 17), from(&[same("compression.lz4.level")])]
        "Level used where the broker compresses with LZ4.";
    "compression.zstd.level" Int "3" [between(-131072, 22), from(&[same("compression.zstd.level")])]
        "Level used where the broker compresses with Zstandard.";
    "delete.retention.ms" Long "86400000"
        [at_least(0), from(&[same("log.cleaner.delete.retention.ms")])]
        "How long a compacted topic keeps a tombstone, so that a reader that started from the \
         beginning still sees it.";
    "file.delete.delay.ms" Long "60000" [at_least(0), from(&[same("log.segment.delete.delay.ms")])]
        "How long the files of a deleted segment stay on disk, so that reads under way can \
         finish.";
    "flush.messages" Long "9223372036854775807"
        [at_least(1), from(&[same("log.flush.interval.messages")])]
        "How many records a partition may hold before they are synced to disk. 1 syncs every \
         append before it is acknowledged.";
    "flush.ms" Long "9223372036854775807"
        [at_least(0), from(&[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")])]
        "How long a record may wait before it is synced to disk.";
    "follower.replication.throttled.replicas" List ""
        [rule(Rule::ThrottledReplicas), accepted(ONE_NODE)]
        "Replicas whose copying is throttled on the follower's side, as `partition:broker` pairs, \
         or `*` for all.";
    "leader.replication.throttled.replicas" List ""
        [rule(Rule::ThrottledReplicas), accepted(ONE_NODE)]
        "Replicas whose copying is throttled on the leader's side, as `partition:broker` pairs, \
         or `*` for all.";
    "index.interval.bytes" Int "4096" [at_least(0), from(&[same("log.index.interval.bytes")])]
        "How many bytes of records lie between two entries of the offset index.";
    "internal.segment.bytes" Int null [internal]
        "Segment size without a lower bound; wins over `segment.bytes`. For tests.";
    "local.retention.bytes" Long "-2"
        [at_least(-2), from(&[same("log.local.retention.bytes")]), accepted(TIERING)]
        "How much of a partition stays on local disk once it is in remote storage; -2 means as \
         much as `retention.bytes`.";
    "local.retention.ms" Long "-2"
        [at_least(-2), from(&[same("log.local.retention.ms")]), accepted(TIERING)]
        "How long records stay on local disk once they are in remote storage; -2 means as long as \
         `retention.ms`.";
    "max.compaction.lag.ms" Long "9223372036854775807"
        [at_least(1), from(&[same("log.cleaner.max.compaction.lag.ms")])]
        "The age at which a record is compacted even if the log is not dirty enough.";
    "max.message.bytes" Int "1048588" [at_least(0), from(&[same("message.max.bytes")])]
        "Largest record batch, after compression, that a producer may send.";
    "message.timestamp.after.max.ms" Long "3600000"
        [at_least(0), from(&[same("log.message.timestamp.after.max.ms")])]
        "How far a record's timestamp may lie ahead of the broker's clock before the record is \
         refused. Used with `CreateTime` only.";
    "message.timestamp.before.max.ms" Long "9223372036854775807"
        [at_least(0), from(&[same("log.message.timestamp.before.max.ms")])]
        "How far a record's timestamp may lie behind the broker's clock before the record is \
         refused. Used with `CreateTime` only.";
    "message.timestamp.type" String "CreateTime"
        [one_of(&["CreateTime", "LogAppendTime"]), from(&[same("log.message.timestamp.type")])]
        "Whether a record carries the time its producer gave it (`CreateTime`) or the time of its \
         append (`LogAppendTime`).";
    "min.cleanable.dirty.ratio" Double "0.5"
        [rule(Rule::UpTo(1.0)), from(&[same("log.cleaner.min.cleanable.ratio")])]
        "Fraction of a log that must be uncompacted before the cleaner takes it up.";
    "min.compaction.lag.ms" Long "0"
        [at_least(0), from(&[same("log.cleaner.min.compaction.lag.ms")])]
        "How long a record stays untouched by compaction. Not more than `max.compaction.lag.ms`.";
    "min.insync.replicas" Int "1" [at_least(1), from(&[same("min.insync.replicas")])]
        "How many in-sync replicas must hold a record before a producer with `acks=all` gets its \
         answer.";
    "preallocate" Boolean "false" [from(&[same("log.preallocate")])]
        "Whether a new segment takes its whole size on disk at once.";
    "remote.log.copy.disable" Boolean "false" [accepted(TIERING)]
        "Whether nothing more is copied to remote storage; what is there stays readable.";
    "remote.log.delete.on.disable" Boolean "false" [accepted(TIERING)]
        "Whether turning remote storage off deletes what is in it.";
    "remote.storage.enable" Boolean "false" [accepted(TIERING)]
        "Whether the topic uses tiered storage.";
    "retention.bytes" Long "-1" [from(&[same("log.retention.bytes")])]
        "How large one partition may grow before its oldest segments are deleted; -1 sets no \
         limit.";
    "retention.ms" Long "604800000"
        [at_least(-1), from(&[same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")])]
        "How long records are kept; -1 keeps them for ever.";
    "segment.bytes" Int "1073741824" [at_least(1048576), from(&[same("log.segment.bytes")])]
        "Size at which a partition starts a new segment. Retention works on whole segments.";
    "segment.index.bytes" Int "10485760" [at_least(4), from(&[same("log.index.size.max.bytes")])]
        "Largest size of a segment's offset index and of its time index. A full index makes the \
         segment roll.";
    "segment.jitter.ms" Long "0"
        [at_least(0), from(&[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")])]
        "Largest random amount taken off `segment.ms`, so that segments do not all roll at once.";
    "segment.ms" Long "604800000"
        [at_least(1), from(&[same("log.roll.ms"), hours("log.roll.hours")])]
        "Age at which a partition starts a new segment although the old one is not full.";
    "unclean.leader.election.enable" Boolean "false"
        [from(&[same("unclean.leader.election.enable")]), accepted(ONE_NODE)]
        "Whether a replica that is not in sync may become leader, which loses records.";
}
