//! The configuration of `klamm serve`: files, environment, options of the command line.

use std::{fmt::Write, path::Path};

use klamm_config::{BrokerConfig, ConfigFile, Layers, Map, Problem};

use super::{error::CliError, serve::Serve};

/// What stands in for the file where none is given: a node for development on this machine.
const BUILT_IN: &str = r#"
listeners = "PLAINTEXT://127.0.0.1:9092"
log.dirs = "./klamm-data"
group.initial.rebalance.delay.ms = 0
"#;
/// How it is called in messages.
const BUILT_IN_NAME: &str = "built-in configuration";

/// Reads and checks everything.
///
/// # Errors
/// `Config`, with a line per problem that names file, line, key and what is allowed.
pub(crate) fn read(serve: &Serve) -> Result<BrokerConfig, CliError> {
    let command_line = command_line(serve);
    let environment: Map =
        std::env::vars().filter(|(name, _)| name.starts_with("KLAMM_")).collect();
    let (file, name) = match &serve.config {
        None => {
            let file = ConfigFile::toml(BUILT_IN).map_err(|p| told(BUILT_IN_NAME, &p))?;
            (file, BUILT_IN_NAME.to_owned())
        }
        Some(path) => (read_file(path)?, path.display().to_string()),
    };
    let layers = Layers { file, environment, command_line };
    let config = BrokerConfig::resolve(layers).map_err(|problems| told(&name, &problems))?;
    Ok(config)
}

fn read_file(path: &Path) -> Result<ConfigFile, CliError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(CliError::io(&name))?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let file = match extension {
        Some("properties") => ConfigFile::properties(&bytes),
        Some("toml") => match std::str::from_utf8(&bytes) {
            Ok(text) => ConfigFile::toml(text),
            Err(_) => return Err(CliError::Config(format!("{name}: it is not UTF-8"))),
        },
        _ => {
            return Err(CliError::Config(format!(
                "{name}: the name must end in .toml (Klamm's form) or .properties (Kafka's form)"
            )));
        }
    };
    file.map_err(|problems| told(&name, &problems))
}

/// `file: line 3: what is wrong`.
fn told(name: &str, problems: &[Problem]) -> CliError {
    let mut text = String::new();
    for (index, problem) in problems.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n  " };
        // Writing to a string does not fail.
        let _ = match problem.line {
            Some(_) => write!(text, "{separator}{name}: {problem}"),
            None => write!(text, "{separator}{problem}"),
        };
    }
    CliError::Config(text)
}

/// The options as keys.
fn command_line(serve: &Serve) -> Map {
    let mut keys: Map = serve.set.iter().cloned().collect();
    if let Some(address) = &serve.listen {
        let listener = match address.contains("://") {
            true => address.clone(),
            false => format!("PLAINTEXT://{address}"),
        };
        keys.insert("listeners".to_owned(), listener);
    }
    if let Some(data) = &serve.data {
        keys.insert("log.dirs".to_owned(), data.display().to_string());
    }
    keys
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    /// The values of keys, or the error, for a file's text and a command line.
    fn check(file: &str, line: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let (name, text) = file.split_once(": ").unwrap_or(("", ""));
        let path = dir.path().join(name);
        let mut words = vec!["serve".to_owned()];
        if !name.is_empty() {
            std::fs::write(&path, text).unwrap();
            words.extend(["--config".to_owned(), path.display().to_string()]);
        }
        words.extend(line.split_whitespace().map(str::to_owned));
        let got = match read(&Line::parse_from(words).serve) {
            Ok(config) => {
                let keys = ["listeners", "log.dirs", "num.partitions"];
                let value = |key| config.statics().get(key).map(String::as_str).unwrap_or("-");
                keys.map(value).join(" ")
            }
            Err(error) => error.to_string().replace(&path.display().to_string(), name),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn options_stand_over_files_and_files_over_what_is_built_in() {
        check("", "", "PLAINTEXT://127.0.0.1:9092 ./klamm-data -");
        check("", "--listen h:1 --data d --set num.partitions=3", "PLAINTEXT://h:1 d 3");
        check("a.toml: num.partitions = 2", "--set num.partitions=4", "- - 4");
        check("a.properties: num.partitions=2", "--data d", "- d 2");
    }

    #[test]
    fn errors_name_the_place() {
        check(
            "a.toml: \nnum.partition = 2",
            "",
            "a.toml: line 2: Unknown broker config name: num.partition. Did you mean \
             num.partitions?",
        );
        check(
            "a.properties: num.partitions=x",
            "",
            "a.properties: line 1: Invalid value x for configuration num.partitions: Not a \
             number of type INT",
        );
        check(
            "a.conf: x",
            "",
            "a.conf: the name must end in .toml (Klamm's form) or .properties (Kafka's form)",
        );
    }
}
