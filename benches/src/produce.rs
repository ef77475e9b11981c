//! Producing through librdkafka.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use serde_json::Value;

use crate::Target;
use crate::meter::{Counter, Meter};
use crate::pace::Pace;
use crate::payload::{Kind, Payloads};
use crate::wire::Connection;

/// How long a full queue is given to drain before the next attempt.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Options of `load produce`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// 0, 1 or all.
    #[arg(long, default_value = "1")]
    acks: String,
    #[arg(long, default_value = "5")]
    linger_ms: String,
    /// Records in a batch at most.
    #[arg(long, default_value = "10000")]
    batch_records: String,
    #[arg(long, default_value = "none")]
    codec: String,
    #[arg(long, value_enum, default_value_t = Kind::Random)]
    payload: Kind,
    /// Producers, each with its own connections and thread.
    #[arg(long, default_value_t = 1)]
    clients: u32,
    /// Records per second of all producers together; as many as go through where not given.
    #[arg(long)]
    rate: Option<f64>,
}

/// Counts what is acknowledged. The opaque value is the time since `start` in microseconds at
/// which the record was to be sent.
pub(crate) struct Acknowledged {
    counter: Counter,
    start: Instant,
    record_bytes: u64,
    /// 1 where each record has a request of its own; else the client does not say.
    requests_per_record: u64,
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due_us: usize) {
        match result {
            Ok(_) => {
                let now_us = self.start.elapsed().as_micros() as u64;
                let mut tally = self.counter.tally();
                tally.add(self.requests_per_record, 1, self.record_bytes);
                tally.took(Duration::from_micros(now_us.saturating_sub(due_us as u64)));
            }
            Err((error, _)) => self.counter.fail(format!("a record was not taken: {error}")),
        }
    }
}

/// One producer and what it sends.
pub(crate) struct Sender {
    producer: ThreadedProducer<Acknowledged>,
    counter: Counter,
    start: Instant,
    topic: String,
    partitions: i32,
    next: i32,
}

impl Sender {
    /// A producer with the settings; it connects by itself.
    pub(crate) fn new(
        config: &ClientConfig,
        target: &Target,
        counter: Counter,
        record_bytes: usize,
    ) -> Result<Self> {
        let start = Instant::now();
        let context = Acknowledged {
            counter: counter.clone(),
            start,
            record_bytes: record_bytes as u64,
            requests_per_record: u64::from(config.get("batch.num.messages") == Some("1")),
        };
        Ok(Sender {
            producer: config.create_with_context(context)?,
            counter,
            start,
            topic: target.topic.clone(),
            partitions: target.partitions,
            next: 0,
        })
    }

    /// Queues one record that is due at `due`; a full queue is waited for.
    pub(crate) fn send(&mut self, due: Instant, value: &[u8]) {
        let due_us = due.saturating_duration_since(self.start).as_micros() as usize;
        let mut record = BaseRecord::<(), [u8], usize>::with_opaque_to(&self.topic, due_us)
            .partition(self.next)
            .payload(value);
        self.next = (self.next + 1) % self.partitions;
        while let Err((error, back)) = self.producer.send(record) {
            if self.counter.is_stopped() {
                return;
            }
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return self.counter.fail(error);
            }
            record = back;
            std::thread::sleep(QUEUE_PAUSE);
        }
    }

    /// Gives up what is queued.
    pub(crate) fn end(self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}

fn config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.target.bootstrap)
        .set("acks", &options.acks)
        .set("linger.ms", &options.linger_ms)
        .set("batch.num.messages", &options.batch_records)
        .set("compression.type", &options.codec)
        .set("message.max.bytes", "10000000");
    config
}

/// Produces until the time is over.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let meter = Meter::new();
    let report = std::thread::scope(|scope| {
        for client in 0..options.clients {
            let meter = Arc::clone(&meter);
            scope.spawn(move || {
                let counter = meter.counter();
                if let Err(error) = produce(options, client, &counter) {
                    counter.fail(format!("{error:#}"));
                }
            });
        }
        meter.measure(target)
    });
    target.delete(&mut admin)?;
    Ok(report?.into_json())
}

fn produce(options: &Options, client: u32, counter: &Counter) -> Result<()> {
    let mut payloads = Payloads::new(options.payload, options.record_bytes, client.into());
    let mut sender =
        Sender::new(&config(options), &options.target, counter.clone(), options.record_bytes)?;
    let mut pace = options.rate.map(|rate| Pace::new(rate / f64::from(options.clients)));
    while !counter.is_stopped() {
        let due = pace.as_mut().map_or_else(Instant::now, Pace::wait);
        sender.send(due, payloads.next());
    }
    sender.end();
    Ok(())
}
