//! Metadata of one topic among many, asked for one after the other on one connection.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use klamm_protocol::messages::MetadataRequest;
use serde_json::Value;

use crate::Target;
use crate::meter::{Counter, Meter};
use crate::wire::{self, Connection, METADATA_VERSION, decode};

/// The next topic is so many further: neighbours are not asked for one after the other.
const STRIDE: usize = 7919;

/// Options of `load metadata`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
}

/// Asks for the topics' metadata, one topic a request.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut connection = Connection::open(&target.bootstrap)?;
    target.create(&mut connection)?;
    let (names, meter) = (target.names(), Meter::new());
    let counter = meter.counter();
    let asking = std::thread::spawn(move || {
        if let Err(error) = ask(&mut connection, &names, &counter) {
            counter.fail(format!("{error:#}"));
        }
        connection
    });
    let report = Arc::clone(&meter).measure(target);
    let mut connection = asking.join().ok().context("the thread that asks has ended")?;
    target.delete(&mut connection)?;
    Ok(report?.into_json())
}

fn ask(connection: &mut Connection, names: &[String], counter: &Counter) -> Result<()> {
    let mut next = 0;
    while !counter.is_stopped() {
        let name = &names[next % names.len()];
        next = next.wrapping_add(STRIDE);
        let begun = Instant::now();
        let frame = wire::metadata(connection, std::slice::from_ref(name))?;
        let took = begun.elapsed();
        let answer = decode::<MetadataRequest<'_>>(METADATA_VERSION, &frame)?;
        let topic = answer.topics.first().context("a topic was asked for")?;
        ensure!(topic.error_code == 0, "metadata of {name}: error {}", topic.error_code);
        let mut tally = counter.tally();
        tally.add(1, 1, frame.len() as u64);
        tally.took(took);
    }
    Ok(())
}
