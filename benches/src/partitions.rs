//! Creating many partitions.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::Target;
use crate::meter::Report;
use crate::process::spent;
use crate::wire::{self, Connection};

/// Options of `load partitions`: topics `TOPIC-0`, `TOPIC-1` and so on, `--partitions` in each.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 10)]
    topics: usize,
    /// Deletes the topics instead.
    #[arg(long)]
    delete: bool,
}

/// Creates the topics and waits until all partitions have leaders.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut connection = Connection::open(&target.bootstrap)?;
    let names: Vec<_> = (0..options.topics).map(|n| format!("{}-{n}", target.topic)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let cpu = || target.broker_pid.map(spent).transpose();
    let (start, before) = (Instant::now(), cpu()?);
    if options.delete {
        wire::delete_topics(&mut connection, &names)?;
    } else {
        for name in &names {
            wire::create_topics(&mut connection, &[name], target.partitions, &[])?;
        }
        wire::await_leaders(&mut connection, &names, target.partitions)?;
    }
    let mut report = Report::default();
    report.set("create_seconds", start.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (before, cpu()?) {
        report.set("broker_cpu_seconds", after.cpu_seconds - before.cpu_seconds);
        report.set("broker_rss_bytes", after.rss_bytes as f64);
    }
    Ok(report.into_json())
}
