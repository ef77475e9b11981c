//! The registry and what it drives, against committed facts about Apache Kafka 4.3.1.
//!
//! `tests/data/` was made by asking a running Kafka 4.3.1 and its classes; each file says what
//! its lines mean.

mod alter;
mod describe;
mod docs;
mod files;
mod registry;
mod settings;
mod validation;

use klamm_config::{BrokerConfig, ConfigFile, Layers, Map, Problem};

/// `name=value` lines or pairs as a map.
fn map<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Map {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').expect("a test writes name=value");
        (name.to_owned(), value.to_owned())
    };
    pairs.into_iter().map(pair).collect()
}

/// A broker configuration from pairs, read as from a `.properties` file.
fn broker(pairs: &Map) -> Result<BrokerConfig, Vec<Problem>> {
    let lines: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let file = ConfigFile::properties(lines.join("\n").as_bytes())?;
    BrokerConfig::resolve(Layers { file, ..Layers::default() })
}
