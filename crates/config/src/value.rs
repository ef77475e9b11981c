//! Typed values: parsed as Kafka's `ConfigDef.parseType` parses them, printed as its
//! `ConfigDef.convertToString` prints them.

use std::fmt;

use crate::error::ConfigError;
use crate::key::{Key, Type};

/// A value of a key.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Of type [`Type::Boolean`].
    Boolean(bool),
    /// Of type [`Type::String`] or [`Type::Class`].
    String(String),
    /// Of type [`Type::Int`].
    Int(i32),
    /// Of type [`Type::Short`].
    Short(i16),
    /// Of type [`Type::Long`].
    Long(i64),
    /// Of type [`Type::Double`].
    Double(f64),
    /// Of type [`Type::List`].
    List(Vec<String>),
    /// Of type [`Type::Password`]; `Debug` hides it.
    Password(String),
}

impl Value {
    /// Parses a text as a value of the key's type and checks it against the key's rule.
    ///
    /// # Errors
    /// [`ConfigError`] with Kafka's text: not of the type, or not allowed.
    pub fn parse(key: &Key, text: &str) -> Result<Self, ConfigError> {
        let value = Self::of_type(key.kind, text).map_err(|reason| ConfigError::Invalid {
            name: key.name.to_owned(),
            value: if key.is_sensitive() { "[hidden]".to_owned() } else { text.to_owned() },
            reason,
        })?;
        let value = match (key.rule, value) {
            // Kafka drops what a list repeats, unless the list has a check of its own.
            (crate::Rule::List { .. }, Self::List(items)) => Self::List(without_repeats(items)),
            (_, value) => value,
        };
        key.rule.check(key, &value)?;
        Ok(value)
    }

    /// Parses a text as a value of a type. The error says what was expected.
    pub(crate) fn of_type(kind: Type, text: &str) -> Result<Self, String> {
        let trimmed = trim(text);
        let number = || format!("Not a number of type {}", kind.name());
        Ok(match kind {
            Type::Boolean if trimmed.eq_ignore_ascii_case("true") => Self::Boolean(true),
            Type::Boolean if trimmed.eq_ignore_ascii_case("false") => Self::Boolean(false),
            Type::Boolean => return Err("Expected value to be either true or false".to_owned()),
            Type::String | Type::Class => Self::String(trimmed.to_owned()),
            Type::Password => Self::Password(trimmed.to_owned()),
            Type::Int => Self::Int(trimmed.parse().map_err(|_| number())?),
            Type::Short => Self::Short(trimmed.parse().map_err(|_| number())?),
            Type::Long => Self::Long(trimmed.parse().map_err(|_| number())?),
            Type::Double => Self::Double(parse_double(trimmed).ok_or_else(number)?),
            Type::List => Self::List(split_list(trimmed)),
        })
    }

    /// The number of an integer of any width.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(i64::from(*n)),
            Self::Short(n) => Some(i64::from(*n)),
            Self::Long(n) => Some(*n),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(b) => b.fmt(f),
            Self::String(text) => f.write_str(text),
            Self::Int(n) => n.fmt(f),
            Self::Short(n) => n.fmt(f),
            Self::Long(n) => n.fmt(f),
            Self::Double(n) => f.write_str(&double_text(*n)),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Password(_) => f.write_str("[hidden]"),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Java's `String.trim`: blanks and control characters go.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// The entries of a list; the blanks around a comma belong to it.
pub(crate) fn split_list(trimmed: &str) -> Vec<String> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    if trimmed.is_empty() {
        return Vec::new();
    }
    let last = trimmed.matches(',').count();
    let entry = |(i, part): (usize, &str)| {
        let part = if i > 0 { part.trim_start_matches(blank) } else { part };
        (if i < last { part.trim_end_matches(blank) } else { part }).to_owned()
    };
    trimmed.split(',').enumerate().map(entry).collect()
}

fn without_repeats(items: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// Java's `Double.parseDouble`, without its hexadecimal form. Rust alone would accept `inf` and
/// refuse the suffixes `d` and `f`.
fn parse_double(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" => return text.parse().ok(),
        word if word.starts_with(|c: char| c.is_ascii_alphabetic()) => return None,
        _ => {}
    }
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok()
}

/// Java's `Double.toString`: a fraction always, an exponent from 10^7 on and below 10^-3.
fn double_text(n: f64) -> String {
    if n.is_nan() || n.is_infinite() || n == 0.0 {
        return match n {
            _ if n.is_nan() => "NaN",
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ if n.is_sign_negative() => "-0.0",
            _ => "0.0",
        }
        .to_owned();
    }
    if (1e-3..1e7).contains(&n.abs()) {
        return format!("{n:?}");
    }
    let text = format!("{n:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}
