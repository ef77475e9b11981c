//! One of the two brokers: its connections, and what a request comes to.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use super::catalog::Call;
use super::value::Value;

/// No answer is larger.
const LARGEST: usize = 64 << 20;
/// After this time a request counts as one that is not answered. After an error inside, Kafka's
/// controller takes a second or two to come back.
const PATIENCE: Duration = Duration::from_millis(4000);

/// What a request came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// A response that the schema can read.
    Answer(Value),
    /// The broker ended the connection.
    Closed,
    /// Nothing came in time.
    Silent,
    /// A response that the schema cannot read.
    Garbage(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answer(value) => write!(f, "{value}"),
            Outcome::Closed => f.write_str("closed"),
            Outcome::Silent => f.write_str("silent"),
            Outcome::Garbage(why) => write!(f, "garbage: {why}"),
        }
    }
}

impl Outcome {
    /// The kind of outcome as one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Outcome::Answer(_) => "answer",
            Outcome::Closed => "closed",
            Outcome::Silent => "silent",
            Outcome::Garbage(_) => "garbage",
        }
    }
}

/// A broker and the connections to it by their labels.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    connections: BTreeMap<String, TcpStream>,
    correlation: i32,
    /// What scenarios remember of its answers.
    pub(crate) variables: BTreeMap<String, Value>,
}

impl Peer {
    /// Connects when the first request is sent.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let address = address.parse().with_context(|| format!("the address {address}"))?;
        Ok(Peer {
            address,
            connections: BTreeMap::new(),
            correlation: 0,
            variables: BTreeMap::new(),
        })
    }

    /// Ends a connection, so that the next request opens another.
    pub(crate) fn disconnect(&mut self, label: &str) {
        self.connections.remove(label);
    }

    /// Ends all connections and forgets the variables.
    pub(crate) fn forget(&mut self) {
        self.connections.clear();
        self.variables.clear();
    }

    /// Sends a request; a broken connection shows when the answer is read.
    pub(crate) fn send(&mut self, label: &str, call: Call<'_>, body: &[u8]) -> Result<()> {
        self.correlation = self.correlation.wrapping_add(1);
        let mut frame = vec![0; 4];
        frame.extend(call.api.key.to_be_bytes());
        frame.extend(call.version.to_be_bytes());
        frame.extend(self.correlation.to_be_bytes());
        frame.extend([0, 4]);
        frame.extend(b"diff");
        if call.request().flexible() {
            frame.push(0);
        }
        frame.extend(body);
        let length = u32::try_from(frame.len() - 4)?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        let stream = match self.connections.remove(label) {
            Some(open) => open,
            None => connect(self.address)?,
        };
        (&stream).write_all(&frame).ok();
        self.connections.insert(label.to_owned(), stream);
        Ok(())
    }

    /// Reads the answer to the request sent last on the connection.
    pub(crate) fn receive(&mut self, label: &str, call: Call<'_>) -> Outcome {
        let Some(stream) = self.connections.get_mut(label) else { return Outcome::Closed };
        let outcome = match read_frame(stream) {
            Ok(frame) => answer(call, &frame),
            Err(e) if is_timeout(&e) => Outcome::Silent,
            Err(_) => Outcome::Closed,
        };
        if !matches!(outcome, Outcome::Answer(_)) {
            self.disconnect(label);
        }
        outcome
    }

    /// Sends and reads.
    pub(crate) fn ask(&mut self, label: &str, call: Call<'_>, request: &Value) -> Result<Outcome> {
        let body = call.request().encode(request)?;
        self.send(label, call, &body)?;
        Ok(self.receive(label, call))
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

/// The answer in a frame. ApiVersions says in version 0 that it does not know a version.
fn answer(call: Call<'_>, frame: &[u8]) -> Outcome {
    let header = 4 + usize::from(call.has_flexible_response_header());
    let body = frame.get(header..).unwrap_or_default();
    match call.response().decode(body) {
        Ok(value) => Outcome::Answer(value),
        Err(error) => match call.oldest().response().decode(body) {
            Ok(value) if call.api.name == "ApiVersions" => Outcome::Answer(value),
            _ => Outcome::Garbage(format!("{error:#}")),
        },
    }
}
