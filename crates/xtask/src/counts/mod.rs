//! `cargo xtask counts`: what a request costs in figures that do not depend on how busy the
//! machine is: instructions and allocations (callgrind), system calls and the bytes they copy
//! (strace).
//!
//! The table in docs/performance.md and the limits that fail CI come from one file,
//! benches/counts.toml; `--write` makes it anew.

mod callgrind;
mod driver;
mod strace;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::bench::load::Load;
use crate::interop::Places;
use crate::interop::broker::build_klamm;
use driver::Tools;

/// Options of `cargo xtask counts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes what is counted to benches/counts.toml instead of comparing.
    #[arg(long)]
    write: bool,
    /// Counts in this program instead of building Klamm.
    #[arg(long, value_name = "FILE")]
    klamm: Option<PathBuf>,
}

/// Work of `load counted`: its name there, how often it is done, and what it is.
const WORKS: [(&str, u64, &str); 5] = [
    ("produce", 200, "a produce request of 100 records of 1 KB"),
    ("pipelined", 3200, "a produce request of one record, 32 arriving together"),
    ("fetch", 200, "a fetch of 1 MB from the page cache"),
    ("follow", 1000, "a record delivered to one of ten consumers that wait for it"),
    ("metadata", 1000, "metadata of one topic"),
];

/// Counts by name, each for one unit of work.
pub(crate) type Counts = BTreeMap<String, f64>;
/// Counts by work.
pub(crate) type Table = BTreeMap<String, Counts>;

/// Counts may be so much higher than those of benches/counts.toml: a part of them, and a little
/// for those that are near zero. What a timer does now and then is within it.
fn limit(name: &str, committed: f64) -> f64 {
    match name {
        "instructions" => committed * 1.10,
        "bytes_copied" => committed * 1.05 + 64.0,
        _ => committed * 1.10 + 0.2,
    }
}

/// Counts, and compares or writes.
pub(crate) fn run(args: &Args) -> Result<()> {
    let places = Places::new()?;
    let out = places.target().join("counts");
    std::fs::create_dir_all(&out)?;
    let klamm = match &args.klamm {
        Some(program) => program.canonicalize().context("--klamm")?,
        None => build_klamm(&places)?,
    };
    let load = Load::build(&places, &places.target().join("bench"))?;
    let tools = Tools { klamm: &klamm, load: load.program(), out: &out };
    let mut table = Table::new();
    for (work, count, _) in WORKS {
        let mut counts = strace::count(&tools, work, count)?;
        counts.append(&mut callgrind::count(&tools, work, count)?);
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{work:<12}{}", said(&counts))?;
        table.insert(work.to_owned(), counts);
    }
    let file = file(places.root());
    if args.write {
        return Ok(std::fs::write(&file, written(&table)?)?);
    }
    let worse = compare(&read(places.root())?, &table);
    ensure!(worse.is_empty(), "more than {} allows:\n{}", file.display(), worse.join("\n"));
    Ok(())
}

fn said(counts: &Counts) -> String {
    let words =
        counts.iter().map(|(name, count)| format!(" {count:.2} {}", name.replace('_', " ")));
    words.collect::<Vec<_>>().join(",")
}

fn file(root: &Path) -> PathBuf {
    root.join("benches/counts.toml")
}

fn read(root: &Path) -> Result<Table> {
    let file = file(root);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    toml::from_str(&text).with_context(|| file.display().to_string())
}

fn written(table: &Table) -> Result<String> {
    let head = "# What one unit of work costs; written by `cargo xtask counts --write`. CI fails if it is more.\n\n";
    let rounded = table.iter().map(|(work, counts)| {
        let counts =
            counts.iter().map(|(name, count)| (name.clone(), (count * 100.0).round() / 100.0));
        (work.clone(), counts.collect::<Counts>())
    });
    Ok(format!("{head}{}", toml::to_string(&rounded.collect::<Table>())?))
}

/// What is above its limit, or is not in the file.
fn compare(committed: &Table, counted: &Table) -> Vec<String> {
    let mut worse = Vec::new();
    for (work, counts) in counted {
        for (name, count) in counts {
            match committed.get(work).and_then(|counts| counts.get(name)) {
                Some(before) if *count <= limit(name, *before) => {}
                Some(before) => worse.push(format!("{work}: {count:.2} {name}, was {before:.2}")),
                None => worse.push(format!("{work}: {name} is not in the file")),
            }
        }
    }
    worse
}

/// The table for docs/performance.md.
pub(crate) fn page(root: &Path) -> Result<String> {
    let table = read(root)?;
    let mut out = String::from(
        "## Counted\n\nWhat one unit of work costs Klamm, the same on a busy machine and an idle one: `cargo xtask counts` counts it with callgrind and strace, and CI fails if it has become more. Bytes are those that system calls copy between the broker and the kernel; what `sendfile` moves is not copied to it.\n\n| work | instructions | allocations | system calls | bytes copied |\n|---|---|---|---|---|\n",
    );
    for (work, _, what) in WORKS {
        let count = |name: &str| {
            let count = table.get(work).and_then(|counts| counts.get(name));
            count.map_or_else(|| "?".to_owned(), |count| crate::bench::page::number(*count))
        };
        // Writing to a string cannot fail.
        writeln!(
            out,
            "| {what} | {} | {} | {} | {} |",
            count("instructions"),
            count("allocations"),
            count("system_calls"),
            count("bytes_copied"),
        )
        .ok();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(work: &str, name: &str, count: f64) -> Table {
        Table::from([(work.to_owned(), Counts::from([(name.to_owned(), count)]))])
    }

    #[test]
    fn more_than_the_limit_is_told() {
        let check = |before: f64, now: f64, worse: usize| {
            let found = compare(
                &table("produce", "system_calls", before),
                &table("produce", "system_calls", now),
            );
            assert_eq!(found.len(), worse, "{before} {now} {found:?}");
        };
        check(4.0, 4.0, 0);
        check(4.0, 4.5, 0);
        check(4.0, 4.7, 1);
        check(0.0, 0.1, 0);
        check(0.0, 1.0, 1);
        let unknown = compare(&Table::new(), &table("produce", "allocations", 1.0));
        assert_eq!(unknown, ["produce: allocations is not in the file"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let before = table("produce", "instructions", 1234.56);
        let after: Table = toml::from_str(&written(&before).unwrap()).unwrap();
        assert_eq!(before, after);
    }
}
