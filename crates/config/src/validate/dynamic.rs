//! Changes of broker keys at run time (Kafka's `DynamicBrokerConfig.validate`).

use super::broker;
use super::topic::check_local;
use crate::broker::BrokerConfig;
use crate::effective::{Dynamic, Effective, Map};
use crate::error::{ConfigError, Refusal};
use crate::key::{Key, Update};
use crate::keys;
use crate::value::Value;

/// Security keys that may change at run time for one listener, and not for all at once.
const PER_LISTENER: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Listener keys that may be set for all brokers at once.
const CLUSTER_WIDE_LISTENER: [&str; 3] =
    ["max.connection.creation.rate", "max.connections", "num.network.threads"];

/// Numbers of threads, which may at most double or halve with one change.
const THREADS: [&str; 6] = [
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

/// Checks the whole new dynamic configuration of one broker.
///
/// # Errors
/// [`Refusal::InvalidRequest`], as Kafka's brokers answer before they ask the controller.
pub fn broker_changes(new: &Map, config: &BrokerConfig, now: Dynamic<'_>) -> Result<(), Refusal> {
    let after = Dynamic { default: now.default, broker: new };
    check(new, true, &config.effective(now), &config.effective(after))
}

/// Checks the whole new dynamic configuration of all brokers.
///
/// # Errors
/// [`Refusal::InvalidRequest`], as Kafka's brokers answer before they ask the controller.
pub fn cluster_changes(new: &Map, config: &BrokerConfig, now: Dynamic<'_>) -> Result<(), Refusal> {
    let after = Dynamic { default: new, broker: now.broker };
    check(new, false, &config.effective(now), &config.effective(after))
}

fn check(new: &Map, one_broker: bool, now: &Effective, after: &Effective) -> Result<(), Refusal> {
    check_names(new, one_broker)
        .and_then(|()| check_values(new))
        .and_then(|()| broker(after))
        .and_then(|()| check_changes(now, after))
        .map_err(Refusal::InvalidRequest)
}

fn check_names(new: &Map, one_broker: bool) -> Result<(), ConfigError> {
    let fixed = |name: &str| {
        let key = keys::find(crate::Scope::Broker, name);
        key.is_some_and(|key| key.update == Update::ReadOnly)
    };
    let unprefixed = |name: &str| PER_LISTENER.contains(&name);
    refuse_names(new, "Cannot update these configs dynamically", fixed)?;
    refuse_names(
        new,
        "These security configs can be dynamically updated only per-listener using the listener \
         prefix",
        unprefixed,
    )?;
    if one_broker {
        return Ok(());
    }
    refuse_names(
        new,
        "Cannot update these configs at default cluster level, broker id must be specified",
        is_of_one_broker,
    )
}

fn is_of_one_broker(name: &str) -> bool {
    match keys::unprefixed(name) {
        Some(base) => !CLUSTER_WIDE_LISTENER.contains(&base),
        None => keys::find_broker(name).is_some_and(|key| key.update == Update::PerBroker),
    }
}

fn refuse_names(new: &Map, text: &str, wrong: impl Fn(&str) -> bool) -> Result<(), ConfigError> {
    let names: Vec<&str> = new.keys().map(String::as_str).filter(|name| wrong(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(ConfigError::Rule(format!("{text}: [{}]", names.join(", "))))
}

/// Names that no key has are let through: Kafka hands them to its plug-ins.
fn check_values(new: &Map) -> Result<(), ConfigError> {
    let known = |name: &str| -> Option<&'static Key> { keys::find_broker(name) };
    new.iter()
        .filter_map(|(name, text)| Some((known(name)?, text)))
        .try_for_each(|(key, text)| Value::parse(key, text).map(drop))
}

fn check_changes(now: &Effective, after: &Effective) -> Result<(), ConfigError> {
    for name in THREADS {
        let (old, new) = (now.long(name), after.long(name));
        let limit = if new < old / 2 {
            format!("value should be at least half the current value {old}")
        } else if new > old * 2 {
            format!("value should not be greater than double the current value {old}")
        } else {
            continue;
        };
        return Err(ConfigError::Rule(format!(
            "Dynamic thread count update validation failed for {name}={new}, {limit}"
        )));
    }
    check_retention(now, after)
}

/// A start with more kept locally than at all is let through, as in Kafka; a change is not.
fn check_retention(now: &Effective, after: &Effective) -> Result<(), ConfigError> {
    let retention = |config: &Effective| {
        let of = |name| config.long(name);
        (
            (of("log.local.retention.bytes"), of("log.retention.bytes")),
            (of("log.local.retention.ms"), crate::topic::retention_ms(config)),
        )
    };
    if retention(now) == retention(after) {
        return Ok(());
    }
    let ((local_bytes, bytes), (local_ms, ms)) = retention(after);
    check_local(("log.local.retention.bytes", local_bytes), ("log.retention.bytes", bytes))?;
    check_local(("log.local.retention.ms", local_ms), ("log.retention.ms", ms))
}
