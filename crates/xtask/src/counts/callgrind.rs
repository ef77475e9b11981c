//! Instructions and allocations.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Counts;
use super::driver::{Broker, Tools, Work};
use crate::interop::process::finish;

/// The functions of the allocator that give memory.
const ALLOCATING: [&str; 5] =
    ["_rjem_malloc", "_rjem_mallocx", "_rjem_calloc", "_rjem_realloc", "_rjem_rallocx"];

/// Counts under callgrind; what happens before and after the work is not counted.
pub(super) fn count(tools: &Tools<'_>, work: &str, count: u64) -> Result<Counts> {
    let out = tools.out.join(format!("callgrind.{work}"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display())).arg(tools.klamm);
    let broker = Broker::start(tools, valgrind)?;
    let mut load = Work::prepare(tools, &broker, work, count)?;
    control(tools, "--zero", &broker)?;
    load.run()?;
    control(tools, "--dump", &broker)?;
    let units = load.finish()?;
    let dump = out.with_extension(format!("{work}.1"));
    let (instructions, allocations) = sums(&std::fs::read_to_string(&dump)?)
        .with_context(|| format!("{} has no sum", dump.display()))?;
    ensure!(instructions > 0.0, "callgrind counted nothing");
    Ok(Counts::from([
        ("instructions".to_owned(), instructions / units),
        ("allocations".to_owned(), allocations / units),
    ]))
}

fn control(tools: &Tools<'_>, what: &str, broker: &Broker) -> Result<()> {
    let mut command = Command::new("callgrind_control");
    let log: &Path = &tools.out.join("callgrind_control.log");
    finish(command.arg(what).arg(broker.id()), log)
}

/// All instructions in a dump, and the calls of allocating functions.
fn sums(dump: &str) -> Option<(f64, f64)> {
    let mut names: BTreeMap<&str, bool> = BTreeMap::new();
    let mut allocates = false;
    let (mut instructions, mut allocations) = (None, 0.0);
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            // A name is written out where it comes first: "(id) name", then "(id)".
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(id, ALLOCATING.contains(&name));
            }
            allocates = names.get(id).copied().unwrap_or(false);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let calls: f64 = calls.split(' ').next()?.parse().ok()?;
            allocations += if allocates { calls } else { 0.0 };
        } else if let Some(sum) = line.strip_prefix("totals: ") {
            instructions = sum.trim().parse().ok();
        }
    }
    Some((instructions?, allocations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_allocator_are_counted() {
        let dump = "\
events: Ir
fn=(1) one
10 5
cfn=(2) _rjem_malloc
calls=3 20
11 300
cfn=(3) other
calls=9 30
12 900
fn=(4) two
cfn=(2)
calls=4 20
13 400
totals: 1605
";
        assert_eq!(sums(dump), Some((1605.0, 7.0)));
        assert_eq!(sums("fn=(1) one\n10 5\n"), None);
    }
}
