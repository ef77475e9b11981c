//! Which values a key allows, and what is said about one that is not allowed. The checks and
//! their texts are those of Kafka's `ConfigDef` validators.

use std::fmt;

use crate::error::ConfigError;
use crate::key::Key;
use crate::listener;
use crate::value::Value;

/// Which values a key allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Every value of the type.
    Any,
    /// Numbers from this one on.
    AtLeast(i64),
    /// Numbers from the first to the second.
    Between(i64, i64),
    /// Fractions from zero to this one.
    UpTo(f64),
    /// 1 to 9, or -1 for the library's own choice.
    GzipLevel,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// Any text but the empty one.
    NonEmpty,
    /// A list without empty entries.
    List {
        /// The entries that are allowed; empty allows all.
        allowed: &'static [&'static str],
        /// Whether the list may be empty.
        may_be_empty: bool,
    },
    /// `*`, or pairs `partition:broker`.
    ThrottledReplicas,
    /// Quorum voters, `id@host:port`.
    Voters,
    /// Addresses, `host:port`.
    HostPorts,
    /// `earliest`, `latest`, or `by_duration:` and an ISO 8601 duration.
    OffsetReset,
}

impl Rule {
    /// Checks a parsed value of `key`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] or [`ConfigError::Rule`], with Kafka's text.
    pub(crate) fn check(&self, key: &Key, value: &Value) -> Result<(), ConfigError> {
        let refuse = |reason: String| Err(ConfigError::invalid(key, value, reason));
        match (self, value) {
            (Self::AtLeast(_) | Self::Between(..) | Self::UpTo(_), _) => {
                self.range_error(value).map_or(Ok(()), refuse)
            }
            (Self::GzipLevel, Value::Int(n)) if *n != -1 && !(1..=9).contains(n) => {
                refuse("Value must be between 1 and 9 or equal to -1".into())
            }
            (Self::OneOf(allowed), Value::String(text)) if !allowed.contains(&text.as_str()) => {
                refuse(format!("String must be one of: {}", allowed.join(", ")))
            }
            (Self::OneOfAnyCase(allowed), Value::String(text))
                if !allowed.iter().any(|a| a.eq_ignore_ascii_case(text)) =>
            {
                let allowed = allowed.join(", ");
                refuse(format!("String must be one of (case insensitive): {allowed}"))
            }
            (Self::NonEmpty, Value::String(text)) if text.is_empty() => {
                refuse("String must be non-empty".into())
            }
            (Self::List { allowed, may_be_empty }, Value::List(items)) => {
                check_list(key, items, allowed, *may_be_empty)
            }
            (Self::ThrottledReplicas, Value::List(items)) if !are_throttled_replicas(items) => {
                refuse(format!(
                    "{} must be the literal '*' or a list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    key.name
                ))
            }
            (Self::Voters, Value::List(items)) => listener::parse_voters(items).map(drop),
            (Self::HostPorts, Value::List(items)) => {
                listener::parse_host_ports(key.name, items).map(drop)
            }
            (Self::OffsetReset, Value::String(text)) if !is_offset_reset(text) => refuse(format!(
                "Invalid value `{text}` for configuration {}. The value must be either \
                 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
                key.name
            )),
            _ => Ok(()),
        }
    }

    /// What is wrong with a number, if it is out of range. NaN is in every range, as in Java.
    fn range_error(&self, value: &Value) -> Option<String> {
        let (min, max) = self.bounds()?;
        let (below, above) = match value {
            Value::Double(n) => (*n < min.as_double(), max.is_some_and(|max| *n > max.as_double())),
            _ => {
                let n = value.as_integer()?;
                (n < min.as_integer(), max.is_some_and(|max| n > max.as_integer()))
            }
        };
        match max {
            _ if below => Some(format!("Value must be at least {min}")),
            Some(max) if above => Some(format!("Value must be no more than {max}")),
            _ => None,
        }
    }

    fn bounds(&self) -> Option<(Bound, Option<Bound>)> {
        match *self {
            Self::AtLeast(min) => Some((Bound::Integer(min), None)),
            Self::Between(min, max) => Some((Bound::Integer(min), Some(Bound::Integer(max)))),
            Self::UpTo(max) => Some((Bound::Integer(0), Some(Bound::Fraction(max)))),
            _ => None,
        }
    }
}

