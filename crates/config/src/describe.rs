//! DescribeConfigs: every key of a resource with its value, where that comes from, and what else
//! could have supplied it. Entries are ordered by name; Kafka's order is that of a hash table.

use std::collections::BTreeMap;

use crate::broker::BrokerConfig;
use crate::effective::{Dynamic, Effective, Map, synonyms_over_listeners};
use crate::error::ConfigError;
use crate::key::{Key, Scope, Type, Update};
use crate::keys;
use crate::topic::topic_values;
use crate::validate::{inherited, values_over};
use crate::value::Value;

/// Where a value comes from (Kafka's `ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The topic's own configuration.
    Topic,
    /// Changed at run time, for this broker.
    Broker,
    /// Changed at run time, for all brokers.
    DefaultBroker,
    /// Given at start.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// The client-metrics subscription's own configuration.
    ClientMetrics,
    /// The group's own configuration.
    Group,
}

impl Source {
    /// The source's code in DescribeConfigs responses.
    #[must_use]
    pub fn wire(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Broker => 2,
            Self::DefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::ClientMetrics => 7,
            Self::Group => 8,
        }
    }

    /// Kafka's name of the source, as its tools print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "DYNAMIC_TOPIC_CONFIG",
            Self::Broker => "DYNAMIC_BROKER_CONFIG",
            Self::DefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            Self::Group => "DYNAMIC_GROUP_CONFIG",
        }
    }
}

/// A value that a key has, or would have if the ones before it were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynonymEntry {
    /// The key that supplies it.
    pub name: String,
    /// The value as given; `None` if it is secret.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// One key of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// Its value; `None` if it has none or is secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether the value is never shown.
    pub is_sensitive: bool,
    /// Whether the key cannot be changed at run time.
    pub read_only: bool,
    /// All values that were given for the key, the strongest first.
    pub synonyms: Vec<SynonymEntry>,
    /// Type of the value; `None` for a key that is not in the registry, whose code is 0.
    pub kind: Option<Type>,
    /// The registry's documentation, if the key is in it.
    pub documentation: Option<&'static str>,
}

/// Describes configurations on one broker.
#[derive(Debug, Clone, Copy)]
pub struct Describer<'a> {
    /// The broker's static configuration.
    pub config: &'a BrokerConfig,
    /// What was changed at run time.
    pub dynamic: Dynamic<'a>,
}

impl Describer<'_> {
    /// A topic, given its own configuration.
    ///
    /// # Errors
    /// [`ConfigError`] if a value of the topic does not parse: answer INVALID_CONFIG.
    pub fn topic(&self, overrides: &Map) -> Result<Vec<ConfigEntry>, ConfigError> {
        self.topic_under(&self.config.effective(self.dynamic), overrides)
    }

    /// A topic, where it is known what holds on the broker.
    ///
    /// # Errors
    /// As [`Self::topic`].
    pub fn topic_under(
        &self,
        broker: &Effective,
        overrides: &Map,
    ) -> Result<Vec<ConfigEntry>, ConfigError> {
        let values = topic_values(broker, overrides)?;
        let values = shown(Scope::Topic, overrides, |key| values.get(key.name).cloned());
        let entry = |(name, value): (&str, Option<String>)| {
            let key = keys::find(Scope::Topic, name);
            let server = key.and_then(|key| key.synonyms.first());
            let mut synonyms = server.map_or_else(Vec::new, |s| self.synonyms(s.name));
            let value = visible(key, value);
            if overrides.contains_key(name) {
                let own = (name.to_owned(), value.clone());
                synonyms.insert(0, synonym(own, Source::Topic));
            }
            entry(name, value, key, false, synonyms)
        };
        Ok(values.iter().map(|(name, value)| entry((name, value.clone()))).collect())
    }

    /// The broker itself.
    #[must_use]
    pub fn broker(&self) -> Vec<ConfigEntry> {
        let broker = self.config.effective(self.dynamic);
        let values = shown(Scope::Broker, broker.originals(), |key| broker.get(key.name).cloned());
        values.iter().map(|(name, value)| self.broker_entry(name, value.clone(), true)).collect()
    }

    /// What holds for all brokers by change at run time: the broker resource without a name.
    #[must_use]
    pub fn all_brokers(&self) -> Vec<ConfigEntry> {
        let changes = self.dynamic.default.iter();
        changes.map(|(name, value)| self.broker_entry(name, Some(value.clone()), false)).collect()
    }

    fn broker_entry(&self, name: &str, value: Option<String>, one_broker: bool) -> ConfigEntry {
        let key = keys::find_broker(name);
        let mut synonyms = self.synonyms(name);
        synonyms.retain(|synonym| one_broker || synonym.source == Source::DefaultBroker);
        // A key with a listener's prefix counts as read-only, as in Kafka, although it can be
        // changed.
        let fixed = keys::find(Scope::Broker, name).is_none_or(|k| k.update == Update::ReadOnly);
        entry(name, visible(key, value), key, fixed, synonyms)
    }

    /// A group, given its own configuration.
    ///
    /// # Errors
    /// [`ConfigError`] if a value of the group does not parse: answer INVALID_CONFIG.
    pub fn group(&self, overrides: &Map) -> Result<Vec<ConfigEntry>, ConfigError> {
        let broker = self.config.effective(self.dynamic);
        let values = values_over(Scope::Group, overrides, |key| inherited(key, &broker))?;
        let values = shown(Scope::Group, overrides, |key| values.get(key.name).cloned());
        let entry = |name: &str, value: Option<String>| {
            let key = keys::find(Scope::Group, name);
            let mut synonyms = match key.and_then(|key| key.synonyms.first()) {
                Some(server) => self.synonyms(server.name),
                None => key.and_then(default_synonym).into_iter().collect(),
            };
            let value = visible(key, value);
            if overrides.contains_key(name) {
                synonyms.insert(0, synonym((name.to_owned(), value.clone()), Source::Group));
            }
            entry(name, value, key, false, synonyms)
        };
        Ok(values.iter().map(|(name, value)| entry(name, value.clone())).collect())
    }

    /// Every value given for a broker key, strongest first. A synonym that stands before the
    /// first value under the key's own name is left out, as in Kafka: `log.retention.ms` that
    /// nobody set is described without `log.retention.hours`.
    fn synonyms(&self, name: &str) -> Vec<SynonymEntry> {
        let names = synonyms_over_listeners(name);
        let sensitive = keys::find_broker(name).is_none_or(Key::is_sensitive);
        let mut all = Vec::new();
        let layers = [
            (self.dynamic.broker, Source::Broker),
            (self.dynamic.default, Source::DefaultBroker),
            (self.config.statics(), Source::StaticBroker),
        ];
        let text = |value: &str| (!sensitive).then(|| value.to_owned());
        for (layer, source) in layers {
            let given = names.iter().filter_map(|name| layer.get_key_value(*name));
            all.extend(given.map(|(name, value)| synonym((name.clone(), text(value)), source)));
        }
        let keys = names.iter().filter_map(|name| keys::find(Scope::Broker, name));
        all.extend(keys.filter(|key| !key.dynamic_only).filter_map(default_synonym));
        let own = all.iter().position(|synonym| synonym.name == name).unwrap_or(all.len());
        all.split_off(own)
    }
}

