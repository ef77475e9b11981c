//! Reading `klamm.toml` and Kafka's `server.properties` into names and texts.

use std::collections::BTreeMap;
use std::fmt;

use java_properties::{LineContent, PropertiesIter};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::ConfigError;
use crate::key::{Effect, Scope};
use crate::keys;
use crate::suggest;
use crate::value::Value;

/// One key as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// Its value as text.
    pub value: String,
    /// Line of the file, from 1.
    pub line: usize,
}

/// Something an operator should know that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Line of the file, from 1, if it comes from one.
    pub line: Option<usize>,
    /// What it is about, for the log.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, self.line, &self.text)
    }
}

/// Something wrong in a file, a variable or an override.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Line of the file, from 1, if it comes from one.
    pub line: Option<usize>,
    /// What is wrong.
    #[source]
    pub error: ConfigError,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, self.line, &self.error)
    }
}

fn write_at(
    f: &mut fmt::Formatter<'_>,
    line: Option<usize>,
    what: &dyn fmt::Display,
) -> fmt::Result {
    match line {
        Some(line) => write!(f, "line {line}: {what}"),
        None => what.fmt(f),
    }
}

/// A configuration file after reading, every name and value checked one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFile {
    pub(crate) entries: Vec<Entry>,
    pub(crate) warnings: Vec<Warning>,
}

impl ConfigFile {
    /// The keys in the file's order; of a repeated one the last counts.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Keys without an effect, and, in a `.properties` file, unknown ones.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Reads `klamm.toml`. Keys may be quoted (`"log.retention.ms" = 1000`), dotted
    /// (`log.retention.ms = 1000`) or in tables (`[log]`), in any mixture.
    ///
    /// # Errors
    /// Everything that is wrong, at once: bad TOML, unknown keys with the nearest known name,
    /// values that are not allowed.
    pub fn toml(text: &str) -> Result<Self, Vec<Problem>> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let error = ConfigError::Rule(format!("{}{}", error.message(), clash_hint(&error)));
            vec![Problem { line, error }]
        })?;
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        flatten(text, "", table.get_ref(), &mut entries, &mut problems);
        entries.sort_by_key(|entry: &Entry| entry.line);
        problems.extend(repeated(&entries));
        Self::checked(entries, problems, true)
    }

    /// Reads Kafka's `server.properties`, in Latin-1 as Java does. Keys that neither Kafka nor
    /// Klamm knows are kept with a warning, because Kafka hands them to its plug-ins.
    ///
    /// # Errors
    /// Everything that is wrong, at once: bad escapes, values that are not allowed.
    pub fn properties(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for line in PropertiesIter::new(bytes) {
            match line {
                Ok(line) => {
                    let number = line.line_number();
                    if let LineContent::KVPair(name, value) = line.consume_content() {
                        entries.push(Entry { name, value, line: number });
                    }
                }
                Err(error) => problems.push(Problem {
                    line: error.line_number(),
                    error: ConfigError::Rule(error.to_string()),
                }),
            }
        }
        Self::checked(entries, problems, false)
    }

    fn checked(
        entries: Vec<Entry>,
        mut problems: Vec<Problem>,
        strict: bool,
    ) -> Result<Self, Vec<Problem>> {
        let mut warnings = Vec::new();
        for entry in &entries {
            let line = Some(entry.line);
            match check_entry(&entry.name, &entry.value, strict) {
                Ok(Some(text)) => warnings.push(Warning { line, text }),
                Ok(None) => {}
                Err(error) => problems.push(Problem { line, error }),
            }
        }
        if problems.is_empty() { Ok(Self { entries, warnings }) } else { Err(problems) }
    }
}

/// Checks one name and value of a static configuration; the text is a warning. An unknown name is
/// an error if `strict`.
pub(crate) fn check_entry(
    name: &str,
    value: &str,
    strict: bool,
) -> Result<Option<String>, ConfigError> {
    let Some(key) = keys::find_broker(name) else {
        let unknown = ConfigError::unknown(Scope::Broker, name);
        return if strict { Err(unknown) } else { Ok(Some(ignored(name))) };
    };
    if key.dynamic_only {
        return Err(ConfigError::Rule(format!("{name} can only be set dynamically")));
    }
    Value::parse(key, value)?;
    Ok(match key.effect {
        Effect::Honoured => None,
        Effect::Accepted(reason) => Some(format!("{name} has no effect: {reason}")),
        Effect::JvmOnly => Some(format!("{name} has no effect: it configures a Java process.")),
    })
}

fn ignored(name: &str) -> String {
    let hint = suggest::nearest(Scope::Broker, name);
    let hint = hint.map_or_else(String::new, |near| format!(" Did you mean {near}?"));
    format!("{name} is not a known key and has no effect.{hint}")
}

/// Puts the leaves of a table into `entries`, their names joined with dots.
fn flatten(
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
    problems: &mut Vec<Problem>,
) {
    for (key, value) in table {
        let name = match prefix {
            "" => key.get_ref().to_string(),
            prefix => format!("{prefix}.{}", key.get_ref()),
        };
        if let DeValue::Table(inner) = value.get_ref() {
            flatten(text, &name, inner, entries, problems);
            continue;
        }
        let line = line_of(text, key.span().start);
        match scalar(value) {
            Ok(value) => entries.push(Entry { name, value, line }),
            Err(reason) => {
                let error = ConfigError::Rule(format!("{name}: {reason}"));
                problems.push(Problem { line: Some(line), error });
            }
        }
    }
}

/// A TOML value as the text that stands for it in Kafka's own files.
fn scalar(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .map(|n| n.to_string())
            .map_err(|error| error.to_string()),
        DeValue::Float(n) => Ok(n.as_str().to_owned()),
        DeValue::Boolean(b) => Ok(b.to_string()),
        DeValue::Array(items) => {
            let items: Result<Vec<String>, String> = items.iter().map(scalar).collect();
            Ok(items?.join(","))
        }
        DeValue::Datetime(_) => Err("a date is not a value of any key".to_owned()),
        DeValue::Table(_) => Err("a table is not a value of any key".to_owned()),
    }
}

/// TOML takes `max.connections` beside `max.connections.per.ip` for a value and a table of one
/// name, and refuses to open as `[log]` what `log.dirs = ...` began.
fn clash_hint(error: &toml::de::Error) -> &'static str {
    if error.message().contains("key") {
        " (TOML sees a key with dots as tables; quote it: \"max.connections\" = 100)"
    } else {
        ""
    }
}

/// One key may be written in two ways that TOML takes for different ones.
fn repeated(entries: &[Entry]) -> impl Iterator<Item = Problem> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    entries.iter().filter_map(move |entry| {
        let first = seen.insert(&entry.name, entry.line)?;
        let text = format!("{} was already given in line {first}", entry.name);
        Some(Problem { line: Some(entry.line), error: ConfigError::Rule(text) })
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}
