//! Scenarios: requests in a row, written down in `scenarios/*.txt`.
//!
//! The form is described in `scenarios/README.md`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::value::Value;

/// Requests that build on each other.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    /// Left out unless everything is asked for.
    pub(crate) full: bool,
}

/// One line of a scenario.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    /// The connection it goes over.
    pub(crate) connection: String,
    pub(crate) mode: Mode,
    pub(crate) api: String,
    pub(crate) body: Value,
    /// Variables and the paths in the answer that they take their values from.
    pub(crate) captures: Vec<(String, String)>,
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In the version of the round.
    Round,
    /// In the newest version.
    Newest,
    /// In one version.
    Exactly(i16),
    /// In every version, one after the other.
    Each,
    /// In every version with each field in turn set to something else.
    Mutate,
    /// With bytes cut off and added.
    Damaged,
    /// In a version that nobody knows.
    Unknown,
    /// In the version of the round; the answer is read by a later `answer`.
    Later,
    /// In the version of the round; no answer is expected.
    Quiet,
    /// Reads what `Later` left.
    Answer,
    /// Ends the connection.
    Disconnect,
    /// Sends nothing for some milliseconds.
    Pause(u64),
}

/// Reads all scenarios of a folder in the order of their files.
pub(crate) fn load(folder: &Path) -> Result<Vec<Scenario>> {
    let mut files: Vec<_> =
        fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        all.extend(parse(&stem, &text).with_context(|| file.display().to_string())?);
    }
    Ok(all)
}

/// Reads the scenarios of one file; their names begin with its stem.
fn parse(stem: &str, text: &str) -> Result<Vec<Scenario>> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (line, text) in statements(text) {
        let (first, rest) = word(&text);
        if first == "scenario" {
            let (name, flags) = word(rest);
            let name = format!("{stem}/{name}");
            scenarios.push(Scenario { name, steps: Vec::new(), full: flags == "full" });
            continue;
        }
        let scenario = scenarios.last_mut().ok_or_else(|| anyhow!("no scenario yet"))?;
        scenario.steps.push(step(line, &text).with_context(|| format!("line {line}"))?);
    }
    Ok(scenarios)
}

/// Lines that say something; one goes on for as long as brackets are open.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut open = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with("# ") || line == "#" {
            continue;
        }
        match all.last_mut() {
            Some((_, statement)) if open > 0 => {
                statement.push(' ');
                statement.push_str(line);
            }
            _ => all.push((index + 1, line.to_owned())),
        }
        let count = |marks: [char; 2]| line.chars().filter(|c| marks.contains(c)).count();
        open = (open + count(['{', '['])).saturating_sub(count(['}', ']']));
    }
    all
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim())
}

/// `[@CONNECTION] [MODE] API {…} [-> NAME = PATH, …]`.
fn step(line: usize, text: &str) -> Result<Step> {
    let (request, captures) = text.split_once("->").unwrap_or((text, ""));
    let (first, rest) = word(request);
    let (connection, request) = match first.strip_prefix('@') {
        Some(label) => (label, rest),
        None => ("a", request),
    };
    let (first, rest) = word(request);
    let mode = mode(first, rest)?;
    let request = if mode == Mode::Round { request } else { rest };
    let (api, body) = match mode {
        Mode::Answer | Mode::Pause(_) | Mode::Disconnect => ("", ""),
        Mode::Exactly(_) => word(word(request).1),
        _ => word(request),
    };
    let body = if body.is_empty() { Value::Null } else { Value::parse(body)? };
    Ok(Step {
        line,
        connection: connection.to_owned(),
        mode,
        api: api.to_owned(),
        body,
        captures: captures
            .split(',')
            .filter(|c| !c.trim().is_empty())
            .map(capture)
            .collect::<Result<_>>()?,
    })
}

fn mode(word_: &str, rest: &str) -> Result<Mode> {
    Ok(match word_ {
        "newest" => Mode::Newest,
        "version" => Mode::Exactly(word(rest).0.parse()?),
        "each" => Mode::Each,
        "mutate" => Mode::Mutate,
        "damaged" => Mode::Damaged,
        "unknown" => Mode::Unknown,
        "later" => Mode::Later,
        "quiet" => Mode::Quiet,
        "answer" => Mode::Answer,
        "disconnect" => Mode::Disconnect,
        "pause" => Mode::Pause(rest.parse()?),
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => Mode::Round,
        other => bail!("what is {other:?}?"),
    })
}

fn capture(text: &str) -> Result<(String, String)> {
    let (name, path) = text.split_once('=').ok_or_else(|| anyhow!("expected NAME = PATH"))?;
    ensure!(!path.trim().is_empty(), "no path for {name}");
    Ok((name.trim().to_owned(), path.trim().to_owned()))
}
