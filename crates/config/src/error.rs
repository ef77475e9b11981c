//! What is wrong with a configuration, and what a client is told.

use crate::key::{Key, Scope};
use crate::suggest;
use crate::value::Value;

/// What is wrong with one key or with several together. The texts are Kafka's, with the nearest
/// known name added where a name is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No key of the scope has this name.
    #[error("{}: {name}{}", unknown(*scope), hint(*nearest))]
    UnknownKey {
        /// Where the name was looked for.
        scope: Scope,
        /// The name as given.
        name: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A value is not of the key's type, or not allowed.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// The key.
        name: String,
        /// The value as given; hidden if it is secret.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// Several keys do not go together, or a rule of another form is broken.
    #[error("{0}")]
    Rule(String),
}

impl ConfigError {
    pub(crate) fn unknown(scope: Scope, name: &str) -> Self {
        Self::UnknownKey { scope, name: name.to_owned(), nearest: suggest::nearest(scope, name) }
    }

    /// A list is shown as Java shows one, in brackets.
    pub(crate) fn invalid(key: &Key, value: &Value, reason: String) -> Self {
        let value = match value {
            Value::List(items) => format!("[{}]", items.join(", ")),
            value => value.to_string(),
        };
        Self::Invalid { name: key.name.to_owned(), value, reason }
    }

    pub(crate) fn rule(text: impl Into<String>) -> Self {
        Self::Rule(text.into())
    }
}

fn unknown(scope: Scope) -> String {
    match scope {
        Scope::ClientMetrics => "Unknown client metrics configuration".to_owned(),
        scope => format!("Unknown {scope} config name"),
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(". Did you mean {name}?"))
}

/// Why a change was refused: the Kafka error code to answer with, and the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Answer INVALID_CONFIG (40): fix the value.
    #[error("{0}")]
    InvalidConfig(ConfigError),
    /// Answer INVALID_REQUEST (42): fix the request.
    #[error("{0}")]
    InvalidRequest(ConfigError),
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::InvalidConfig(error)
    }
}
