//! Quotas: the windows of a broker, its throttles, and the limits of clients and addresses.

use super::reason::ONE_NODE;
use crate::key::keys;

keys! { Broker:
    "quota.window.num" Int "11" [at_least(1)]
        "How many windows client quotas look back over.";
    "quota.window.size.seconds" Int "1" [at_least(1)]
        "How long one window of client quotas lasts.";
    "replication.quota.window.num" Int "11" [at_least(1), accepted(ONE_NODE)]
        "How many windows replication throttles look back over.";
    "replication.quota.window.size.seconds" Int "1" [at_least(1), accepted(ONE_NODE)]
        "How long one window of replication throttles lasts.";
    "alter.log.dirs.replication.quota.window.num" Int "11" [at_least(1), accepted(ONE_NODE)]
        "How many windows the throttle of moves between directories looks back over.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int "1" [at_least(1), accepted(ONE_NODE)]
        "How long one such window lasts.";
    "client.quota.callback.class" Class null [jvm]
        "Java class that decides quotas.";
    "leader.replication.throttled.rate" Long "9223372036854775807"
        [at_least(0), accepted(ONE_NODE), dynamic_only]
        "Upper bound on replication traffic that leaves this broker, for throttled replicas.";
    "follower.replication.throttled.rate" Long "9223372036854775807"
        [at_least(0), accepted(ONE_NODE), dynamic_only]
        "Upper bound on replication traffic that reaches this broker, for throttled replicas.";
    "replica.alter.log.dirs.io.max.bytes.per.second" Long "9223372036854775807"
        [at_least(0), dynamic_only]
        "Upper bound on moves of replicas between log directories.";
}

pub(super) use client::KEYS as CLIENT_KEYS;
pub(super) use ip::KEYS as IP_KEYS;

/// Quotas and credentials of users and client ids.
mod client {
    use super::super::reason::SECURITY;
    use crate::key::{Unit, keys};

    keys! { Client:
        "producer_byte_rate" Long "9223372036854775807"
            [unit_is(Unit::BytesPerSecond)]
            "Bytes per second that may be produced before the client is throttled.";
        "consumer_byte_rate" Long "9223372036854775807"
            [unit_is(Unit::BytesPerSecond)]
            "Bytes per second that may be fetched before the client is throttled.";
        "request_percentage" Double "2.147483647E9" []
            "Share of the broker's request-handling time, in percent, before the client is throttled.";
        "controller_mutation_rate" Double "2.147483647E9" []
            "Partitions per second that may be created or deleted before the client is throttled.";
        "SCRAM-SHA-256" String null [accepted(SECURITY), secret]
            "The user's SCRAM-SHA-256 credential.";
        "SCRAM-SHA-512" String null [accepted(SECURITY), secret]
            "The user's SCRAM-SHA-512 credential.";
    }
}

/// Quotas of client addresses.
mod ip {
    use crate::key::keys;

    keys! { Ip:
        "connection_creation_rate" Int "2147483647" [at_least(0)]
            "Connections per second that an address may open.";
    }
}