/// A client-metrics subscription, given its own configuration.
#[must_use]
pub fn client_metrics(given: &Map) -> Vec<ConfigEntry> {
    let default = |key: &Key| Value::of_type(key.kind, key.default?).ok();
    let parsed = |key: &Key| {
        let own = given.get(key.name).and_then(|text| Value::parse(key, text).ok());
        own.or_else(|| default(key))
    };
    let values = shown(Scope::ClientMetrics, given, parsed);
    let entry = |(name, value): (&String, &Option<String>)| {
        let key = keys::find(Scope::ClientMetrics, name);
        let value = visible(key, value.clone());
        let own = given.contains_key(name).then(|| (name.clone(), value.clone()));
        let synonyms = own.map(|own| synonym(own, Source::ClientMetrics)).into_iter().collect();
        entry(name, value, key, false, synonyms)
    };
    values.iter().map(entry).collect()
}

/// What is shown of a resource: every key that is not internal, and whatever was set.
fn shown(
    scope: Scope,
    given: &Map,
    value: impl Fn(&Key) -> Option<Value>,
) -> BTreeMap<String, Option<String>> {
    let mut all: BTreeMap<String, Option<String>> =
        given.iter().map(|(name, text)| (name.clone(), Some(text.clone()))).collect();
    for key in keys::all(scope).filter(|key| !key.internal && !key.dynamic_only) {
        all.insert(key.name.to_owned(), value(key).map(|value| value.to_string()));
    }
    all
}

/// Secret values are not shown, and neither are those of unknown keys, which may be secret.
fn visible(key: Option<&Key>, value: Option<String>) -> Option<String> {
    value.filter(|_| key.is_some_and(|key| !key.is_sensitive()))
}

fn default_synonym(key: &'static Key) -> Option<SynonymEntry> {
    let text = key.default?;
    let value = (!key.is_sensitive()).then(|| text.to_owned());
    Some(synonym((key.name.to_owned(), value), Source::Default))
}

fn synonym((name, value): (String, Option<String>), source: Source) -> SynonymEntry {
    SynonymEntry { name, value, source }
}

fn entry(
    name: &str,
    value: Option<String>,
    key: Option<&'static Key>,
    read_only: bool,
    synonyms: Vec<SynonymEntry>,
) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value,
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        is_sensitive: key.is_none_or(Key::is_sensitive),
        read_only,
        synonyms,
        kind: key.map(|key| key.kind),
        documentation: key.map(|key| key.doc),
    }
}
