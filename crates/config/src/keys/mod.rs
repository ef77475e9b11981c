//! The registry: every key that Apache Kafka 4.3.1 knows and the few that Klamm adds, one table
//! per subject, and the look-ups over all of them.
//!
//! A newer Kafka release's keys are added here; a test compares the registry with a committed
//! list of what Kafka has.

mod broker_group;
mod broker_group_next;
mod broker_log;
mod broker_network;
mod broker_node;
mod broker_quorum;
mod broker_quota;
mod broker_remote;
mod broker_replication;
mod broker_security;
mod broker_tls;
mod broker_transaction;
mod client_metrics;
mod group;
mod klamm;
mod reason;
mod topic;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::key::{Key, Scope};

/// The tables in the order of `docs/config.md`, with their titles.
pub(crate) const TABLES: &[(&str, &[Key])] = &[
    ("Node", broker_node::KEYS),
    ("Listeners, connections, requests", broker_network::KEYS),
    ("Log", broker_log::KEYS),
    ("Consumer groups and committed offsets", broker_group::KEYS),
    ("Replication", broker_replication::KEYS),
    ("Metadata quorum", broker_quorum::KEYS),
    ("Transactions", broker_transaction::KEYS),
    ("Consumer, share and streams groups", broker_group_next::KEYS),
    ("Quotas", broker_quota::KEYS),
    ("TLS", broker_tls::KEYS),
    ("Authentication and authorization", broker_security::KEYS),
    ("Tiered storage", broker_remote::KEYS),
    ("Klamm's own", klamm::KEYS),
    ("Topics", topic::KEYS),
    ("Groups", group::KEYS),
    ("Client-metrics subscriptions", client_metrics::KEYS),
    ("Users and client ids", broker_quota::CLIENT_KEYS),
    ("Client addresses", broker_quota::IP_KEYS),
];

type ByName = BTreeMap<(Scope, &'static str), &'static Key>;

static BY_NAME: LazyLock<ByName> = LazyLock::new(|| {
    let keys = TABLES.iter().flat_map(|(_, keys)| keys.iter());
    keys.map(|key| ((key.scope, key.name), key)).collect()
});

/// The key of this scope and name.
#[must_use]
pub fn find(scope: Scope, name: &str) -> Option<&'static Key> {
    // The map's names live for ever, a looked-up one need not: compare through a range.
    BY_NAME.get(&(scope, name) as &(Scope, &str)).copied()
}

/// Every key of a scope, by name.
pub fn all(scope: Scope) -> impl Iterator<Item = &'static Key> {
    BY_NAME.values().copied().filter(move |key| key.scope == scope)
}

/// The broker key behind a name that may start with `listener.name.<listener>.`, which sets the
/// key for one listener. Some security keys have a SASL mechanism between the two as well.
#[must_use]
pub fn find_broker(name: &str) -> Option<&'static Key> {
    find(Scope::Broker, name).or_else(|| find(Scope::Broker, unprefixed(name)?))
}

/// Keys that may be set for one SASL mechanism of a listener (Kafka's
/// `DynamicBrokerConfig.LISTENER_MECHANISM_CONFIGS`).
const MECHANISM_KEYS: [&str; 5] = [
    "connections.max.reauth.ms",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
];

/// What follows `listener.name.<listener>.`, without a SASL mechanism before a key that takes
/// one; `None` for a name that sets nothing for one listener.
#[must_use]
pub fn unprefixed(name: &str) -> Option<&str> {
    let (_, rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
    let mechanism_key = MECHANISM_KEYS.iter().find(|key| rest.ends_with(*key));
    Some(mechanism_key.copied().unwrap_or(rest))
}
