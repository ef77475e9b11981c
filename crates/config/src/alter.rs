//! What the operations of IncrementalAlterConfigs make of a resource's configuration.

use std::collections::BTreeSet;

use crate::effective::Map;
use crate::error::{ConfigError, Refusal};
use crate::key::{Scope, Type};
use crate::keys;
use crate::value::split_list;

/// Longest value in bytes that a ConfigRecord can carry.
const VALUE_BYTES_MAX: usize = 32_767;

/// What to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Give it this value.
    Set,
    /// Take its value away, so that the default holds.
    Delete,
    /// Add these entries to a list.
    Append,
    /// Take these entries from a list.
    Subtract,
}

impl Operation {
    /// The operation of a request's code, if there is one.
    #[must_use]
    pub fn of_wire(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }
}

/// One operation on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// The key.
    pub name: &'a str,
    /// What to do with it.
    pub operation: Operation,
    /// The operand; not looked at by [`Operation::Delete`].
    pub value: Option<&'a str>,
}

/// Applies the changes to what was set on a resource and gives what is set afterwards. Whether
/// the result is valid is a question for [`crate::validate`].
///
/// A list that was not set is appended to and subtracted from as if it had been set to the key's
/// default. The entries of an operand are separated by commas; blanks at its ends belong to them,
/// as in Kafka.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for a key that appears twice or a missing operand,
/// [`Refusal::InvalidConfig`] for an append to something that is no list and for a value too long
/// to be stored.
pub fn apply(scope: Scope, current: &Map, changes: &[Change<'_>]) -> Result<Map, Refusal> {
    let request = |text: String| Err(Refusal::InvalidRequest(ConfigError::Rule(text)));
    let names: BTreeSet<&str> = changes.iter().map(|change| change.name).collect();
    if names.len() < changes.len() {
        return request("Error due to duplicate config keys".to_owned());
    }
    let nulls: Vec<&str> = changes
        .iter()
        .filter(|change| change.operation != Operation::Delete && change.value.is_none())
        .map(|change| change.name)
        .collect();
    if !nulls.is_empty() {
        return request(format!("Null value not supported for : {}", nulls.join(",")));
    }
    let mut result = current.clone();
    for change in changes {
        let operand = change.value.unwrap_or_default();
        let value = match change.operation {
            Operation::Delete => {
                result.remove(change.name);
                continue;
            }
            Operation::Set => operand.to_owned(),
            Operation::Append | Operation::Subtract => edit_list(scope, current, change, operand)?,
        };
        if value.len() > VALUE_BYTES_MAX {
            return Err(ConfigError::rule(
                "The configuration value cannot be added because it exceeds the maximum value \
                 size of 32767 bytes.",
            )
            .into());
        }
        result.insert(change.name.to_owned(), value);
    }
    Ok(result)
}

fn edit_list(
    scope: Scope,
    current: &Map,
    change: &Change<'_>,
    operand: &str,
) -> Result<String, Refusal> {
    let key = list_key(scope, change)?;
    let text = current.get(change.name).map_or(key.default.unwrap_or_default(), String::as_str);
    let entries = |text: &str| split_list(text).into_iter().filter(|entry| !entry.is_empty());
    let mut list: Vec<String> = entries(text).collect();
    for entry in entries(operand) {
        match change.operation {
            Operation::Subtract => list.retain(|known| *known != entry),
            _ if list.contains(&entry) => {}
            _ => list.push(entry),
        }
    }
    Ok(list.join(","))
}

/// Only brokers and topics have lists that can be appended to: Kafka's controller knows no other
/// resource's types.
fn list_key(scope: Scope, change: &Change<'_>) -> Result<&'static crate::Key, Refusal> {
    let known = matches!(scope, Scope::Broker | Scope::Topic);
    let key = keys::find(scope, change.name).filter(|key| known && key.kind == Type::List);
    let verb = if change.operation == Operation::Append { "append" } else { "subtract" };
    key.ok_or_else(|| {
        let name = change.name;
        let text = match scope {
            Scope::Broker => format!("Config value {verb} is not allowed for config key: {name}"),
            _ => {
                let verb = verb.to_uppercase();
                format!("Can't {verb} to key {name} because its type is not LIST.")
            }
        };
        ConfigError::Rule(text).into()
    })
}
