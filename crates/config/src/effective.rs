//! What holds on a broker: its static configuration with the dynamic changes laid over it.

use std::collections::BTreeMap;

use crate::key::{Key, Scope};
use crate::keys;
use crate::value::Value;

/// Names and values as texts, the form in which files, requests and metadata records have them.
pub type Map = BTreeMap<String, String>;

/// What was changed at run time (ConfigRecords of the metadata log).
#[derive(Debug, Clone, Copy)]
pub struct Dynamic<'a> {
    /// For every broker.
    pub default: &'a Map,
    /// For this broker; wins over `default`.
    pub broker: &'a Map,
}

impl Dynamic<'_> {
    /// Nothing was changed.
    pub const NONE: Dynamic<'static> = Dynamic { default: &Map::new(), broker: &Map::new() };
}

/// The broker's configuration as it holds at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    originals: Map,
    values: BTreeMap<&'static str, Option<Value>>,
}

impl Effective {
    /// Lays the dynamic configurations over the static ones. A dynamic value takes the place of
    /// every key that means the same (`log.retention.ms` of `log.retention.hours`). A dynamic
    /// value that does not parse is left out, as Kafka does: it was checked when it was stored,
    /// perhaps by another release.
    #[must_use]
    pub fn new(statics: &Map, dynamic: Dynamic<'_>) -> Self {
        let mut originals = statics.clone();
        for (name, value) in dynamic.default.iter().chain(dynamic.broker) {
            if keys::find_broker(name).is_some_and(|key| Value::parse(key, value).is_err()) {
                continue;
            }
            for synonym in synonyms(name) {
                originals.remove(synonym);
            }
            originals.insert(name.clone(), value.clone());
        }
        let file_keys = keys::all(Scope::Broker).filter(|key| !key.dynamic_only);
        let values = file_keys.map(|key| (key.name, value_of(key, &originals))).collect();
        Self { originals, values }
    }

    /// The value of a broker key; `None` if it has none or there is no such key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)?.as_ref()
    }

    /// Whether somebody set the key, in a file or at run time.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.originals.contains_key(name)
    }

    /// What was set, as texts.
    #[must_use]
    pub fn originals(&self) -> &Map {
        &self.originals
    }

    /// Every key with its value, by name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Option<&Value>)> {
        self.values.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    pub(crate) fn boolean(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Boolean(b)) => *b,
            _ => unreachable!("{name} is a boolean with a default: a test reads every setting"),
        }
    }

    pub(crate) fn int(&self, name: &str) -> i32 {
        match self.get(name) {
            Some(Value::Int(n)) => *n,
            _ => unreachable!("{name} is an int with a default: a test reads every setting"),
        }
    }

    pub(crate) fn short(&self, name: &str) -> i16 {
        match self.get(name) {
            Some(Value::Short(n)) => *n,
            _ => unreachable!("{name} is a short with a default: a test reads every setting"),
        }
    }

    /// The number of an integer key of any width that has a default.
    pub(crate) fn long(&self, name: &str) -> i64 {
        match self.get(name).and_then(Value::as_integer) {
            Some(n) => n,
            None => unreachable!("{name} is an integer with a default: a test reads every setting"),
        }
    }

    pub(crate) fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Double(n)) => *n,
            _ => unreachable!("{name} is a double with a default: a test reads every setting"),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self, name: &str) -> Option<&[String]> {
        match self.get(name) {
            Some(Value::List(items)) => Some(items),
            _ => None,
        }
    }
}

/// A text that does not parse counts as not set: static ones were checked at start.
fn value_of(key: &Key, originals: &Map) -> Option<Value> {
    let given = originals.get(key.name).and_then(|text| Value::parse(key, text).ok());
    given.or_else(|| Value::of_type(key.kind, key.default?).ok())
}

/// Broker keys that mean the same, the strongest first (Kafka's
/// `DynamicBrokerConfig.brokerConfigSynonyms`).
const SAME_MEANING: [&[&str]; 4] = [
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
];

/// The names under which a broker key's value may be given, the strongest first. The scheduler's
/// interval stands in for `log.flush.interval.ms`, and not the other way round.
pub(crate) fn synonyms(name: &str) -> Vec<&str> {
    let group = SAME_MEANING.iter().find(|group| group.contains(&name));
    match group {
        Some(group) if name != "log.flush.scheduler.interval.ms" => group.to_vec(),
        _ => vec![name],
    }
}

/// [`synonyms`], and for a name with a listener's prefix the key that holds for all listeners.
pub(crate) fn synonyms_over_listeners(name: &str) -> Vec<&str> {
    match keys::unprefixed(name) {
        Some(base) => vec![name, base],
        None => synonyms(name),
    }
}
