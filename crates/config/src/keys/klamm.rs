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
}
