//! Installs one client and runs its checks.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::broker::Target;
use super::process::{Kind, Line, Process, finish, tail};
use super::suite::{Client, INSTALL, Suite};
use super::{Places, jars};

/// A check that says nothing for this long is over. The programs bound their own waits below it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);
/// A client's whole run. The longest take a third of that on a machine that has nothing else to do.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(300);
/// Folders of a client that are made by installing or running it.
const MADE: [&str; 3] = ["node_modules", "target", "__pycache__"];

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The check passed.
    Ok,
    /// It could not run here, for instance for want of the broker's data folder.
    Skipped,
    /// It failed, with the reason.
    Failed(String),
}

/// What a client reported.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// By check.
    pub(super) outcomes: BTreeMap<String, Outcome>,
    took: Duration,
}

impl Run {
    /// A client that never ran.
    pub(super) fn not_installed(error: &str) -> Self {
        Run::failed(INSTALL, error)
    }

    fn failed(check: &str, reason: &str) -> Self {
        let outcomes = [(check.to_owned(), Outcome::Failed(reason.to_owned()))].into();
        Run { outcomes, took: Duration::ZERO }
    }

    /// Whether the first check failed: all others rest on it and would only wait.
    fn useless(&self) -> bool {
        self.outcomes.len() == 1
            && matches!(self.outcomes.values().next(), Some(Outcome::Failed(_)))
    }

    /// Seconds the run took.
    pub(super) fn seconds(&self) -> f64 {
        self.took.as_secs_f64()
    }
}

/// Installs the clients one after the other; answers the error of each that could not be.
pub(super) fn install_all(
    places: &Places,
    suite: &Suite,
    clients: &[&Client],
) -> Result<Vec<Option<String>>> {
    let mut errors = Vec::new();
    for client in clients {
        let error = install(places, client).err().map(|error| format!("{error:#}"));
        if error.is_some() && suite.denied(client, INSTALL, "").is_none() {
            writeln!(std::io::stderr(), "{}: not installed", client.name)?;
        }
        errors.push(error);
    }
    Ok(errors)
}

/// Installs unless that was done for the same sources and command.
fn install(places: &Places, client: &Client) -> Result<()> {
    for (command, package) in &client.needs {
        need(places, command, package)?;
    }
    if client.jars {
        jars::kafka(places)?;
    }
    for version in &client.kafka_clients {
        jars::client(places, version)?;
    }
    if client.install.is_empty() {
        return Ok(());
    }
    let out = places.out.join(&client.name);
    let stamp = out.join(".installed");
    let uses = format!("{} {} {:?}", client.install, client.jars, client.kafka_clients);
    let wanted = format!("{:016x}\n", fingerprint(&places.suite.join(&client.folder), &uses)?);
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(&out)?;
    writeln!(std::io::stderr(), "installing {}", client.name)?;
    let log = places.out.join("logs").join(format!("{}-install.log", client.name));
    finish(&mut shell(places, client, &client.install)?, &log)?;
    Ok(std::fs::write(stamp, wanted)?)
}

/// Sees that a command is there; on Debian, root may install it.
fn need(places: &Places, command: &str, package: &str) -> Result<()> {
    let found = |command: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
    };
    if found(command) {
        return Ok(());
    }
    let may_install = rustix::process::geteuid().is_root() && found("apt-get");
    ensure!(may_install, "needs the command {command} (Debian package {package})");
    let mut apt = Command::new("sh");
    apt.args([
        "-c",
        &format!("apt-get update && apt-get install -y --no-install-recommends {package}"),
    ]);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    finish(&mut apt, &places.out.join("logs").join(format!("apt-{package}.log")))?;
    ensure!(found(command), "the Debian package {package} has no command {command}");
    Ok(())
}

/// A number that changes with a client's files and what it uses.
fn fingerprint(folder: &Path, uses: &str) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    uses.hash(&mut hasher);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
        paths.sort();
        for path in paths {
            if path.is_file() {
                (&path, std::fs::read(&path)?).hash(&mut hasher);
            } else if !MADE.iter().any(|made| path.ends_with(made)) {
                folders.push(path);
            }
        }
    }
    Ok(hasher.finish())
}

fn shell(places: &Places, client: &Client, script: &str) -> Result<Command> {
    let mut command = Command::new("bash");
    command.args(["-euc", script]).current_dir(places.suite.join(&client.folder));
    command.env("OUT", places.out.join(&client.name));
    command.env("KAFKA_CLIENTS", jars::clients(places));
    if client.jars {
        command.env("KAFKA_JARS", jars::kafka(places)?);
    }
    Ok(command)
}

/// Runs a client's checks.
pub(super) fn run(places: &Places, suite: &Suite, client: &Client, target: &Target) -> Run {
    #[expect(
        clippy::disallowed_methods,
        reason = "measures a real program; nothing here is simulated"
    )]
    let start = Instant::now();
    let mut run = match start_program(places, client, target) {
        Ok((process, log)) => follow(&process, &log, start),
        Err(error) => Run::failed(INSTALL, &format!("{error:#}")),
    };
    for check in suite.checks(client) {
        let missing = || Outcome::Failed("not reported".to_owned());
        run.outcomes.entry(check.clone()).or_insert_with(missing);
    }
    run.took = start.elapsed();
    run
}

fn start_program(places: &Places, client: &Client, target: &Target) -> Result<(Process, PathBuf)> {
    let log = places.out.join("logs").join(format!("{}.log", client.name));
    let mut command = shell(places, client, &client.run)?;
    command.env("BOOTSTRAP", &target.bootstrap);
    command.env("PREFIX", format!("{}-{}", client.name, std::process::id()));
    if let Some(data) = &target.data {
        command.env("DATA_DIR", data);
    }
    if let Some(program) = &target.program {
        command.env("KLAMM", program);
    }
    Ok((Process::start(&mut command, &log, Kind::Group)?, log))
}

/// Reads reports until the program is done or late.
fn follow(process: &Process, log: &Path, start: Instant) -> Run {
    let mut run = Run::default();
    let mut running = None;
    loop {
        let wait = CHECK_TIMEOUT.min(CLIENT_TIMEOUT.saturating_sub(start.elapsed()));
        let ending = match process.line(wait) {
            Line::Text(line) => {
                note(&mut run, &mut running, &line);
                if run.useless() {
                    return run;
                }
                continue;
            }
            Line::Late => format!("no report within {} s", wait.as_secs()),
            Line::End => format!("the program ended: {}", tail(log, 3)),
        };
        if let Some(check) = running {
            run.outcomes.insert(check, Outcome::Failed(ending));
        }
        return run;
    }
}

/// Takes one line of the report; libraries may write others, which say nothing.
fn note(run: &mut Run, running: &mut Option<String>, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or_default();
    let (check, reason) = rest.split_once(": ").unwrap_or((rest, ""));
    let outcome = match word {
        "run" => {
            *running = Some(check.to_owned());
            return;
        }
        "ok" => Outcome::Ok,
        "skip" => Outcome::Skipped,
        "FAIL" => Outcome::Failed(reason.to_owned()),
        _ => return,
    };
    *running = None;
    run.outcomes.insert(check.to_owned(), outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_lines() {
        let mut run = Run::default();
        let mut running = None;
        for line in ["run a", "ok a", "noise", "run b", "FAIL b: x: y", "skip c: no data", "run d"]
        {
            note(&mut run, &mut running, line);
        }
        let text = format!("{:?} {running:?}", run.outcomes);
        assert_eq!(text, r#"{"a": Ok, "b": Failed("x: y"), "c": Skipped} Some("d")"#);
    }
}
