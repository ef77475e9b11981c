//! Group configurations (Kafka's `GroupConfig.validate`): each within the bounds that the broker
//! sets, and a session longer than a heartbeat interval.

use super::{Values, check_names, inherited, values_over};
use crate::effective::{Effective, Map};
use crate::error::{ConfigError, Refusal};
use crate::key::Scope;
use crate::value::Value;

/// Group keys that the broker bounds below and above by `group.<protocol>.min.<rest>` and
/// `group.<protocol>.max.<rest>`, in the order in which Kafka checks them.
const BOUNDED: [&str; 13] = [
    "consumer.heartbeat.interval.ms",
    "consumer.session.timeout.ms",
    "consumer.assignment.interval.ms",
    "share.heartbeat.interval.ms",
    "share.session.timeout.ms",
    "share.record.lock.duration.ms",
    "share.delivery.count.limit",
    "share.partition.max.record.locks",
    "share.assignment.interval.ms",
    "streams.heartbeat.interval.ms",
    "streams.session.timeout.ms",
    "streams.num.standby.replicas",
    "streams.assignment.interval.ms",
];

/// Checks the whole new configuration of a group.
///
/// # Errors
/// [`Refusal::InvalidConfig`] with Kafka's text.
pub fn group(overrides: &Map, broker: &Effective) -> Result<(), Refusal> {
    check_names(Scope::Group, overrides)?;
    let values = values_over(Scope::Group, overrides, |key| inherited(key, broker))?;
    for name in BOUNDED {
        check_bounds(name, number(&values, name), broker)?;
    }
    for protocol in ["consumer", "share", "streams"] {
        let session = format!("{protocol}.session.timeout.ms");
        let heartbeat = format!("{protocol}.heartbeat.interval.ms");
        if number(&values, &session) <= number(&values, &heartbeat) {
            let text = format!("{session} must be greater than {heartbeat}");
            return Err(ConfigError::Rule(text).into());
        }
    }
    Ok(())
}

/// `streams.num.standby.replicas` has an upper bound only, named without its `num`.
fn check_bounds(name: &str, value: i64, broker: &Effective) -> Result<(), ConfigError> {
    let Some((protocol, rest)) = name.split_once('.') else { return Ok(()) };
    let bound = |which: &str| {
        let rest = rest.strip_prefix("num.").unwrap_or(rest);
        let name = format!("group.{protocol}.{which}.{rest}");
        let bound = broker.get(&name).and_then(Value::as_integer);
        bound.map(|bound| (name, bound))
    };
    if let Some((min, _)) = bound("min").filter(|(_, min)| value < *min) {
        return Err(ConfigError::Rule(format!("{name} must be greater than or equal to {min}")));
    }
    if let Some((max, _)) = bound("max").filter(|(_, max)| value > *max) {
        return Err(ConfigError::Rule(format!("{name} must be less than or equal to {max}")));
    }
    Ok(())
}

fn number(values: &Values, name: &str) -> i64 {
    match values.get(name).and_then(Value::as_integer) {
        Some(n) => n,
        None => unreachable!("{name} is an integer group key with a default"),
    }
}
