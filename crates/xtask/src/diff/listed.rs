//! The differences that stay, each with its reason: `differences.toml`, and the page made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::compare::Difference;
use crate::schema::versions::Versions;

/// All that is listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    #[serde(rename = "difference")]
    entries: Vec<Entry>,
    /// The entries that were met.
    #[serde(skip)]
    met: BTreeSet<usize>,
}

/// Which request's answers differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) scenario: &'a str,
    pub(crate) api: &'a str,
    pub(crate) version: i16,
    pub(crate) request: &'a str,
}

/// One difference with its reason. Texts may hold `*` for anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// API names.
    api: Vec<String>,
    /// All versions unless given.
    #[serde(default)]
    versions: Option<String>,
    /// Field paths.
    path: Vec<String>,
    /// In these scenarios only.
    #[serde(default = "anything")]
    scenario: String,
    /// Of these requests only.
    #[serde(default = "anything")]
    request: String,
    #[serde(default = "anything")]
    kafka: String,
    #[serde(default = "anything")]
    klamm: String,
    /// When it is seen.
    when: String,
    /// Why it stays.
    reason: String,
    /// It comes and goes, such as the order of a hash map: need not be met.
    #[serde(default)]
    sometimes: bool,
    /// Only everything (`--full`) meets it.
    #[serde(default)]
    full: bool,
}

fn anything() -> String {
    "*".to_owned()
}

impl Entry {
    fn covers(&self, at: &Place<'_>, found: &Difference) -> bool {
        let range = self.versions.as_deref().map(str::parse::<Versions>);
        self.api.iter().any(|name| glob(name, at.api))
            && range.is_none_or(|r| r.is_ok_and(|r| r.contains(at.version)))
            && self.path.iter().any(|path| glob(path, &found.path))
            && glob(&self.scenario, at.scenario)
            && glob(&self.request, at.request)
            && glob(&self.kafka, &found.kafka)
            && glob(&self.klamm, &found.klamm)
    }
}

impl Listed {
    /// Reads the list.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let listed: Listed = toml::from_str(&text).with_context(|| file.display().to_string())?;
        for entry in listed.entries.iter().filter_map(|e| e.versions.as_ref()) {
            entry.parse::<Versions>()?;
        }
        Ok(listed)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether a difference is listed; from now on its entry was met.
    pub(crate) fn covers(&mut self, place: &Place<'_>, found: &Difference) -> bool {
        let at = self.entries.iter().position(|e| e.covers(place, found));
        self.met.extend(at);
        at.is_some()
    }

    /// Entries that should have been met and were not.
    pub(crate) fn not_met(&self, full: bool) -> Vec<String> {
        let expected =
            |(at, e): &(usize, &Entry)| !self.met.contains(at) && !e.sometimes && (full || !e.full);
        let said = |(_, e): (usize, &Entry)| {
            format!("{} {}: {}", e.api.join(","), e.path.join(","), e.when)
        };
        self.entries.iter().enumerate().filter(expected).map(said).collect()
    }

    /// The page `docs/differences.md`.
    pub(crate) fn page(&self) -> String {
        let mut by_api: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.entries {
            for api in &entry.api {
                by_api.entry(if api == "*" { "Every API" } else { api }).or_default().push(entry);
            }
        }
        let mut page = HEAD.to_owned();
        for (api, entries) in by_api {
            writeln!(page, "\n## {api}\n\n{TABLE}").ok();
            for e in entries {
                let versions = e.versions.as_deref().unwrap_or("all");
                let paths: Vec<String> = e.path.iter().map(|p| format!("`{p}`")).collect();
                let paths = paths.join(", ");
                let value = |text: &str| match text {
                    "*" => String::new(),
                    text => format!("`{}`", text.replace('|', "\\|")),
                };
                let (kafka, klamm) = (value(&e.kafka), value(&e.klamm));
                let (when, reason) = (&e.when, &e.reason);
                writeln!(page, "| {versions} | {paths} | {when} | {kafka} | {klamm} | {reason} |")
                    .ok();
            }
        }
        page
    }
}

const HEAD: &str =
    "<!-- Written by `cargo xtask diff --page` from crates/xtask/src/diff/differences.toml; \
do not edit. -->

# Where Klamm answers differently from Apache Kafka

`cargo xtask diff` sends Apache Kafka 4.3.1 and Klamm the same requests and compares the answers
field by field. This is everything that differs and stays; a difference that is not here is an
error, and so is an entry that no longer occurs. Put aside beforehand is what cannot be equal: ids
that a broker invents (compared for standing for the same thing everywhere), times, hosts and
ports, throttle times, and the wording of texts for people. `*` stands for anything.
";

const TABLE: &str = "| Versions | Field | When | Kafka | Klamm | Reason |
| --- | --- | --- | --- | --- | --- |";

/// Whether `text` is what `pattern` says, with `*` for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some(part) => part.is_empty() || rest.is_empty() || text.ends_with(part),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_anything() {
        let check = |pattern: &str, text: &str| assert!(glob(pattern, text), "{pattern} {text}");
        check("*", "");
        check("a*c", "abbc");
        check("*.b", "a.b.b");
        check("a*", "a");
        assert!(!glob("a", "ab"));
        assert!(!glob("a*c", "abd"));
    }
}
