//! What is logged, by the module that says it: Kafka's broker loggers (KIP-412).
//!
//! A logger without a level of its own has that of the one above it, in the end that of `root`.
//! Levels last as long as the process, as in Kafka.

use std::{collections::BTreeMap, fmt};

use klamm_protocol::{ErrorCode, messages::incremental_alter_configs_request::AlterableConfig};
use parking_lot::Mutex;

/// The logger that all others are below.
pub(crate) const ROOT: &str = "root";

/// The loggers besides `root`: crates, and the modules of the larger ones that say something.
pub const LOGGERS: [&str; 20] = [
    "klamm",
    "klamm_broker",
    "klamm_broker::api",
    "klamm_broker::assignments",
    "klamm_broker::broker",
    "klamm_broker::cleaner",
    "klamm_broker::fetch_read",
    "klamm_broker::groups",
    "klamm_broker::listener",
    "klamm_broker::loggers",
    "klamm_broker::open_logs",
    "klamm_broker::partition",
    "klamm_broker::server",
    "klamm_broker::tasks",
    "klamm_log",
    "klamm_log::dirs",
    "klamm_log::open",
    "klamm_quorum",
    "klamm_quorum::driver",
    "raft",
];

/// How much a logger says, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing: there is nothing worse than an error here.
    Fatal,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

const LEVELS: [(&str, Level, &str); 6] = [
    ("DEBUG", Level::Debug, "debug"),
    ("ERROR", Level::Error, "error"),
    ("FATAL", Level::Fatal, "off"),
    ("INFO", Level::Info, "info"),
    ("TRACE", Level::Trace, "trace"),
    ("WARN", Level::Warn, "warn"),
];

impl Level {
    /// The level of a name in Kafka.
    fn parse(name: &str) -> Option<Self> {
        LEVELS.iter().find(|(known, ..)| *known == name).map(|(_, level, _)| *level)
    }

    /// The level of a directive such as `info` or `off`.
    fn of_directive(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        LEVELS.iter().find(|(.., known)| *known == word).map(|(_, level, _)| *level)
    }

    fn row(self) -> &'static (&'static str, Self, &'static str) {
        LEVELS.iter().find(|(_, level, _)| *level == self).expect("every level has a row")
    }

    /// Its name in Kafka.
    pub fn name(self) -> &'static str {
        self.row().0
    }
}

/// Takes the directives over that say what is logged.
type Apply = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Debug, Default)]
struct Levels {
    /// By logger; only those that have a level of their own.
    own: BTreeMap<String, Level>,
    /// Directives that are more than a level, kept as they are.
    others: Vec<String>,
}

/// The levels of this process.
pub struct Loggers {
    levels: Mutex<Levels>,
    apply: Apply,
}

impl fmt::Debug for Loggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loggers").field(&self.levels.lock().own).finish()
    }
}

impl Default for Loggers {
    /// Levels that nobody looks at: whoever embeds the broker logs as they like.
    fn default() -> Self {
        Self::new("info", Box::new(|_| ()))
    }
}

/// Why a level is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) text: String,
}

