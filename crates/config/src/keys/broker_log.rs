//! Broker defaults of the log: segments, retention, flushing, compaction, directories.

use super::reason::{ONE_NODE, TIERING};
use crate::key::{Unit, keys};
use crate::rule::Rule;

keys! { Broker:
    "log.dir" List "klamm-data" [non_empty_list_of(&[]), kafka_has("/tmp/kafka-logs")]
        "Directory that holds the partitions when `log.dirs` is not set. Several may be given, \
         separated by commas.";
    "log.dirs" List null [non_empty_list_of(&[])]
        "Directories that hold the partitions, one per disk. Partitions are spread over them, and \
         one that fails does not stop the others. Falls back to `log.dir`.";
    "cordoned.log.dirs" List "" [list_of(&[]), per_broker]
        "Directories that take no new partitions; `*` means all of them. Each must be one of \
         `log.dirs`.";
    "num.partitions" Int "1" [at_least(1)]
        "How many partitions a topic gets when its creator names no number.";
    "auto.create.topics.enable" Boolean "true" []
        "Whether asking for the metadata of a topic that does not exist creates it.";
    "delete.topic.enable" Boolean "true" []
        "Whether topics may be deleted. When false every DeleteTopics request is refused.";
    "log.segment.bytes" Int "1073741824" [at_least(1048576), cluster_wide]
        "Size at which a log starts a new segment. Retention works on whole segments.";
    "log.roll.ms" Long null [cluster_wide]
        "Age at which a log starts a new segment although the old one is not full. Falls back to \
         `log.roll.hours`.";
    "log.roll.hours" Int "168" [at_least(1)]
        "Age at which a log starts a new segment, in hours; used when `log.roll.ms` is not set.";
    "log.roll.jitter.ms" Long null [cluster_wide]
        "Largest random amount taken off the roll age, so that segments do not all roll at once. \
         Falls back to `log.roll.jitter.hours`.";
    "log.roll.jitter.hours" Int "0" [at_least(0)]
        "Largest random amount taken off the roll age, in hours; used when `log.roll.jitter.ms` \
         is not set.";
    "log.retention.ms" Long null [cluster_wide]
        "How long records are kept; -1 keeps them for ever. Falls back to \
         `log.retention.minutes`, then `log.retention.hours`.";
    "log.retention.minutes" Int null []
        "How long records are kept, in minutes; used when `log.retention.ms` is not set.";
    "log.retention.hours" Int "168" []
        "How long records are kept, in hours; used when neither `log.retention.ms` nor \
         `log.retention.minutes` is set.";
    "log.retention.bytes" Long "-1" [cluster_wide]
        "How large one partition may grow before its oldest segments are deleted; -1 sets no \
         limit.";
    "log.retention.check.interval.ms" Long "300000" [at_least(1)]
        "How often logs are searched for segments that retention lets go.";
    "log.cleanup.policy" List "delete" [list_of(&["compact", "delete"]), cluster_wide]
        "What happens to old segments: `delete` drops them by age and size, `compact` keeps the \
         last record of each key; both may be combined.";
    "log.index.size.max.bytes" Int "10485760" [at_least(4), cluster_wide]
        "Largest size of a segment's offset index and of its time index. A full index makes the \
         segment roll.";
    "log.index.interval.bytes" Int "4096" [at_least(0), cluster_wide]
        "How many bytes of records lie between two entries of the offset index.";
    "log.flush.interval.messages" Long "9223372036854775807" [at_least(1), cluster_wide]
        "How many records a partition may hold before they are synced to disk. 1 syncs every \
         append before it is acknowledged, which is what a single node needs to survive a power \
         failure.";
    "log.flush.interval.ms" Long null [cluster_wide]
        "How long a record may wait before it is synced to disk. Falls back to \
         `log.flush.scheduler.interval.ms`.";
    "log.flush.scheduler.interval.ms" Long "9223372036854775807" []
        "How often logs are searched for records that are due to be synced.";
    "log.flush.offset.checkpoint.interval.ms" Int "60000" [at_least(0)]
        "How often the recovery points are written. After a crash a log is checked from its \
         recovery point on.";
    "log.flush.start.offset.checkpoint.interval.ms" Int "60000" [at_least(0)]
        "How often the log start offsets are written, so that deleted records do not come back \
         after a crash.";
    "log.segment.delete.delay.ms" Long "60000" [at_least(0), cluster_wide]
        "How long the files of a deleted segment stay on disk, so that reads under way can \
         finish.";
    "log.preallocate" Boolean "false" [cluster_wide]
        "Whether a new segment takes its whole size on disk at once.";
    "log.message.timestamp.type" String "CreateTime"
        [one_of(&["CreateTime", "LogAppendTime"]), cluster_wide]
        "Whether a record carries the time its producer gave it (`CreateTime`) or the time of its \
         append (`LogAppendTime`).";
    "log.message.timestamp.before.max.ms" Long "9223372036854775807" [at_least(0), cluster_wide]
        "How far a record's timestamp may lie behind the broker's clock before the record is \
         refused. Used with `CreateTime` only.";
    "log.message.timestamp.after.max.ms" Long "3600000" [at_least(0), cluster_wide]
        "How far a record's timestamp may lie ahead of the broker's clock before the record is \
         refused. Used with `CreateTime` only.";
    "message.max.bytes" Int "1048588" [at_least(0), cluster_wide]
        "Largest record batch, after compression, that a producer may send.";
    "compression.type" String "producer"
        [one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), cluster_wide]
        "Codec in which records are stored. `producer` keeps the producer's own; `uncompressed` \
         stores without.";
    "compression.gzip.level" Int "-1" [rule(Rule::GzipLevel), cluster_wide]
        "Level used where the broker itself compresses with gzip; -1 is the library's default.";
    "compression.lz4.level" Int "9" [between(1, 17), cluster_wide]
        "Level used where the broker itself compresses with LZ4.";
    "compression.zstd.level" Int "3" [between(-131072, 22), cluster_wide]
        "Level used where the broker itself compresses with Zstandard.";
    "log.cleaner.enable" Boolean "true" []
        "Whether the cleaner, which compacts logs, runs at all.";
    "log.cleaner.threads" Int "1" [at_least(0), cluster_wide]
        "How many threads compact logs.";
    "log.cleaner.backoff.ms" Long "15000" [at_least(0), cluster_wide]
        "How long an idle cleaner waits before it looks for work again.";
    "log.cleaner.dedupe.buffer.size" Long "134217728" [cluster_wide, unit_is(Unit::Bytes)]
        "Memory for the maps of keys that compaction builds, over all cleaner threads.";
    "log.cleaner.io.buffer.size" Int "524288" [at_least(0), cluster_wide, unit_is(Unit::Bytes)]
        "Memory for reading and writing during compaction, over all cleaner threads.";
    "log.cleaner.io.buffer.load.factor" Double "0.9" [cluster_wide]
        "How full the map of keys may get, as a fraction, before the cleaner stops adding keys to \
         a pass.";
    "log.cleaner.io.max.bytes.per.second" Double "1.7976931348623157E308" [cluster_wide]
        "Upper bound on what the cleaner reads and writes together.";
    "log.cleaner.delete.retention.ms" Long "86400000" [at_least(0), cluster_wide]
        "How long a compacted log keeps a tombstone, so that a reader that started from the \
         beginning still sees it.";
    "log.cleaner.min.compaction.lag.ms" Long "0" [at_least(0), cluster_wide]
        "How long a record stays untouched by compaction.";
    "log.cleaner.max.compaction.lag.ms" Long "9223372036854775807" [at_least(1), cluster_wide]
        "The age at which a record is compacted even if the log is not dirty enough.";
    "log.cleaner.min.cleanable.ratio" Double "0.5" [rule(Rule::UpTo(1.0)), cluster_wide]
        "Fraction of a log that must be uncompacted before the cleaner takes it up.";
    "log.local.retention.ms" Long "-2" [at_least(-2), cluster_wide, accepted(TIERING)]
        "How long records stay on local disk once they are in remote storage; -2 means as long as \
         `log.retention.ms`.";
    "log.local.retention.bytes" Long "-2" [at_least(-2), cluster_wide, accepted(TIERING)]
        "How much of a partition stays on local disk once it is in remote storage; -2 means as \
         much as `log.retention.bytes`.";
    "log.dir.failure.timeout.ms" Long "30000" [at_least(1), accepted(ONE_NODE)]
        "How long the broker may fail to report a broken log directory to the controller before \
         it stops.";
    "log.initial.task.delay.ms" Long "30000" [at_least(0), internal]
        "How long after start retention first looks for what to delete. For tests.";
    "num.recovery.threads.per.data.dir" Int "2" [at_least(1), cluster_wide]
        "How many threads per log directory recover logs at start and sync them at stop.";
    "producer.id.expiration.ms" Int "86400000" [at_least(1), cluster_wide]
        "How long a partition remembers an idle producer's sequence numbers.";
    "producer.id.expiration.check.interval.ms" Int "600000" [at_least(1), internal]
        "How often partitions look for idle producers to forget. For tests.";
    "create.topic.policy.class.name" Class null [jvm]
        "Java class that judges topic creations.";
    "alter.config.policy.class.name" Class null [jvm]
        "Java class that judges configuration changes.";
}
