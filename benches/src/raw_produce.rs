//! Producing frames that were prepared before the clock started.
//!
//! Cost: per request one patch of four bytes and one read of the clock; a copy into the write
//! buffer where frames are small, so that one system call sends all that are free to go.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;
use klamm_protocol::messages::ProduceRequest;
use klamm_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::records::{
    BatchBuilder, BatchOptions, Compression, CompressionType, NewRecord,
};
use klamm_protocol::wire::{Records, frame};
use serde_json::Value;

use crate::Target;
use crate::meter::{Counter, Meter};
use crate::pace::Pace;
use crate::payload::{Kind, Payloads};
use crate::wire::{CLIENT_ID, Connection, PRODUCE_VERSION, connect, decode};

/// Frames up to this size are gathered into one write.
const GATHERED_BYTES: usize = 16 << 10;
/// Where the correlation id is in a frame: after length, key and version.
const CORRELATION_AT: usize = 8;
/// Answers are read so many bytes at a time.
const READ_BYTES: usize = 64 << 10;

/// Options of `load raw-produce`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Records in each batch.
    #[arg(long, default_value_t = 1)]
    batch_records: u32,
    /// Partitions in each request, one batch for each.
    #[arg(long, default_value_t = 1, value_parser = above_zero)]
    request_partitions: usize,
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    acks: i16,
    #[arg(long, default_value = "none")]
    codec: String,
    #[arg(long, value_enum, default_value_t = Kind::Random)]
    payload: Kind,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Requests in flight on each connection.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// Requests per second of all connections together, on a schedule.
    #[arg(long)]
    rate: Option<f64>,
}

fn above_zero(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "a number is expected")?;
    if number == 0 { Err("0 is not enough".to_owned()) } else { Ok(number) }
}

/// What a frame brings when it is acknowledged.
#[derive(Debug, Clone, Copy)]
struct Load {
    records: u64,
    bytes: u64,
}

/// A record batch of random records.
pub(crate) fn batch(payloads: &mut Payloads, records: u32, codec: &str) -> Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let timestamp = i64::try_from(now.as_millis())?;
    let codec: CompressionType = match codec {
        "none" => CompressionType::None,
        "gzip" => CompressionType::Gzip,
        "snappy" => CompressionType::Snappy,
        "lz4" => CompressionType::Lz4,
        "zstd" => CompressionType::Zstd,
        other => anyhow::bail!("there is no codec {other}"),
    };
    let options = BatchOptions { compression: Compression::of(codec), ..Default::default() };
    let mut builder = BatchBuilder::new(options);
    for _ in 0..records {
        let value = Some(payloads.next());
        builder.append(&NewRecord { timestamp, value, ..NewRecord::default() })?;
    }
    Ok(builder.build()?)
}

/// A produce request with the same batch for some partitions of a topic.
pub(crate) fn request(topic: &str, partitions: &[i32], acks: i16, batch: &[u8]) -> Vec<u8> {
    let data = partitions.iter().map(|index| PartitionProduceData {
        index: *index,
        records: Records::Slice(batch.into()),
        ..PartitionProduceData::default()
    });
    let topic = TopicProduceData {
        name: topic.into(),
        partition_data: data.collect(),
        ..TopicProduceData::default()
    };
    let body = ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..ProduceRequest::default()
    };
    frame::request(PRODUCE_VERSION, 0, Some(CLIENT_ID), &body).into_parts().0
}

/// The frames of one connection. The connections share the partitions out among them; where there
/// are more connections, several have the same.
fn frames(options: &Options, connection: usize) -> Result<Vec<Vec<u8>>> {
    let target = &options.target;
    let mut payloads = Payloads::new(options.payload, options.record_bytes, connection as u64);
    let partitions: Vec<i32> = (0..target.partitions).collect();
    let names = target.names();
    let all: Vec<(&String, &[i32])> = names
        .iter()
        .flat_map(|name| partitions.chunks(options.request_partitions).map(move |p| (name, p)))
        .collect();
    let own = (connection % all.len()..all.len()).step_by(options.connections);
    own.map(|index| {
        let (name, partitions) = all[index];
        let batch = batch(&mut payloads, options.batch_records, &options.codec)?;
        Ok(request(name, partitions, options.acks, &batch))
    })
    .collect()
}