impl Loggers {
    /// Levels as directives such as `warn,klamm_broker=debug` say; `apply` is told of every change
    /// in the same form.
    pub fn new(directives: &str, apply: Apply) -> Self {
        let mut levels = Levels::default();
        for directive in directives.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (target, level) = match directive.split_once('=') {
                Some((target, level)) => (target.trim(), Level::of_directive(level)),
                None => (ROOT, Level::of_directive(directive)),
            };
            match level.filter(|_| !target.contains(['[', '{'])) {
                Some(level) => drop(levels.own.insert(target.to_owned(), level)),
                None => levels.others.push(directive.to_owned()),
            }
        }
        levels.own.entry(ROOT.to_owned()).or_insert(Level::Error);
        Self { levels: Mutex::new(levels), apply }
    }

    /// All loggers with the levels in effect, by name.
    pub(crate) fn all(&self) -> BTreeMap<String, Level> {
        let levels = self.levels.lock();
        let known = LOGGERS.iter().map(|name| (*name).to_owned());
        let names = known.chain(levels.own.keys().cloned());
        names.map(|name| (name.clone(), levels.effective(&name))).collect()
    }

    /// Checks changes of levels, all before any is made.
    pub(crate) fn check(&self, changes: &[AlterableConfig<'_>]) -> Result<(), Refused> {
        changes.iter().try_for_each(|change| self.check_one(change))
    }

    fn check_one(&self, change: &AlterableConfig<'_>) -> Result<(), Refused> {
        let name = &*change.name;
        let exists = || match self.all().contains_key(name) {
            true => Ok(()),
            false => Err(Refused::config(format!("Logger {name} does not exist!"))),
        };
        match change.config_operation {
            0 => {
                exists()?;
                let value = change.value.as_deref().unwrap_or("null");
                if Level::parse(value).is_some() {
                    return Ok(());
                }
                let valid = LEVELS.map(|(name, ..)| name).join(", ");
                Err(Refused::config(format!(
                    "Cannot set the log level of {name} to {value} as it is not a supported log \
                     level. Valid log levels are {valid}"
                )))
            }
            1 => {
                exists()?;
                if name != ROOT {
                    return Ok(());
                }
                let text = "Removing the log level of the root logger is not allowed";
                Err(Refused::request(text.to_owned()))
            }
            operation @ (2 | 3) => {
                let operation = if operation == 2 { "APPEND" } else { "SUBTRACT" };
                let text =
                    format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
                Err(Refused::request(text))
            }
            operation => {
                let text = format!(
                    "Unknown operation type {operation} is not allowed for the BROKER_LOGGER \
                     resource"
                );
                Err(Refused::request(text))
            }
        }
    }

    /// Makes changes that were checked.
    pub(crate) fn change(&self, changes: &[AlterableConfig<'_>]) {
        let mut levels = self.levels.lock();
        for change in changes {
            match change.value.as_deref().and_then(Level::parse) {
                Some(level) if change.config_operation == 0 => {
                    levels.own.insert(change.name.to_string(), level);
                    tracing::warn!("updated the log level of {} to {}", change.name, level.name());
                }
                _ => {
                    levels.own.remove(&*change.name);
                    tracing::warn!("unset the log level of {}", change.name);
                }
            }
        }
        let directives = levels.directives();
        drop(levels);
        (self.apply)(&directives);
    }
}

impl Levels {
    /// The level of a logger or of the nearest one above it.
    fn effective(&self, name: &str) -> Level {
        let mut above = name;
        loop {
            if let Some(level) = self.own.get(above) {
                return *level;
            }
            above = match above.rsplit_once("::") {
                Some((module, _)) => module,
                None if above == ROOT => return Level::Error,
                None => ROOT,
            };
        }
    }

    fn directives(&self) -> String {
        let own = self.own.iter().map(|(name, level)| match name.as_str() {
            ROOT => level.row().2.to_owned(),
            name => format!("{name}={}", level.row().2),
        });
        own.chain(self.others.iter().cloned()).collect::<Vec<_>>().join(",")
    }
}

impl Refused {
    fn config(text: String) -> Self {
        Self { code: ErrorCode::InvalidConfig, text }
    }

    fn request(text: String) -> Self {
        Self { code: ErrorCode::InvalidRequest, text }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Makes changes `name=LEVEL`, or `name` to take it back; answers with what is applied then.
    fn check(start: &str, changes: &[&str]) -> String {
        let applied = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&applied);
        let apply = move |directives: &str| directives.clone_into(&mut seen.lock());
        let loggers = Loggers::new(start, Box::new(apply));
        for change in changes {
            let (name, value) = match change.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (*change, None),
            };
            let change = AlterableConfig {
                name: name.into(),
                config_operation: i8::from(value.is_none()),
                value: value.map(Into::into),
                ..AlterableConfig::default()
            };
            if let Err(refused) = loggers.check(std::slice::from_ref(&change)) {
                return refused.text;
            }
            loggers.change(&[change]);
        }
        applied.lock().clone()
    }

    #[test]
    fn levels_are_applied() {
        assert_eq!(check("warn", &["root=INFO"]), "info");
        let own = "klamm_broker::cleaner=DEBUG";
        assert_eq!(check("info", &[own]), "klamm_broker::cleaner=debug,info");
        assert_eq!(check("info", &[own, "klamm_broker::cleaner"]), "info");
        assert_eq!(
            check("info,[span]=debug", &["klamm_log=FATAL"]),
            "klamm_log=off,info,[span]=debug"
        );
        assert_eq!(check("info", &["no.such=INFO"]), "Logger no.such does not exist!");
        assert!(check("info", &["root=LOUD"]).contains("not a supported log level"));
        assert!(check("info", &["root"]).contains("root logger is not allowed"));
    }

    #[test]
    fn a_logger_without_a_level_has_that_above() {
        let loggers = Loggers::new("warn,klamm_broker=debug", Box::new(|_| ()));
        let all = loggers.all();
        assert_eq!(all["klamm_broker::cleaner"], Level::Debug);
        assert_eq!(all["klamm_log::open"], Level::Warn);
        assert_eq!(all["root"], Level::Warn);
    }

    /// Every logger is a crate or a module that exists.
    #[test]
    fn loggers_exist() {
        let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        for name in LOGGERS.iter().filter(|name| **name != "raft") {
            let (package, module) = name.split_once("::").unwrap_or((name, "lib"));
            let folder = package.strip_prefix("klamm_").unwrap_or(package);
            let base = format!("{crates}/{folder}/src/{module}");
            let found = [format!("{base}.rs"), format!("{base}/mod.rs")];
            assert!(found.iter().any(|path| std::path::Path::new(path).exists()), "{name}");
        }
    }
}
