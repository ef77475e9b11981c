//! A fixed number of requests, one after the other, so that what a broker spends on them can be
//! counted from outside: system calls, instructions, allocations.
//!
//! Everything runs in one thread and in lock step: the same work in the same order each time. The
//! one who counts is told `ready` after the warm-up and `done` after the work, and answers each
//! with a line.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use klamm_protocol::wire::frame;
use serde_json::{Value, json};

use crate::Target;
use crate::payload::{Kind, Payloads};
use crate::raw_fetch;
use crate::raw_produce::{batch, request};
use crate::wire::{CLIENT_ID, Connection, FETCH_VERSION, metadata};

/// Work before the counting begins, as a part of what is counted.
const WARM_UP_PART: u64 = 4;
/// Requests that are sent with one write and answered before the next ones.
const PIPELINED: u64 = 32;
/// Consumers that follow.
const FOLLOWERS: usize = 10;
/// Records in a batch, and their size.
const BATCH: (u32, usize) = (100, 1024);
/// The size of a record that travels alone.
const SINGLE_BYTES: usize = 100;
/// A fetch of what is there asks for so much.
const FETCH_BYTES: i32 = 1 << 20;
/// Batches that are there to be fetched.
const FILLED: u64 = 20;
/// A fetch of what is not there yet waits so long.
const WAIT_MS: i32 = 60_000;

/// Followers' fetches have begun to wait after this time.
const PAUSE: Duration = Duration::from_millis(3);

/// What is counted.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Work {
    /// Requests of 100 records of 1 KB, one in flight.
    Produce,
    /// Requests of one record of 100 bytes, 32 in one write.
    Pipelined,
    /// Fetches of 1 MB that is there.
    Fetch,
    /// Deliveries of single records to ten consumers that wait for them.
    Follow,
    /// Metadata of one topic.
    Metadata,
}

/// Options of `load counted`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, value_enum)]
    work: Work,
    /// Units of work; rounded up to whole rounds.
    #[arg(long, default_value_t = 1000)]
    count: u64,
}

/// Does the work between two lines of the one who counts.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = Target { partitions: 1, ..options.target.clone() };
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let mut worker = Worker::new(options.work, &target)?;
    worker.run(options.count / WARM_UP_PART)?;
    tell("ready")?;
    let units = worker.run(options.count)?;
    tell("done")?;
    target.delete(&mut admin)?;
    Ok(json!({ "units": units }))
}

fn tell(what: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    out.flush()?;
    let mut line = String::new();
    ensure!(std::io::stdin().lock().read_line(&mut line)? > 0, "nobody counts");
    Ok(())
}

/// What is sent, prepared.
struct Worker<'a> {
    work: Work,
    target: &'a Target,
    connections: Vec<Connection>,
    frames: Vec<u8>,
    /// The end of the partition, for those who follow it.
    end: i64,
}

impl<'a> Worker<'a> {
    fn new(work: Work, target: &'a Target) -> Result<Self> {
        let mut payloads = Payloads::new(Kind::Random, BATCH.1, 0);
        let large = request(&target.topic, &[0], 1, &batch(&mut payloads, BATCH.0, "none")?);
        let mut payloads = Payloads::new(Kind::Random, SINGLE_BYTES, 0);
        let small = request(&target.topic, &[0], 1, &batch(&mut payloads, 1, "none")?);
        let (frames, connections) = match work {
            Work::Produce | Work::Fetch => (large, 1),
            Work::Pipelined => (small.repeat(PIPELINED as usize), 1),
            Work::Follow => (small, 1 + FOLLOWERS),
            Work::Metadata => (Vec::new(), 1),
        };
        let connections = (0..connections).map(|_| Connection::open(&target.bootstrap));
        let connections = connections.collect::<Result<_>>()?;
        let mut worker = Worker { work, target, connections, frames, end: 0 };
        match work {
            Work::Fetch => (0..FILLED).try_for_each(|_| worker.exchange(1))?,
            Work::Follow => worker.wait()?,
            _ => {}
        }
        Ok(worker)
    }

    /// Does at least so many units of work; says how many.
    fn run(&mut self, units: u64) -> Result<u64> {
        let mut done = 0;
        while done < units {
            done += self.round()?;
        }
        Ok(done)
    }

    fn round(&mut self) -> Result<u64> {
        match self.work {
            Work::Produce => self.exchange(1).map(|()| 1),
            Work::Pipelined => self.exchange(PIPELINED).map(|()| PIPELINED),
            Work::Fetch => self.fetch().map(|()| 1),
            Work::Follow => self.follow().map(|()| FOLLOWERS as u64),
            Work::Metadata => {
                metadata(&mut self.connections[0], std::slice::from_ref(&self.target.topic))?;
                Ok(1)
            }
        }
    }

    /// Sends the frames and reads their answers.
    fn exchange(&mut self, answers: u64) -> Result<()> {
        self.connections[0].stream.write_all(&self.frames)?;
        (0..answers).try_for_each(|_| self.connections[0].receive().map(drop))
    }

    fn fetch(&mut self) -> Result<()> {
        let request = raw_fetch::request(&self.target.topic, 0, 0, FETCH_BYTES);
        let answer = self.connections[0].call(FETCH_VERSION, &request)?;
        ensure!(answer.len() > FETCH_BYTES as usize / 2, "a fetch brought {} bytes", answer.len());
        Ok(())
    }

    /// The followers ask for what comes next.
    fn wait(&mut self) -> Result<()> {
        let mut request = raw_fetch::request(&self.target.topic, 0, self.end, FETCH_BYTES);
        request.max_wait_ms = WAIT_MS;
        let frame = frame::request(FETCH_VERSION, 1, Some(CLIENT_ID), &request);
        let mut followers = self.connections.iter_mut().skip(1);
        followers.try_for_each(|follower| follower.stream.write_all(frame.as_bytes()))?;
        std::thread::sleep(PAUSE);
        Ok(())
    }

    /// One record for all of them.
    fn follow(&mut self) -> Result<()> {
        self.exchange(1)?;
        let mut followers = self.connections.iter_mut().skip(1);
        followers.try_for_each(|follower| {
            let answer = follower.receive()?;
            ensure!(answer.len() > SINGLE_BYTES, "a follower got nothing");
            Ok(())
        })?;
        self.end += 1;
        self.wait()
    }
}