/// One end of a range, printed without a fraction where it has none.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Integer(i64),
    Fraction(f64),
}

impl Bound {
    #[expect(clippy::cast_precision_loss, reason = "bounds of fractions are small numbers")]
    fn as_double(self) -> f64 {
        match self {
            Self::Integer(n) => n as f64,
            Self::Fraction(n) => n,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "no integer key has a fraction as bound")]
    fn as_integer(self) -> i64 {
        match self {
            Self::Integer(n) => n,
            Self::Fraction(n) => n as i64,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => n.fmt(f),
            Self::Fraction(n) => n.fmt(f),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::AtLeast(min) => write!(f, "at least {min}"),
            Self::Between(min, max) => write!(f, "{min} to {max}"),
            Self::UpTo(max) => write!(f, "0 to {max}"),
            Self::GzipLevel => f.write_str("1 to 9, or -1"),
            Self::OneOf(allowed) => f.write_str(&allowed.join(", ")),
            Self::OneOfAnyCase(allowed) => write!(f, "{}, in any case", allowed.join(", ")),
            Self::NonEmpty => f.write_str("not empty"),
            Self::List { allowed: [], may_be_empty: true } => Ok(()),
            Self::List { allowed: [], may_be_empty: false } => f.write_str("not empty"),
            Self::List { allowed, .. } => write!(f, "any of {}", allowed.join(", ")),
            Self::ThrottledReplicas => f.write_str("`*`, or `partition:broker` pairs"),
            Self::Voters => f.write_str("`id@host:port`"),
            Self::HostPorts => f.write_str("`host:port`"),
            Self::OffsetReset => f.write_str("earliest, latest, by_duration:PnDTnHnMn.nS"),
        }
    }
}

fn check_list(
    key: &Key,
    items: &[String],
    allowed: &[&str],
    may_be_empty: bool,
) -> Result<(), ConfigError> {
    if items.is_empty() && !may_be_empty {
        let values = match allowed {
            [] => "any non-empty value".to_owned(),
            _ => format!("[{}]", allowed.join(", ")),
        };
        let name = key.name;
        return Err(ConfigError::Rule(format!(
            "Configuration '{name}' must not be empty. Valid values include: {values}"
        )));
    }
    if items.iter().any(String::is_empty) {
        let name = key.name;
        return Err(ConfigError::Rule(format!("Configuration '{name}' values must not be empty.")));
    }
    match items.iter().find(|item| !allowed.is_empty() && !allowed.contains(&item.as_str())) {
        Some(item) => Err(ConfigError::invalid(
            key,
            &Value::String(item.clone()),
            format!("String must be one of: {}", allowed.join(", ")),
        )),
        None => Ok(()),
    }
}

/// Kafka reads the list joined with commas, so that empty entries at its end do not count.
fn are_throttled_replicas(items: &[String]) -> bool {
    let used = items.iter().rposition(|item| !item.is_empty()).map_or(0, |last| last + 1);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    items == ["*"]
        || items[..used]
            .iter()
            .all(|item| item.split_once(':').is_some_and(|(p, b)| is_number(p) && is_number(b)))
}

fn is_offset_reset(text: &str) -> bool {
    matches!(text, "earliest" | "latest")
        || text.strip_prefix("by_duration:").is_some_and(is_duration)
}

/// Whether the text is a duration that is not negative, as `java.time.Duration.parse` reads one:
/// days, then after a `T` hours, minutes and seconds, at least one of them.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.to_ascii_uppercase().strip_prefix('P').map(str::to_owned) else {
        return false;
    };
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return false,
        Some((days, time)) => (days, time),
        None => (rest.as_str(), ""),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let days_fit = days.is_empty() || days.strip_suffix('D').is_some_and(digits);
    let mut left = time;
    for unit in ['H', 'M'] {
        if let Some((number, after)) = left.split_once(unit) {
            if !digits(number) {
                return false;
            }
            left = after;
        }
    }
    let seconds_fit = left.is_empty()
        || left.strip_suffix('S').is_some_and(|number| match number.split_once('.') {
            Some((whole, part)) => digits(whole) && part.bytes().all(|b| b.is_ascii_digit()),
            None => digits(number),
        });
    days_fit && seconds_fit && !(days.is_empty() && time.is_empty())
}
