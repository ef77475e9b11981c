//! Fetching what is there already, from the page cache or from files that were put out of it.
//!
//! The records are thrown away inside the kernel (`MSG_TRUNC`): the driver copies none of them.
//! All batches of the topic have the same size, so the number of bytes says how far a fetch got.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use klamm_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use klamm_protocol::messages::{FetchRequest, ResponseHeader};
use klamm_protocol::wire::{Message, Reader, Request, frame};
use rustix::net::RecvFlags;
use serde_json::Value;

use crate::Target;
use crate::cold;
use crate::meter::{Counter, Meter};
use crate::payload::{Kind, Payloads};
use crate::raw_produce::{batch, fill};
use crate::wire::{CLIENT_ID, Connection, FETCH_VERSION, connect};

/// The head of an answer is within so many bytes.
const HEAD_BYTES: usize = 256;
/// Thrown away with one call.
const DISCARD_BYTES: usize = 1 << 20;

/// Options of `load raw-fetch`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Records in each batch.
    #[arg(long, default_value_t = 128)]
    batch_records: u32,
    /// Bytes of values that the topic is filled with.
    #[arg(long, default_value_t = 600_000_000)]
    fill_bytes: u64,
    /// `max.partition.fetch.bytes`; each fetch asks for one partition.
    #[arg(long, default_value_t = 1 << 20)]
    fetch_bytes: i32,
    /// Connections; each has one fetch in flight, on its own partitions.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Puts these files out of the page cache first, and reads everything once.
    #[arg(long)]
    cold_folder: Option<PathBuf>,
}

/// Fills the topic and fetches it.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let mut payloads = Payloads::new(Kind::Random, options.record_bytes, 1);
    let batch = batch(&mut payloads, options.batch_records, "none")?;
    let batch_values = u64::from(options.batch_records) * options.record_bytes as u64;
    let batches = options.fill_bytes.div_ceil(batch_values * target.partitions as u64);
    fill(&target.bootstrap, &target.topic, target.partitions, &batch, batches)?;
    if let Some(folder) = &options.cold_folder {
        cold::evict(folder)?;
    }
    let meter = Meter::new();
    let report = std::thread::scope(|scope| {
        for connection in 0..options.connections {
            let counter = meter.counter();
            let position = Position { batch_bytes: batch.len() as u64, batches, next: 0 };
            let own = (0..target.partitions)
                .filter(|p| *p as usize % options.connections == connection)
                .map(|p| (p, position));
            let own: Vec<_> = own.collect();
            scope.spawn(move || {
                let failure = Fetcher::new(options).and_then(|f| f.run(options, own, &counter));
                failure.unwrap_or_else(|error| counter.fail(format!("{error:#}")));
            });
        }
        let once = options.cold_folder.as_ref().map(|_| {
            let bytes = batches * batch.len() as u64 * target.partitions as u64;
            Target { total_bytes: Some(bytes), ..target.clone() }
        });
        meter.measure(once.as_ref().unwrap_or(target))
    });
    target.delete(&mut admin)?;
    Ok(report?.into_json())
}

/// How far a partition was read.
#[derive(Debug, Clone, Copy)]
struct Position {
    batch_bytes: u64,
    batches: u64,
    next: u64,
}

impl Position {
    /// Whole batches among `bytes`; begins again at the end.
    fn advance(&mut self, bytes: u64) -> Result<u64> {
        let whole = bytes / self.batch_bytes;
        ensure!(whole > 0, "an answer of {bytes} bytes has no whole batch");
        self.next += whole;
        Ok(whole)
    }
}

/// One connection.
struct Fetcher {
    stream: TcpStream,
    discard: Box<[MaybeUninit<u8>]>,
}

impl Fetcher {
    fn new(options: &Options) -> Result<Self> {
        let stream = connect(&options.target.bootstrap)?;
        Ok(Fetcher { stream, discard: Box::new_uninit_slice(DISCARD_BYTES) })
    }

