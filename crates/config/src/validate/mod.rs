//! Whether configurations hold together: what Kafka checks beyond single values.

mod broker;
mod client_metrics;
mod dynamic;
mod group;
mod topic;

pub use broker::broker;
pub use client_metrics::client_metrics;
pub use dynamic::{broker_changes, cluster_changes};
pub use group::group;
pub use topic::{RemoteStorage, topic};

use std::collections::BTreeMap;

use crate::effective::Map;
use crate::error::ConfigError;
use crate::key::{Key, Scope};
use crate::keys;
use crate::value::Value;

/// Values by name.
pub(crate) type Values = BTreeMap<&'static str, Value>;

/// Refuses the first name that is no key of the scope.
pub(crate) fn check_names(scope: Scope, given: &Map) -> Result<(), ConfigError> {
    match given.keys().find(|name| keys::find(scope, name).is_none()) {
        Some(name) => Err(ConfigError::unknown(scope, name)),
        None => Ok(()),
    }
}

/// Parses what was given for keys of a scope; `or` supplies the rest.
pub(crate) fn values_over(
    scope: Scope,
    given: &Map,
    or: impl Fn(&Key) -> Option<Value>,
) -> Result<Values, ConfigError> {
    let mut values = Values::new();
    for key in keys::all(scope) {
        let value = match given.get(key.name) {
            Some(text) => Some(Value::parse(key, text)?),
            None => or(key),
        };
        if let Some(value) = value {
            values.insert(key.name, value);
        }
    }
    Ok(values)
}

/// The value that a topic's or group's key takes from the broker, or its own default.
pub(crate) fn inherited(key: &Key, broker: &crate::Effective) -> Option<Value> {
    for synonym in key.synonyms {
        let Some(value) = broker.get(synonym.name) else { continue };
        if key.kind != crate::Type::Long {
            return Some(value.clone());
        }
        let number = value.as_integer()?.saturating_mul(synonym.factor);
        // Any negative number of hours or minutes means "for ever", which a topic writes as -1.
        let number = if key.name == "retention.ms" { number.max(-1) } else { number };
        return Some(Value::Long(number));
    }
    Value::of_type(key.kind, key.default?).ok()
}
