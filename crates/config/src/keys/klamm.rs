//! What Klamm configures and Kafka has no key for.

use crate::key::{Unit, keys};

keys! { Broker:
    "klamm.worker.threads" Int "0" [between(0, 1024), internal]
        "How many threads serve connections and requests; 0 takes one per core.";
    "klamm.shutdown.timeout.ms" Long "30000" [at_least(0), internal]
        "How long a stopping broker waits for requests under way before it closes their \
         connections. What was acknowledged is safe either way.";
    "klamm.batch.decompressed.max.bytes" Long "134217728" [at_least(1), internal, unit_is(Unit::Bytes)]
        "How large one record batch may become when it is decompressed. A batch that would grow \
         larger is refused, so that a small request cannot take all memory.";
    "klamm.admin.listeners" List "127.0.0.1:9644" [list_of(&[]), internal]
        "Where the broker answers HTTP: metrics for Prometheus at `/metrics`, probes at `/livez` and \
         `/readyz`. Addresses as `host:port`, separated by commas; port 0 takes a free one; none \
         switches it off, as does an embedded broker unless the key is set. Nobody is asked who he \
         is, so an address that others reach tells them the names of topics, groups and clients. \
         Unless the key is set, a port that is taken gives way to a free one.";
    "klamm.slow.request.ms" Long "1000" [cluster_wide, internal]
        "A request that takes longer is logged, and shown at `/debug/slow-requests`, with the time \
         of each stage. What a client asked to wait for (records, other members of its group) \
         does not count. A negative value logs none.";
    "klamm.metrics.topics.max" Int "10000" [at_least(0), cluster_wide, internal]
        "How many topics have metrics of their own; 0 switches them off.";
    "klamm.metrics.partitions.max" Int "10000" [at_least(0), cluster_wide, internal]
        "How many partitions have metrics of their own; 0 switches them off.";
    "klamm.metrics.group.partitions.max" Int "10000" [at_least(0), cluster_wide, internal]
        "For how many partitions of groups committed offset and lag are shown; 0 switches them off. \
         The sums by topic and group remain.";
    "klamm.client.telemetry.series.max" Int "20000" [at_least(0), cluster_wide, internal]
        "How many series of metrics that clients push (KIP-714) are kept; one client has at most a \
         tenth of them.";
    "klamm.disk.policy" String "none"
        [one_of(&["none", "restrict", "delete-oldest", "delete-proportional", "staged"]), cluster_wide, internal]
        "What happens when the volume of a log directory fills. `none`: nothing, as in Kafka. \
         `restrict`: producing is refused from `klamm.disk.restrict.percent` on, with \
         KAFKA_STORAGE_ERROR, which producers try again. `delete-oldest`: from \
         `klamm.disk.delete.percent` on the oldest `klamm.disk.delete.share.percent` of the logs \
         are deleted. `delete-proportional`: what is above `klamm.disk.delete.percent` is deleted, \
         from each log in proportion to its size. `staged`: from `klamm.disk.expire.percent` on \
         retention runs at every check, from `klamm.disk.delete.percent` on the oldest data are \
         deleted until usage is below it, from `klamm.disk.restrict.percent` on producing is \
         refused. Internal and compacted topics are left alone, and so are segments that are \
         still written. Fetching and committing offsets go on.";
    "klamm.disk.check.interval.ms" Long "5000" [at_least(10), cluster_wide, internal]
        "How often it is looked how full the volumes of the log directories are.";
    "klamm.disk.expire.percent" Int "75" [between(1, 100), cluster_wide, internal]
        "Usage of a volume from which on `staged` runs retention at every check. There not more \
         than `klamm.disk.delete.percent`.";
    "klamm.disk.delete.percent" Int "85" [between(1, 100), cluster_wide, internal]
        "Usage of a volume from which on data are deleted, whether or not retention lets them go. \
         With `staged` not more than `klamm.disk.restrict.percent`.";
    "klamm.disk.restrict.percent" Int "95" [between(1, 100), cluster_wide, internal]
        "Usage of a volume from which on producing is refused.";
    "klamm.disk.resume.percent" Int "93" [between(1, 100), cluster_wide, internal]
        "Usage of a volume below which producing is allowed again. Not more than \
         `klamm.disk.restrict.percent`.";
    "klamm.disk.delete.share.percent" Int "10" [between(1, 100), cluster_wide, internal]
        "Part of the data of a directory that `delete-oldest` deletes at a time.";
    "klamm.disk.delete.min.age.ms" Long "0" [at_least(0), cluster_wide, internal]
        "Records that are younger than this are not deleted because the volume is full.";
    "klamm.disk.delete.min.bytes" Long "0" [at_least(0), cluster_wide, internal]
        "So much of each partition is left when records are deleted because the volume is full.";
}
