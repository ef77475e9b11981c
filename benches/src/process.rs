//! What a process spent so far, as `/proc` has it.

use std::fs;

use anyhow::{Context, Result};

/// Counters of a process at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// User and system time of all its threads, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Resident memory.
    pub(crate) rss_bytes: u64,
    /// Bytes it caused to be written to the disk layer, dirtied page cache included.
    pub(crate) written_bytes: u64,
}

/// Reads the counters of a process.
///
/// # Errors
/// Where the process is gone or belongs to somebody else.
pub(crate) fn spent(pid: u32) -> Result<Spent> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).with_context(|| path.clone())
    };
    Ok(Spent {
        cpu_seconds: cpu_seconds(&read("stat")?).context("utime and stime in /proc/PID/stat")?,
        rss_bytes: value_of(&read("status")?, "VmRSS:").unwrap_or(0) * 1024,
        written_bytes: value_of(&read("io")?, "write_bytes:").unwrap_or(0),
    })
}

/// utime and stime are fields 14 and 15; the name in field 2 may have spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn value_of(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_are_passed_over() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 5 0 0";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(300.0 / ticks));
        assert_eq!(value_of("a: 1\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
    }
}
