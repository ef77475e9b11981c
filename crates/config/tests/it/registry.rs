//! The registry has every key of Kafka with its facts, and holds together.

use klamm_config::{BrokerConfig, BrokerSettings, Dynamic, Key, Layers, Map, Scope, Value, keys};

#[test]
fn every_key_of_kafka_is_there_with_its_facts() {
    let kafka: Vec<&str> =
        include_str!("../data/keys.tsv").lines().filter(|line| !line.starts_with('#')).collect();
    let mut ours: Vec<String> = Scope::ALL
        .into_iter()
        .flat_map(keys::all)
        .filter(|key| !key.name.starts_with("klamm."))
        .map(facts)
        .collect();
    let mut kafka: Vec<String> = kafka.into_iter().map(str::to_owned).collect();
    ours.sort();
    kafka.sort();
    assert_eq!(ours, kafka);
}

fn facts(key: &'static Key) -> String {
    let default = match (key.kafka_default, key.default) {
        (Some(None), _) => "(required)",
        (Some(Some(kafka)), _) | (None, Some(kafka)) => kafka,
        (None, None) => "(null)",
    };
    let visible = if key.internal { "internal" } else { "public" };
    let (kind, update) = (key.kind.name(), key.update.name());
    format!("{}\t{}\t{kind}\t{default}\t{update}\t{visible}", key.scope, key.name)
}

#[test]
fn every_default_is_allowed() {
    for key in Scope::ALL.into_iter().flat_map(keys::all) {
        if let Some(default) = key.default {
            let value = Value::parse(key, default).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(value.to_string(), *default, "{}", key.name);
        }
    }
}

#[test]
fn every_key_is_documented_in_sentences() {
    for key in Scope::ALL.into_iter().flat_map(keys::all) {
        assert!(key.doc.ends_with('.') && !key.doc.contains("  "), "{}: {}", key.name, key.doc);
    }
}

#[test]
fn every_synonym_is_a_broker_key() {
    for key in Scope::ALL.into_iter().flat_map(keys::all) {
        for synonym in key.synonyms {
            let server = keys::find(Scope::Broker, synonym.name);
            assert!(server.is_some(), "{} <- {}", key.name, synonym.name);
        }
    }
}

#[test]
fn every_variable_of_the_environment_means_one_key() {
    let variable = |name: &str| name.to_uppercase().replace(['.', '-'], "_");
    let mut names: Vec<String> = keys::all(Scope::Broker)
        .map(|key| variable(key.name.strip_prefix("klamm.").unwrap_or(key.name)))
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn every_setting_reads_its_key() {
    let config = BrokerConfig::resolve(Layers::default()).unwrap();
    let effective = config.effective(Dynamic { default: &Map::new(), broker: &Map::new() });
    let settings = BrokerSettings::of(&effective).unwrap();
    assert_eq!(settings.network.listeners[0].port, 9092);
}
