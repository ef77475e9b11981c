//! Another program as the load: what it cost the broker, and what it says of itself.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::Target;
use crate::meter::Report;
use crate::process::spent;
use crate::wire::Connection;

/// Options of `load program`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1024)]
    record_bytes: u64,
    /// What the program sends or reads.
    #[arg(long)]
    records: u64,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the program to its end.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let pid = target.broker_pid.context("--broker-pid is needed")?;
    let (program, arguments) = options.command.split_first().context("a program is named")?;
    let (start, before) = (Instant::now(), spent(pid)?);
    let output = Command::new(program).args(arguments).output().context("running the program")?;
    let (seconds, after) = (start.elapsed().as_secs_f64(), spent(pid)?);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}: {said}{errors}", output.status);
    let mut report = Report::default();
    report.set("seconds", seconds);
    report.set("records", options.records as f64);
    report.set("bytes", (options.records * options.record_bytes) as f64);
    report.set("broker_cpu_seconds", after.cpu_seconds - before.cpu_seconds);
    report.set("broker_rss_bytes", after.rss_bytes as f64);
    let rate = producer_rate(&said).or_else(|| consumer_rate(&said));
    report.set("tool_mb_per_second", rate.with_context(|| format!("no rate in {said}"))?);
    target.delete(&mut admin)?;
    Ok(report.into_json())
}

/// The rate in the last line of `kafka-producer-perf-test`: `..., 12 records/sec (3.4 MB/sec), ...`.
fn producer_rate(said: &str) -> Option<f64> {
    let line = said.lines().rfind(|line| line.contains("MB/sec"))?;
    let before = line.split(" MB/sec").next()?;
    before.rsplit('(').next()?.parse().ok()
}

/// The column `fetch.MB.sec` of `kafka-consumer-perf-test`.
fn consumer_rate(said: &str) -> Option<f64> {
    let mut lines = said.lines().skip_while(|line| !line.contains("fetch.MB.sec"));
    let column = lines.next()?.split(',').position(|name| name.trim() == "fetch.MB.sec")?;
    lines.next()?.split(',').nth(column)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_found() {
        let producer = "5 records sent, 4.0 records/sec (1.00 MB/sec), 3 ms avg\n\
            9 records sent, 8.0 records/sec (2.50 MB/sec), 3.1 ms avg latency, 5 ms 99th.\n";
        assert_eq!(producer_rate(producer), Some(2.5));
        let consumer = "start.time, MB.sec, fetch.MB.sec, x\n2026-01-01, 1.5, 7.25, 3\n";
        assert_eq!(consumer_rate(consumer), Some(7.25));
        assert_eq!(producer_rate("nothing"), None);
    }
}
