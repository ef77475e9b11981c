//! Client-metrics subscriptions (Kafka's `ClientMetricsConfigs.validate`).

use regex::Regex;

use super::{check_names, values_over};
use crate::effective::Map;
use crate::error::{ConfigError, Refusal};
use crate::key::Scope;
use crate::value::{Value, trim};

/// Shortest and longest interval between two pushes, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;

/// What a client can be selected by.
const SELECTORS: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Checks the whole new configuration of a subscription.
///
/// # Errors
/// As Kafka: [`Refusal::InvalidRequest`] for an empty subscription name, an unknown key and a bad
/// interval, [`Refusal::InvalidConfig`] for the rest.
pub fn client_metrics(subscription: &str, given: &Map) -> Result<(), Refusal> {
    if subscription.is_empty() {
        let error = ConfigError::rule("Subscription name can't be empty");
        return Err(Refusal::InvalidRequest(error));
    }
    check_names(Scope::ClientMetrics, given).map_err(Refusal::InvalidRequest)?;
    let values = values_over(Scope::ClientMetrics, given, |_| None)?;
    if let Some(Value::Int(interval)) = values.get("interval.ms")
        && !INTERVAL_MS.contains(interval)
    {
        return Err(Refusal::InvalidRequest(ConfigError::Rule(format!(
            "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 \
             (1 hour)"
        ))));
    }
    let Some(Value::List(patterns)) = values.get("match") else { return Ok(()) };
    match patterns.iter().find(|pattern| !is_pattern(pattern)) {
        Some(pattern) => {
            let text = format!("Illegal client matching pattern: {pattern}");
            Err(ConfigError::Rule(text).into())
        }
        None => Ok(()),
    }
}

fn is_pattern(pattern: &str) -> bool {
    let Some((selector, regex)) = pattern.split_once('=') else { return false };
    SELECTORS.contains(&trim(selector))
        && !regex.is_empty()
        && !regex.contains('=')
        && Regex::new(trim(regex)).is_ok()
}
