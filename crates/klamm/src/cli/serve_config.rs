//! The configuration of `klamm serve`: files, environment, options of the command line.

use std::{fmt::Write, path::Path};

use klamm_config::{BrokerConfig, ConfigFile, Layers, Map, Problem};

use super::{error::CliError, serve::Serve};

/// The data directory of a start without any configuration.
const DATA_DIR: &str = "./klamm-data";

/// Reads and checks everything.
///
/// # Errors
/// `Config`, with a line per problem that names file, line, key and what is allowed.
pub(crate) fn read(serve: &Serve) -> Result<BrokerConfig, CliError> {
    let command_line = command_line(serve);
    let environment: Map =
        std::env::vars().filter(|(name, _)| name.starts_with("KLAMM_")).collect();
    let (file, name) = match &serve.config {
        None => (ConfigFile::default(), "configuration".to_owned()),
        Some(path) => (read_file(path)?, path.display().to_string()),
    };
    let layers = Layers { file, environment, command_line };
    let config = BrokerConfig::resolve(layers).map_err(|problems| told(&name, &problems))?;
    Ok(config)
}

fn read_file(path: &Path) -> Result<ConfigFile, CliError> {
    let name = path.display().to_string();
    let bytes = read_bytes(path).map_err(CliError::io(&name))?;
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

#[expect(
    clippy::disallowed_methods,
    reason = "the file is read before there is a broker whose disk could be simulated"
)]
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
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

/// The options as keys. Without a file the broker is one for development on this machine.
fn command_line(serve: &Serve) -> Map {
    let mut keys = Map::new();
    if serve.config.is_none() {
        let mut default = |key: &str, value: &str| {
            let variable = format!("KLAMM_{}", key.replace('.', "_").to_uppercase());
            if std::env::var_os(variable).is_none() {
                keys.insert(key.to_owned(), value.to_owned());
            }
        };
        default("listeners", "PLAINTEXT://127.0.0.1:9092");
        default("log.dirs", DATA_DIR);
        default("group.initial.rebalance.delay.ms", "0");
    }
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
    keys.extend(serve.set.iter().cloned());
    keys
}