/// Produces until the time is over.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let meter = Meter::new();
    let report = std::thread::scope(|scope| {
        let ready: Result<Vec<_>> =
            (0..options.connections).map(|c| Sender::new(options, c, meter.counter())).collect();
        for sender in ready? {
            let builder = std::thread::Builder::new().stack_size(256 << 10);
            builder.spawn_scoped(scope, move || sender.run(options))?;
        }
        meter.measure(target).inspect_err(|_| meter.stop())
    });
    target.delete(&mut admin)?;
    Ok(report?.into_json())
}

/// One connection.
struct Sender {
    stream: TcpStream,
    frames: Vec<Vec<u8>>,
    load: Load,
    counter: Counter,
    correlation_id: i32,
}

impl Sender {
    fn new(options: &Options, connection: usize, counter: Counter) -> Result<Self> {
        let batches = options.request_partitions.min(options.target.partitions as usize) as u64;
        let records = u64::from(options.batch_records) * batches;
        let stream = connect(&options.target.bootstrap)?;
        let load = Load { records, bytes: records * options.record_bytes as u64 };
        let frames = frames(options, connection)?;
        Ok(Sender { stream, frames, load, counter, correlation_id: 0 })
    }

    fn run(self, options: &Options) {
        let counter = self.counter.clone();
        let result = match options.rate {
            Some(rate) => self.on_schedule(rate / options.connections as f64),
            None if options.acks == 0 => self.unanswered(),
            None => self.saturate(options.in_flight),
        };
        if let Err(error) = result {
            counter.fail(format!("{error:#}"));
        }
    }

    fn next_frame(&mut self) -> &[u8] {
        let id = self.correlation_id;
        self.correlation_id = id.wrapping_add(1);
        let index = id as usize % self.frames.len();
        let frame = &mut self.frames[index];
        frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&id.to_be_bytes());
        frame
    }

    /// Keeps `in_flight` requests on their way.
    fn saturate(mut self, in_flight: usize) -> Result<()> {
        let mut stream = self.stream.try_clone()?;
        let mut answers = Answers::new(self.stream.try_clone()?);
        let mut sent: VecDeque<Instant> = VecDeque::new();
        let mut buffer = Vec::new();
        while !self.counter.is_stopped() {
            buffer.clear();
            while sent.len() < in_flight {
                let frame = self.next_frame();
                match frame.len() <= GATHERED_BYTES {
                    true => buffer.extend_from_slice(frame),
                    false => stream.write_all(frame)?,
                }
                sent.push_back(Instant::now());
            }
            stream.write_all(&buffer)?;
            let count = answers.read()?;
            let now = Instant::now();
            let mut tally = self.counter.tally();
            tally.add(count, count * self.load.records, count * self.load.bytes);
            for at in sent.drain(..(count as usize).min(sent.len())) {
                tally.took(now - at);
            }
        }
        Ok(())
    }

    /// With `acks=0` what is written counts.
    fn unanswered(mut self) -> Result<()> {
        let mut stream = self.stream.try_clone()?;
        while !self.counter.is_stopped() {
            stream.write_all(self.next_frame())?;
            self.counter.tally().add(1, self.load.records, self.load.bytes);
        }
        Ok(())
    }

    /// Sends when it is time, whatever is not answered yet.
    fn on_schedule(mut self, per_second: f64) -> Result<()> {
        let (due_times, times) = channel();
        let answers = Answers::new(self.stream.try_clone()?);
        let (counter, load) = (self.counter.clone(), self.load);
        std::thread::spawn(move || {
            if let Err(error) = note_answers(answers, &times, &counter, load) {
                counter.fail(format!("{error:#}"));
            }
        });
        let mut pace = Pace::new(per_second);
        let mut stream = self.stream.try_clone()?;
        while !self.counter.is_stopped() {
            let due = pace.wait();
            // The reader is gone only when the load ends.
            due_times.send(due).ok();
            stream.write_all(self.next_frame())?;
        }
        Ok(())
    }
}

