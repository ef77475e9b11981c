//! DescribeConfigs against what Kafka answered for the same configuration.

use klamm_config::describe::{self, ConfigEntry, Describer, Source};
use klamm_config::{Dynamic, Map, Scope, keys};

use crate::{broker, map};

const KAFKA: &str = include_str!("../data/describe.txt");

/// The lines of a section of the file.
fn section(name: &str) -> Vec<&'static str> {
    let mut sections = KAFKA.split("\n## ").skip(1);
    let found = sections.find(|text| text.lines().next() == Some(name));
    found.expect("the file has the section").lines().skip(1).filter(|l| !l.is_empty()).collect()
}

fn given(name: &str) -> Map {
    map(section(name))
}

/// Compares a description with a section, line by line.
fn check(name: &str, entries: &[ConfigEntry]) {
    let ours: Vec<String> = entries.iter().map(line).collect();
    let kafka = section(name);
    let missing: Vec<_> = kafka.iter().filter(|k| !ours.iter().any(|o| o == *k)).collect();
    let extra: Vec<_> = ours.iter().filter(|o| !kafka.contains(&o.as_str())).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{name}\nKafka {missing:#?}\nKlamm {extra:#?}");
}

fn line(entry: &ConfigEntry) -> String {
    let kafka_default = keys::find(Scope::Broker, &entry.name).and_then(|key| key.kafka_default);
    let own_default = |source: Source| source == Source::Default && kafka_default.is_some();
    let mut synonyms = Vec::new();
    for synonym in &entry.synonyms {
        let value = match kafka_default {
            Some(None) if own_default(synonym.source) => continue,
            Some(Some(kafka)) if own_default(synonym.source) => kafka,
            _ => synonym.value.as_deref().unwrap_or("null"),
        };
        synonyms.push(format!("{}:{}={value}", short(synonym.source), synonym.name));
    }
    let value = match kafka_default {
        Some(Some(kafka)) if own_default(entry.source) => kafka,
        _ => entry.value.as_deref().unwrap_or("null"),
    };
    let kind = entry.kind.map_or("UNKNOWN", |kind| kind.name());
    let secret = if entry.is_sensitive { "secret " } else { "" };
    let update = if entry.read_only { "ro" } else { "rw" };
    let synonyms = synonyms.join("; ");
    let source = short(entry.source);
    format!("{}\t{value}\t{source}\t{kind}\t{secret}{update}\t{synonyms}", entry.name)
}

fn short(source: Source) -> &'static str {
    match source {
        Source::Topic => "topic",
        Source::Broker => "broker",
        Source::DefaultBroker => "brokers",
        Source::StaticBroker => "static",
        Source::Default => "default",
        Source::ClientMetrics => "metrics",
        Source::Group => "group",
    }
}

#[test]
fn descriptions_are_kafkas() {
    let config = broker(&given("set static")).unwrap();
    let (default, broker) = (given("set brokers"), given("set broker"));
    let dynamic = Dynamic { default: &default, broker: &broker };
    let describer = Describer { config: &config, dynamic };
    check("describe broker", &describer.broker());
    check("describe brokers", &describer.all_brokers());
    check("describe topic t", &describer.topic(&given("set topic t")).unwrap());
    check("describe topic plain", &describer.topic(&given("set topic plain")).unwrap());
    check("describe group g", &describer.group(&given("set group g")).unwrap());
    check("describe metrics m", &describe::client_metrics(&given("set metrics m")));
}

#[test]
fn secrets_are_not_shown() {
    let secret = map(["ssl.key.password=hush", "listener.name.x.ssl.keystore.password=hush"]);
    let config = broker(&secret).unwrap();
    let entries = Describer { config: &config, dynamic: Dynamic::NONE }.broker();
    assert!(!format!("{entries:?}").contains("hush"));
}

#[test]
fn every_key_is_described_with_its_documentation() {
    let config = broker(&Map::new()).unwrap();
    let entries = Describer { config: &config, dynamic: Dynamic::NONE }.topic(&Map::new()).unwrap();
    assert!(entries.iter().all(|entry| entry.documentation.is_some_and(|doc| !doc.is_empty())));
}
