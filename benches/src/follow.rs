//! Consumers that follow a topic, each in a group of its own, through librdkafka.
//!
//! Each value begins with the time at which it was due, so that the latency from end to end
//! counts from the schedule.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use crate::Target;
use crate::meter::{Counter, Meter};
use crate::pace::Pace;
use crate::payload::{Kind, Payloads};
use crate::produce::Sender;
use crate::wire::{Connection, PATIENCE};

/// A consumer looks this often whether the load is over.
const POLL: Duration = Duration::from_millis(100);

/// Options of `load follow`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    /// Records per second.
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Groups, each with one consumer.
    #[arg(long, default_value_t = 10)]
    groups: usize,
    #[arg(long, default_value = "1")]
    acks: String,
    #[arg(long, default_value = "0")]
    linger_ms: String,
}

/// Follows until the time is over; counts deliveries.
pub(crate) fn run(options: &Options) -> Result<Value> {
    ensure!(options.record_bytes >= 8, "a value holds a time of 8 bytes");
    let target = &options.target;
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let (meter, produced) = (Meter::new(), Meter::new());
    let start = Instant::now();
    let following = AtomicUsize::new(0);
    let report = std::thread::scope(|scope| {
        for group in 0..options.groups {
            let (counter, following) = (meter.counter(), &following);
            scope.spawn(move || {
                consume(options, group, start, &counter, following)
                    .unwrap_or_else(|error| counter.fail(format!("{error:#}")));
            });
        }
        let (stop, counter) = (meter.counter(), produced.counter());
        scope.spawn(move || {
            produce(options, start, &counter, &stop)
                .unwrap_or_else(|error| stop.fail(format!("{error:#}")));
        });
        let result = await_all(&following, options.groups, &meter.counter())
            .and_then(|()| meter.measure(target));
        meter.stop();
        result
    });
    target.delete(&mut admin)?;
    Ok(report?.into_json())
}

/// Waits until every consumer has had a record.
fn await_all(following: &AtomicUsize, groups: usize, counter: &Counter) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while following.load(Ordering::Relaxed) < groups && !counter.is_stopped() {
        ensure!(Instant::now() < end, "not all consumers have a record after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn produce(options: &Options, start: Instant, counter: &Counter, stop: &Counter) -> Result<()> {
    let target = &options.target;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &target.bootstrap)
        .set("acks", &options.acks)
        .set("linger.ms", &options.linger_ms);
    let mut payloads = Payloads::new(Kind::Random, options.record_bytes, 1);
    let mut sender = Sender::new(&config, target, counter.clone(), options.record_bytes)?;
    let mut pace = Pace::new(options.rate);
    while !stop.is_stopped() && !counter.is_stopped() {
        let due = pace.wait();
        let mut value = payloads.next().to_vec();
        let due_us = u64::try_from((due - start).as_micros())?;
        value[..8].copy_from_slice(&due_us.to_be_bytes());
        sender.send(due, &value);
    }
    sender.end();
    Ok(())
}

fn consume(
    options: &Options,
    group: usize,
    start: Instant,
    counter: &Counter,
    following: &AtomicUsize,
) -> Result<()> {
    let target = &options.target;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &target.bootstrap)
        .set("group.id", format!("{}-{group}", target.topic))
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "30000");
    let consumer: BaseConsumer = config.create()?;
    consumer.subscribe(&[&target.topic])?;
    let mut is_following = false;
    while !counter.is_stopped() {
        let Some(message) = consumer.poll(POLL) else { continue };
        let message = message?;
        let value = message.payload().context("every record has a value")?;
        let due_us = value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        let due_us = due_us.context("a value begins with a time")?;
        let now_us = start.elapsed().as_micros() as u64;
        let mut tally = counter.tally();
        tally.add(1, 1, value.len() as u64);
        tally.took(Duration::from_micros(now_us.saturating_sub(due_us)));
        if !is_following {
            is_following = true;
            following.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
