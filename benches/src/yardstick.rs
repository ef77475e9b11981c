//! What the machine can do with no broker in between.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Args;
use rustix::net::RecvFlags;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::meter::Report;
use crate::payload::{Kind, Payloads};

/// One call moves so much, as one fetch or one produce request does.
const CHUNK_BYTES: usize = 1 << 20;
/// What `sendfile` sends again and again.
const FILE_BYTES: usize = 256 << 20;

/// Options of the yardsticks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Where the file is made.
    #[arg(long)]
    folder: PathBuf,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

fn thread_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    Ok((one, listener.accept()?.0))
}

fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the yardstick is gone"))?
}

fn report(seconds: f64, bytes: u64, cpu_seconds: f64) -> Value {
    let mut report = Report::default();
    report.set("seconds", seconds);
    report.set("bytes", bytes as f64);
    report.set("broker_cpu_seconds", cpu_seconds);
    report.into_json()
}

/// Sends a file that is in the page cache, again and again; counts the sender's time.
pub(crate) fn sendfile_loop(options: &Options) -> Result<Value> {
    let path = options.folder.join("sendfile-loop");
    let mut file = File::create_new(&path)?;
    let mut payloads = Payloads::new(Kind::Random, CHUNK_BYTES, 1);
    for _ in 0..FILE_BYTES / CHUNK_BYTES {
        file.write_all(payloads.next())?;
    }
    let file = File::open(&path)?;
    fs::remove_file(&path)?;
    let (sender, receiver) = pair()?;
    let reader = std::thread::spawn(move || -> Result<()> {
        let mut buffer: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(CHUNK_BYTES);
        while rustix::net::recv(&receiver, &mut buffer[..], RecvFlags::TRUNC)?.1 > 0 {}
        Ok(())
    });
    let time = Duration::from_secs_f64(options.seconds);
    let (start, cpu, mut bytes, mut offset) = (Instant::now(), thread_cpu_seconds(), 0, 0);
    while start.elapsed() < time {
        let end = offset + CHUNK_BYTES as u64;
        while offset < end {
            let want = (end - offset) as usize;
            bytes += rustix::fs::sendfile(&sender, &file, Some(&mut offset), want)? as u64;
        }
        offset %= FILE_BYTES as u64;
    }
    let result = report(start.elapsed().as_secs_f64(), bytes, thread_cpu_seconds() - cpu);
    drop(sender);
    join(reader)?;
    Ok(result)
}

/// Reads from a socket into memory and writes it to a file; counts the reader's time.
pub(crate) fn copy_loop(options: &Options) -> Result<Value> {
    let path = options.folder.join("copy-loop");
    let mut file = File::create_new(&path)?;
    fs::remove_file(&path)?;
    let (mut sender, mut receiver) = pair()?;
    let time = Duration::from_secs_f64(options.seconds);
    let writer = std::thread::spawn(move || -> Result<()> {
        let mut payloads = Payloads::new(Kind::Random, CHUNK_BYTES, 1);
        // The other end closes when the time is over.
        while sender.write_all(payloads.next()).is_ok() {}
        Ok(())
    });
    // Memory that a virtual machine has not used lately is slow the first time.
    copy(&mut receiver, &mut file, time)?;
    file.set_len(0)?;
    file.rewind()?;
    let result = copy(&mut receiver, &mut file, time)?;
    drop(receiver);
    join(writer)?;
    Ok(result)
}

fn copy(from: &mut TcpStream, to: &mut File, time: Duration) -> Result<Value> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let (start, cpu, mut bytes) = (Instant::now(), thread_cpu_seconds(), 0);
    while start.elapsed() < time {
        from.read_exact(&mut buffer)?;
        to.write_all(&buffer)?;
        bytes += CHUNK_BYTES as u64;
    }
    Ok(report(start.elapsed().as_secs_f64(), bytes, thread_cpu_seconds() - cpu))
}
