//! Listeners, connections, requests and their limits.

use super::reason::{INLINE, NATIVE, ONE_NODE, RUNTIME, SECURITY};
use crate::key::keys;

keys! { Broker:
    "listeners" List "PLAINTEXT://localhost:9092"
        [non_empty_list_of(&[]), per_broker, kafka_has("PLAINTEXT://:9092")]
        "Where the broker listens: `NAME://host:port`, separated by commas. An empty host listens \
         on every interface.";
    "advertised.listeners" List null [non_empty_list_of(&[])]
        "The addresses that clients are told to connect to, one per listener. Falls back to \
         `listeners`.";
    "listener.security.protocol.map" String "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"
        [per_broker]
        "Which security protocol each listener name speaks, as `NAME:PROTOCOL` pairs.";
    "early.start.listeners" List null
        [list_of(&[]), accepted("Listeners start together, when the broker is ready.")]
        "Listeners that may open before authorization data is loaded.";
    "socket.send.buffer.bytes" Int "102400" []
        "Send buffer of each client connection. -1 lets the system tune it, as Klamm does unless \
         the key is set.";
    "socket.receive.buffer.bytes" Int "102400" []
        "Receive buffer of each client connection. -1 lets the system tune it, as Klamm does unless \
         the key is set.";
    "socket.request.max.bytes" Int "104857600" [at_least(1)]
        "Largest request a client may send. A longer one closes the connection before it is read.";
    "socket.listen.backlog.size" Int "50" [at_least(1)]
        "How many connections may wait to be accepted on each listener; 1024 unless the key is set.";
    "max.connections" Int "2147483647" [at_least(0), cluster_wide]
        "How many connections a listener, or the broker, holds at once.";
    "max.connections.per.ip" Int "2147483647" [at_least(0), cluster_wide]
        "How many connections one client address may hold at once.";
    "max.connections.per.ip.overrides" String "" [cluster_wide]
        "Connection limits of single addresses, as `host:count` pairs separated by commas. The \
         addresses of a host name are looked up at the start and when this changes.";
    "max.connection.creation.rate" Int "2147483647" [at_least(0), cluster_wide]
        "How many connections per second the broker accepts.";
    "connections.max.idle.ms" Long "600000" []
        "How long a connection may be silent before the broker closes it; a negative value never \
         does.";
    "connection.failed.authentication.delay.ms" Int "100" [at_least(0), accepted(SECURITY)]
        "How long the broker waits before it closes a connection that failed to authenticate.";
    "queued.max.requests" Int "500" [at_least(1), accepted(INLINE)]
        "How many requests may wait to be handled before the broker stops reading from \
         connections.";
    "queued.max.request.bytes" Long "-1" []
        "How many bytes of requests may be in memory before the broker stops reading from \
         connections; -1 sets no limit.";
    "num.network.threads" Int "3" [at_least(1), cluster_wide, accepted(RUNTIME)]
        "How many threads read and write connections.";
    "num.io.threads" Int "8" [at_least(1), cluster_wide, accepted(RUNTIME)]
        "How many threads handle requests.";
    "background.threads" Int "10" [at_least(1), cluster_wide, accepted(RUNTIME)]
        "How many threads do background work.";
    "request.timeout.ms" Int "30000" [accepted(ONE_NODE)]
        "How long the broker waits for an answer to a request of its own.";
    "socket.connection.setup.timeout.ms" Long "10000" [accepted(ONE_NODE)]
        "How long the broker waits for a connection it opens, at the first attempt.";
    "socket.connection.setup.timeout.max.ms" Long "30000" [accepted(ONE_NODE)]
        "How long the broker waits for a connection it opens, after repeated failures.";
    "fetch.max.bytes" Int "57671680" [at_least(1024)]
        "Largest answer to one fetch request, unless a first batch alone is larger.";
    "max.incremental.fetch.session.cache.slots" Int "1000" [at_least(0)]
        "How many incremental fetch sessions the broker remembers.";
    "max.request.partition.size.limit" Int "2000" [at_least(1)]
        "How many partitions one answer to DescribeTopicPartitions lists at most.";
    "fetch.purgatory.purge.interval.requests" Int "1000" [accepted(NATIVE)]
        "How many finished requests the fetch purgatory keeps before it purges them.";
    "producer.purgatory.purge.interval.requests" Int "1000" [accepted(NATIVE)]
        "How many finished requests the produce purgatory keeps before it purges them.";
    "delete.records.purgatory.purge.interval.requests" Int "1" [accepted(NATIVE)]
        "How many finished requests the delete-records purgatory keeps before it purges them.";
    "share.fetch.purgatory.purge.interval.requests" Int "1000" [accepted(NATIVE)]
        "How many finished requests the share-fetch purgatory keeps before it purges them.";
}
