//! What an operator wrote down for a broker: file, environment, command line.

use std::collections::BTreeMap;
use std::fmt;

use crate::effective::{Dynamic, Effective, Map};
use crate::error::ConfigError;
use crate::file::{ConfigFile, Problem, Warning, check_entry};
use crate::key::Scope;
use crate::{keys, validate};

/// Where a static value comes from. A later one wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// Line of the file, from 1.
        line: usize,
    },
    /// A variable `KLAMM_...`.
    Environment,
    /// An option of the command line, or the builder of an embedded broker.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "line {line} of the file"),
            Self::Environment => f.write_str("environment"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// The layers of a static configuration over the defaults, the weakest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file, if there is one.
    pub file: ConfigFile,
    /// The process's environment; only names that start with `KLAMM_` are looked at.
    /// `KLAMM_LOG_RETENTION_MS` sets `log.retention.ms`.
    pub environment: Map,
    /// Keys of the command line.
    pub command_line: Map,
}

/// The static configuration of a broker, checked as a whole.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    statics: Map,
    origins: BTreeMap<String, Origin>,
    warnings: Vec<Warning>,
}

impl BrokerConfig {
    /// Puts the layers together and checks the result.
    ///
    /// # Errors
    /// Everything that is wrong with single keys, or else the first thing that is wrong with the
    /// configuration as a whole.
    pub fn resolve(layers: Layers) -> Result<Self, Vec<Problem>> {
        let mut config =
            Self { statics: Map::new(), origins: BTreeMap::new(), warnings: layers.file.warnings };
        let mut problems = Vec::new();
        for entry in layers.file.entries {
            config.set(entry.name, entry.value, Origin::File { line: entry.line });
        }
        for (variable, value) in &layers.environment {
            let name = key_of_variable(variable);
            config.set_checked(name.as_deref(), value, Origin::Environment, &mut problems);
        }
        for (name, value) in &layers.command_line {
            config.set_checked(Some(name), value, Origin::CommandLine, &mut problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        config.join_ids();
        validate::broker(&config.effective(Dynamic::NONE))
            .map_err(|error| vec![Problem { line: config.line_of(&error), error }])?;
        Ok(config)
    }

    fn set(&mut self, name: String, value: String, origin: Origin) {
        // A value of a stronger layer also replaces its synonyms in a weaker one.
        for synonym in crate::effective::synonyms(&name) {
            let weaker = |o: &Origin| std::mem::discriminant(o) != std::mem::discriminant(&origin);
            if self.origins.get(synonym).is_some_and(weaker) {
                self.statics.remove(synonym);
                self.origins.remove(synonym);
            }
        }
        self.origins.insert(name.clone(), origin);
        self.statics.insert(name, value);
    }

    fn set_checked(
        &mut self,
        name: Option<&str>,
        value: &str,
        origin: Origin,
        problems: &mut Vec<Problem>,
    ) {
        let Some(name) = name else { return };
        match check_entry(name, value, true) {
            Ok(warning) => {
                self.warnings.extend(warning.map(|text| Warning { line: None, text }));
                self.set(name.to_owned(), value.to_owned(), origin);
            }
            Err(error) => problems.push(Problem { line: None, error }),
        }
    }

    /// `broker.id` is the older name of `node.id`: one gives the other.
    fn join_ids(&mut self) {
        for (given, other) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
            if let (Some(id), None) = (self.statics.get(given), self.statics.get(other)) {
                let (id, origin) = (id.clone(), self.origin(given));
                self.set(other.to_owned(), id, origin);
            }
        }
    }

    /// The line of the first key of the file that the error names.
    fn line_of(&self, error: &ConfigError) -> Option<usize> {
        let text = error.to_string();
        let named = self.origins.iter().filter(|(name, _)| text.contains(name.as_str()));
        let line = |origin: &Origin| match origin {
            Origin::File { line } => Some(*line),
            _ => None,
        };
        // A longer name wins over one that is a part of it.
        let mut named: Vec<_> = named.collect();
        named.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        named.iter().find_map(|(_, origin)| line(origin))
    }

    /// Everything that was set, as given.
    #[must_use]
    pub fn statics(&self) -> &Map {
        &self.statics
    }

    /// Where the value of a key comes from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }

    /// What an operator should be told at start.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What holds with these changes made at run time.
    #[must_use]
    pub fn effective(&self, dynamic: Dynamic<'_>) -> Effective {
        Effective::new(&self.statics, dynamic)
    }
}

/// `KLAMM_LOG_RETENTION_MS` is `log.retention.ms`. Variables that name no key are left alone:
/// the same prefix serves other purposes.
fn key_of_variable(variable: &str) -> Option<String> {
    let wanted = variable.strip_prefix("KLAMM_")?;
    let same = |name: &str| {
        name.len() == wanted.len()
            && name.bytes().zip(wanted.bytes()).all(|(a, b)| match a {
                b'.' | b'-' => b == b'_',
                a => a.to_ascii_uppercase() == b,
            })
    };
    let own = |name: &str| name.strip_prefix("klamm.").is_some_and(same);
    let mut names = keys::all(Scope::Broker).map(|key| key.name);
    names.find(|name| same(name) || own(name)).map(str::to_owned)
}
