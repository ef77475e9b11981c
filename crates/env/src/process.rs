//! What this process uses of the machine, and what the machine has. Not part of [`Env`](crate::Env): a simulated broker has no
//! process of its own, and nothing is decided by these numbers.

use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// What a process uses. What the system does not tell is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Time that it had a processor, user and system together, seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory that is not swapped out, bytes.
    pub resident_bytes: Option<u64>,
    /// Files and sockets that are open.
    pub open_files: Option<u64>,
    /// How many files and sockets may be open; none for any number.
    pub open_files_max: Option<u64>,
}

/// What this process uses now.
pub fn usage() -> Usage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    Usage {
        cpu_seconds: Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
        resident_bytes: resident_bytes(),
        open_files: open_files(),
        open_files_max: getrlimit(Resource::Nofile).current,
    }
}

/// The machine that this process runs on. What the system does not tell is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Processors that this process may use.
    pub processors: Option<u64>,
    /// Mean number of processes that could run, over a minute.
    pub load: Option<f64>,
    /// Memory there is, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory that programs may still have without swapping, bytes.
    pub memory_available_bytes: Option<u64>,
}

/// The machine now.
pub fn machine() -> Machine {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Machine {
        processors: std::thread::available_parallelism().ok().map(|n| n.get() as u64),
        load: load.split_ascii_whitespace().next().and_then(|load| load.parse().ok()),
        memory_bytes: kilobytes(&memory, "MemTotal:"),
        memory_available_bytes: kilobytes(&memory, "MemAvailable:"),
    }
}

/// A line of `meminfo`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The second number of `statm` is in pages.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The directory that is read is open as well, and not counted.
fn open_files() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(entries.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_all_of_it() {
        let before = usage();
        let file = std::fs::File::open("/proc/self/statm").expect("it exists");
        let now = usage();
        drop(file);
        assert!(now.cpu_seconds >= before.cpu_seconds);
        assert!(now.resident_bytes.is_some_and(|bytes| bytes > 1 << 16), "{now:?}");
        assert!(now.open_files.is_some_and(|files| files > 0), "{now:?}");
        let machine = machine();
        assert!(machine.memory_bytes > machine.memory_available_bytes, "{machine:?}");
        assert!(machine.processors > Some(0) && machine.load >= Some(0.0), "{machine:?}");
    }
}
