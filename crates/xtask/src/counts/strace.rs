//! System calls, and the bytes that they copy.

use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::Counts;
use super::driver::{Broker, Tools, Work, until};
use crate::interop::process::{Kind, Line, Process};

/// Calls that copy as many bytes as they return.
const COPYING: [&str; 14] = [
    "read", "readv", "pread64", "preadv", "preadv2", "recvfrom", "recvmsg", "write", "writev",
    "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg",
];

/// Counts with strace around the work.
pub(super) fn count(tools: &Tools<'_>, work: &str, count: u64) -> Result<Counts> {
    let broker = Broker::start(tools, Command::new(tools.klamm))?;
    let mut load = Work::prepare(tools, &broker, work, count)?;
    let (trace, log) = (tools.out.join("strace.out"), tools.out.join("strace.log"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-s", "0", "-o"]).arg(&trace).args(["-p", &broker.id()]);
    let strace = Process::start(&mut strace, &log, Kind::Single)?;
    until(|| std::fs::read_to_string(&log).is_ok_and(|text| text.contains("attached")))
        .context("strace does not attach")?;
    load.run()?;
    strace.signal(Signal::INT);
    while !matches!(strace.line(std::time::Duration::from_secs(10)), Line::End) {}
    let units = load.finish()?;
    let (calls, bytes) = sums(&std::fs::read_to_string(&trace)?);
    Ok(Counts::from([
        ("system_calls".to_owned(), calls / units),
        ("bytes_copied".to_owned(), bytes / units),
    ]))
}

/// The calls in a trace, and the bytes that they copied.
fn sums(trace: &str) -> (f64, f64) {
    let (mut calls, mut bytes) = (0.0, 0.0);
    for (name, returned) in trace.lines().filter_map(call) {
        calls += 1.0;
        if COPYING.contains(&name) {
            bytes += returned.max(0.0);
        }
    }
    (calls, bytes)
}

/// The name of the call that ends in a line, and what it returned.
fn call(line: &str) -> Option<(&str, f64)> {
    let (_thread, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let name = match rest.strip_prefix("<... ") {
        Some(resumed) => resumed.split(' ').next()?,
        None => rest.split_once('(')?.0,
    };
    let returned = rest.rsplit_once(" = ")?.1;
    let returned = returned.split(' ').next()?;
    Some((name, returned.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_where_they_end() {
        let trace = "\
12 recvfrom(9, \"\"..., 4096, 0, NULL, NULL) = 100
12 epoll_wait(3,  <unfinished ...>
13 pwrite64(7, \"\"..., 90, 0) = 90
12 <... epoll_wait resumed>[{events=EPOLLIN}], 1024, -1) = 1
12 sendmsg(9, {msg_iov=[]}, MSG_NOSIGNAL) = 50
12 recvfrom(9, 0x5, 4096, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
12 sendfile(9, 7, [0], 1000) = 1000
13 +++ exited with 0 +++
";
        assert_eq!(sums(trace), (6.0, 240.0));
    }
}
