//! Topic configurations (Kafka's `LogConfig.validate`).

use super::{Values, check_names, inherited, values_over};
use crate::effective::{Effective, Map};
use crate::error::{ConfigError, Refusal};
use crate::key::Scope;
use crate::value::Value;

/// What a topic's configuration is checked against, as far as tiered storage goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteStorage {
    /// Whether the broker has tiered storage (`remote.log.storage.system.enable`).
    pub offered: bool,
    /// Whether the topic has used it until now.
    pub in_use: bool,
}

/// Checks the whole new configuration of a topic, as CreateTopics, AlterConfigs and
/// IncrementalAlterConfigs do before they store it.
///
/// # Errors
/// [`Refusal::InvalidConfig`] with Kafka's text.
pub fn topic(overrides: &Map, broker: &Effective, remote: RemoteStorage) -> Result<(), Refusal> {
    check_names(Scope::Topic, overrides)?;
    let values = values_over(Scope::Topic, overrides, |key| inherited(key, broker))?;
    check_compaction_lags(&values)?;
    if flag(&values, "remote.storage.enable") {
        check_remote(&values, remote)?;
    } else if remote.in_use && !flag(&values, "remote.log.delete.on.disable") {
        return Err(ConfigError::rule(
            "It is invalid to disable remote storage without deleting remote data. If you want \
             to keep the remote data and turn to read only, please set \
             `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable \
             remote storage and delete all remote data, please set \
             `remote.storage.enable=false,remote.log.delete.on.disable=true`.",
        )
        .into());
    }
    Ok(())
}

fn check_compaction_lags(values: &Values) -> Result<(), ConfigError> {
    let min = number(values, "min.compaction.lag.ms");
    let max = number(values, "max.compaction.lag.ms");
    if min <= max {
        return Ok(());
    }
    Err(ConfigError::Rule(format!(
        "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms \
         ({max})"
    )))
}

fn check_remote(values: &Values, remote: RemoteStorage) -> Result<(), ConfigError> {
    if !remote.offered {
        return Err(ConfigError::rule(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured \
             with remote log storage.",
        ));
    }
    let only_delete = match values.get("cleanup.policy") {
        Some(Value::List(items)) => items.is_empty() || *items == ["delete"],
        _ => true,
    };
    if !only_delete {
        return Err(ConfigError::rule(
            "Remote log storage only supports topics with cleanup.policy=delete or \
             cleanup.policy being an empty list.",
        ));
    }
    let of = |name| number(values, name);
    check_local(
        ("local.retention.bytes", of("local.retention.bytes")),
        ("retention.bytes", of("retention.bytes")),
    )?;
    check_local(
        ("local.retention.ms", of("local.retention.ms")),
        ("retention.ms", of("retention.ms")),
    )?;
    if flag(values, "remote.log.copy.disable") {
        check_same(values, "local.retention.bytes", "retention.bytes")?;
        check_same(values, "local.retention.ms", "retention.ms")?;
    }
    Ok(())
}

/// What is kept locally must not be more than what is kept at all; -2 stands for "the same".
pub(super) fn check_local(local: (&str, i64), all: (&str, i64)) -> Result<(), ConfigError> {
    // A negative number of bytes sets no limit, of milliseconds only -1 does.
    let unlimited = if all.0.ends_with(".bytes") { all.1 < 0 } else { all.1 == -1 };
    if unlimited || local.1 == -2 {
        return Ok(());
    }
    let reason = if local.1 == -1 {
        format!("Value must not be -1 as {} value is set as {}.", all.0, all.1)
    } else if local.1 > all.1 {
        format!("Value must not be more than {} property value: {}", all.0, all.1)
    } else {
        return Ok(());
    };
    Err(ConfigError::Invalid { name: local.0.to_owned(), value: local.1.to_string(), reason })
}

fn check_same(values: &Values, local: &str, all: &str) -> Result<(), ConfigError> {
    let kept = number(values, local);
    if kept == -2 || kept == number(values, all) {
        return Ok(());
    }
    Err(ConfigError::Rule(format!(
        "When `remote.log.copy.disable` is set to true, the `{local}` and `{all}` must be set to \
         the identical value because there will be no more logs copied to the remote storage."
    )))
}

fn number(values: &Values, name: &str) -> i64 {
    match values.get(name).and_then(Value::as_integer) {
        Some(n) => n,
        None => unreachable!("{name} is an integer topic key with a default"),
    }
}

fn flag(values: &Values, name: &str) -> bool {
    values.get(name) == Some(&Value::Boolean(true))
}
