//! `docs/config.md`, generated from the registry.

use std::fmt::Write;

use crate::key::{Effect, Key, Scope};
use crate::keys::TABLES;

const HEAD: &str = "\
# Configuration

<!-- Generated from the key registry in crates/config; do not edit. -->

Klamm reads `klamm.toml` or Kafka's own `server.properties`. In TOML a key may be quoted
(`\"log.retention.ms\" = 1000`), dotted (`log.retention.ms = 1000`) or in a table (`[log]`); a key
that another one begins with must be quoted, `\"max.connections\"` beside
`\"max.connections.per.ip\"`. Each key can also be given in the environment, as
`KLAMM_LOG_RETENTION_MS`, and on the command line, which wins.

An unknown key is an error in TOML and a warning in a `.properties` file. A broker key with the
prefix `listener.name.<listener>.` holds for that listener alone.

*Update* tells whether `klamm config` or `kafka-configs` can change a broker key at run time:
read-only, per-broker, or cluster-wide, which means for one broker or for all. *No effect* marks
keys that are checked, stored and described as in Kafka and that change nothing.
";

/// The whole page, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for (title, keys) in TABLES {
        let _ = write!(page, "\n## {title}\n");
        for key in *keys {
            section(&mut page, key);
        }
    }
    page
}

/// Writing to a `String` cannot fail, so the results are not looked at.
fn section(page: &mut String, key: &Key) {
    let _ = write!(page, "\n### `{}`\n\n{}", key.name, key.doc);
    let _ = match key.effect {
        Effect::Honoured => Ok(()),
        Effect::Accepted(reason) => write!(page, " *No effect:* {reason}"),
        Effect::JvmOnly => write!(page, " *No effect:* it configures a Java process."),
    };
    let _ = write!(page, "\n\n- Type: {}", key.kind.name().to_lowercase());
    if let Some(unit) = key.unit() {
        let _ = write!(page, ", in {unit}");
    }
    let rule = key.rule.to_string();
    if !rule.is_empty() {
        let _ = write!(page, "; {rule}");
    }
    let _ = write!(page, "\n- Default: {}", code(key.default));
    if let Some(kafka) = key.kafka_default {
        let _ = match kafka {
            Some(text) => write!(page, " (Kafka: {})", code(Some(text))),
            None => write!(page, " (Kafka has none and wants it set)"),
        };
    }
    page.push('\n');
    if key.scope == Scope::Broker {
        let only = if key.dynamic_only { ", at run time only" } else { "" };
        let _ = writeln!(page, "- Update: {}{only}", key.update.name());
    }
    if !key.synonyms.is_empty() {
        let names: Vec<String> = key.synonyms.iter().map(|s| format!("`{}`", s.name)).collect();
        let _ = writeln!(page, "- Broker default: {}", names.join(", then "));
    }
    if key.is_sensitive() {
        page.push_str("- Secret: never shown\n");
    }
}

fn code(value: Option<&str>) -> String {
    match value {
        None => "none".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}