    /// Fetches from one partition after the other, from cold files once, else again and again.
    fn run(
        mut self,
        options: &Options,
        mut partitions: Vec<(i32, Position)>,
        counter: &Counter,
    ) -> Result<()> {
        let mut turn = 0;
        while !counter.is_stopped() && !partitions.is_empty() {
            turn = (turn + 1) % partitions.len();
            let (index, position) = &mut partitions[turn];
            let offset = position.next * u64::from(options.batch_records);
            let bytes = self.fetch(options, *index, i64::try_from(offset)?)?;
            let whole = position.advance(bytes)?;
            let records = whole * u64::from(options.batch_records);
            counter.tally().add(1, records, whole * position.batch_bytes);
            if position.next >= position.batches {
                position.next = 0;
                if options.cold_folder.is_some() {
                    partitions.remove(turn);
                }
            }
        }
        Ok(())
    }

    /// Fetches from one partition; answers with the number of bytes of records.
    fn fetch(&mut self, options: &Options, partition: i32, offset: i64) -> Result<u64> {
        let request = request(&options.target.topic, partition, offset, options.fetch_bytes);
        let frame = frame::request(FETCH_VERSION, 1, Some(CLIENT_ID), &request);
        self.stream.write_all(frame.as_bytes())?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        let mut head = [0; HEAD_BYTES];
        let head = &mut head[..length.min(HEAD_BYTES)];
        self.stream.read_exact(head)?;
        let records = records_len(head)?;
        let mut rest = length - head.len();
        while rest > 0 {
            let want = rest.min(DISCARD_BYTES);
            let buffer = &mut self.discard[..want];
            let (_, read) = rustix::net::recv(&self.stream, buffer, RecvFlags::TRUNC)?;
            ensure!(read > 0, "the broker closed the connection");
            rest -= read;
        }
        Ok(records)
    }
}

/// A fetch from one partition.
pub(crate) fn request(topic: &str, partition: i32, offset: i64, bytes: i32) -> FetchRequest<'_> {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: bytes,
        ..FetchPartition::default()
    };
    let topic =
        FetchTopic { topic: topic.into(), partitions: vec![partition], ..FetchTopic::default() };
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}

/// The length of the records in an answer for one partition, from the bytes before them.
fn records_len(head: &[u8]) -> Result<u64> {
    let mut r = Reader::new(head);
    let key = <FetchRequest<'static> as Request<'static>>::KEY;
    ResponseHeader::decode(&mut r, key.response_header_version(FETCH_VERSION))?;
    let (_throttle_ms, error, _session) = (r.i32()?, r.i16()?, r.i32()?);
    ensure!(error == 0, "a fetch is answered with error {error}");
    let topics = r.uvarint()?;
    let _name = r.string(true)?;
    let partitions = r.uvarint()?;
    ensure!((topics, partitions) == (2, 2), "one partition was asked for");
    let (_index, error) = (r.i32()?, r.i16()?);
    ensure!(error == 0, "a partition is answered with error {error}");
    let _offsets = (r.i64()?, r.i64()?, r.i64()?);
    let aborted = r.uvarint()?;
    ensure!(aborted <= 1, "there are no transactions");
    let _preferred_replica = r.i32()?;
    Ok(u64::from(r.uvarint()?.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    use klamm_protocol::messages::FetchResponse;
    use klamm_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use klamm_protocol::wire::Records;

    #[test]
    fn the_head_says_how_long_the_records_are() {
        let partition =
            PartitionData { records: Records::Slice((&[7; 300][..]).into()), ..Default::default() };
        let topic = FetchableTopicResponse {
            topic: "t".into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let body = FetchResponse { responses: vec![topic], ..Default::default() };
        let key = <FetchRequest<'static> as Request<'static>>::KEY;
        let frame = frame::response(key, FETCH_VERSION, 1, &body);
        assert_eq!(records_len(&frame.as_bytes()[4..4 + HEAD_BYTES]).unwrap(), 300);
    }

    #[test]
    fn positions_count_whole_batches() {
        let mut position = Position { batch_bytes: 100, batches: 10, next: 0 };
        assert_eq!(position.advance(250).unwrap(), 2);
        assert!(position.advance(99).is_err());
    }
}
