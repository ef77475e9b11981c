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
}