/// Counts answers, each against the time at which its request was due.
fn note_answers(
    mut answers: Answers,
    due_times: &Receiver<Instant>,
    counter: &Counter,
    load: Load,
) -> Result<()> {
    while !counter.is_stopped() {
        let count = answers.read()?;
        let now = Instant::now();
        let mut tally = counter.tally();
        tally.add(count, count * load.records, count * load.bytes);
        for _ in 0..count {
            let due = due_times.recv().context("an answer without a request")?;
            tally.took(now.saturating_duration_since(due));
        }
    }
    Ok(())
}

/// The answers of a connection, in order.
struct Answers {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    next_id: i32,
}

impl Answers {
    fn new(stream: TcpStream) -> Self {
        Answers { stream, buffer: vec![0; READ_BYTES], filled: 0, next_id: 0 }
    }

    /// Waits for at least one answer; says how many came.
    fn read(&mut self) -> Result<u64> {
        let mut count = 0;
        while count == 0 {
            let read = self.stream.read(&mut self.buffer[self.filled..])?;
            ensure!(read > 0, "the broker closed the connection");
            self.filled += read;
            let mut at = 0;
            while let Some(frame) = whole_frame(&self.buffer[at..self.filled]) {
                check(frame, self.next_id)?;
                self.next_id = self.next_id.wrapping_add(1);
                at += 4 + frame.len();
                count += 1;
            }
            self.buffer.copy_within(at..self.filled, 0);
            self.filled -= at;
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
        }
        Ok(count)
    }
}

fn whole_frame(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Sees that an answer is the one that is next and reports no error.
fn check(frame: &[u8], id: i32) -> Result<()> {
    ensure!(frame.get(..4) == Some(&id.to_be_bytes()[..]), "answers are out of order");
    let answer = decode::<ProduceRequest<'_>>(PRODUCE_VERSION, frame)?;
    for topic in &answer.responses {
        for partition in &topic.partition_responses {
            let (index, code) = (partition.index, partition.error_code);
            ensure!(code == 0, "producing to {}-{index}: error {code}", topic.name);
        }
    }
    Ok(())
}

/// Fills each partition of a topic with `batches` copies of a batch.
pub(crate) fn fill(
    address: &str,
    topic: &str,
    partitions: i32,
    batch: &[u8],
    batches: u64,
) -> Result<()> {
    let mut frames: Vec<_> = (0..partitions).map(|p| request(topic, &[p], 1, batch)).collect();
    let stream = connect(address)?;
    let mut answers = Answers::new(stream.try_clone()?);
    let (mut sent, mut answered, total) = (0_u64, 0, batches * partitions as u64);
    while answered < total {
        while sent < total && sent - answered < 5 {
            let frame = &mut frames[(sent % partitions as u64) as usize];
            frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&(sent as i32).to_be_bytes());
            (&stream).write_all(frame)?;
            sent += 1;
        }
        answered += answers.read()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_only_when_whole() {
        assert_eq!(whole_frame(&[0, 0, 0, 2, 7]), None);
        assert_eq!(whole_frame(&[0, 0, 0, 2, 7, 8, 9]), Some(&[7, 8][..]));
    }

    #[test]
    fn the_correlation_id_is_where_it_is_patched() {
        let mut payloads = Payloads::new(Kind::Random, 10, 1);
        let batch = batch(&mut payloads, 3, "none").expect("a batch");
        let frame = request("t", &[0, 1], 1, &batch);
        let body = frame::request(
            PRODUCE_VERSION,
            0x0102_0304,
            Some(CLIENT_ID),
            &ProduceRequest { acks: 1, ..ProduceRequest::default() },
        );
        let at = CORRELATION_AT..CORRELATION_AT + 4;
        assert_eq!(&body.as_bytes()[at.clone()], &[1, 2, 3, 4]);
        assert_eq!(&frame[at], &[0; 4]);
        assert_eq!(frame.len(), 4 + u32::from_be_bytes(*frame.first_chunk().unwrap()) as usize);
    }
}
