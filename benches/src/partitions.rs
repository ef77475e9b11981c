//! Creating many partitions.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::Target;
use crate::meter::Report;
use crate::process::spent;
use crate::wire::Connection;

/// Options of `load partitions`: `--topics` of `--partitions` each, which stay.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
}

/// Creates the topics and waits until all partitions have leaders.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut connection = Connection::open(&target.bootstrap)?;
    let cpu = || target.broker_pid.map(spent).transpose();
    let (start, before) = (Instant::now(), cpu()?);
    target.create(&mut connection)?;
    let mut report = Report::default();
    report.set("create_seconds", start.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (before, cpu()?) {
        report.set("broker_cpu_seconds", after.cpu_seconds - before.cpu_seconds);
        report.set("broker_rss_bytes", after.rss_bytes as f64);
    }
    Ok(report.into_json())
}
