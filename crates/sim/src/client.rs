//! A client that does nothing by itself: one connection, every retry the caller's choice. Its age
//! says which versions of the requests it knows.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use klamm_env::{
    Random,
    net::{self, Connection, Net, Piece, SendQueue},
    virt::VirtualNet,
};
use klamm_protocol::{
    ApiKey,
    messages::ResponseHeader,
    wire::{DecodeError, Message, Reader, Request, VersionRange, frame},
};
use parking_lot::Mutex;

/// Where the broker listens.
pub(crate) const ADDRESS: &str = "broker:9092";

/// The most bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// The longest that a request may take to be sent.
const SEND: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request was never sent.
    NotSent,
    /// It may have been carried out, or may yet be while this broker lives.
    Unknown,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    key: ApiKey,
    version: i16,
    frame: Bytes,
}

impl Reply {
    /// The body, borrowed from the frame.
    pub(crate) fn decode<'b, M: Message<'b>>(&'b self) -> Result<M, DecodeError> {
        let mut reader = Reader::new(&self.frame);
        ResponseHeader::decode(&mut reader, self.key.response_header_version(self.version))?;
        let body = M::decode(&mut reader, self.version)?;
        reader.finish()?;
        Ok(body)
    }
}

/// A request that was sent and whose answer was not yet waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

/// Which versions were asked for, of which APIs.
pub(crate) type Asked = Arc<Mutex<BTreeSet<(ApiKey, i16)>>>;

/// Which part of each API's versions a client knows, in thousandths of their range.
#[derive(Debug, Clone, Copy)]
struct Age {
    oldest: u64,
    newest: u64,
}

impl Age {
    /// From the oldest clients to the newest, narrow and wide.
    fn draw(random: &Random) -> Self {
        let (one, other) = (random.below(1001), random.below(1001));
        match random.below(8) {
            0 => Self { oldest: 0, newest: 0 },
            1 => Self { oldest: 1000, newest: 1000 },
            2..=4 => Self { oldest: 0, newest: 1000 },
            _ => Self { oldest: one.min(other), newest: one.max(other) },
        }
    }

    fn part_of(self, all: VersionRange) -> VersionRange {
        let span = u64::try_from(all.max - all.min).unwrap_or(0);
        let at = |thousandths: u64| all.min + i16::try_from(span * thousandths / 1000).unwrap_or(0);
        VersionRange::new(at(self.oldest), at(self.newest))
    }
}

#[derive(Debug)]
struct Link {
    connection: Box<dyn Connection>,
    received: BytesMut,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    net: VirtualNet,
    link: Option<Link>,
    correlation_id: i32,
    name: String,
    age: Age,
    asked: Asked,
    pub(crate) random: Random,
}

impl Client {
    pub(crate) fn new(net: &VirtualNet, name: &str, random: Random, asked: Asked) -> Self {
        let (net, age) = (net.host(name), Age::draw(&random));
        Self { net, link: None, correlation_id: 0, name: name.to_owned(), age, asked, random }
    }

    /// A version that a client of this age knows.
    pub(crate) fn version<'a, R: Request<'a>>(&self) -> i16 {
        self.version_within::<R>(0, i16::MAX)
    }

    /// One of those from `low` to `high`, both included: any that is served, if a client of this
    /// age knows none.
    pub(crate) fn version_within<'a, R: Request<'a>>(&self, low: i16, high: i16) -> i16 {
        let served = R::KEY.stable_versions();
        let wanted = served.intersect(VersionRange::new(low, high));
        let known = self.age.part_of(served).intersect(wanted);
        let from = if known.is_empty() { wanted } else { known };
        let count = u64::try_from(from.max - from.min + 1).unwrap_or(1);
        from.min + i16::try_from(self.random.below(count)).unwrap_or(0)
    }

    /// Its client id.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the connection that was used last is still thought to be there.
    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    pub(crate) fn disconnect(&mut self) {
        self.link = None;
    }

    /// Sends a request and waits for its answer. After a failure the connection is gone.
    pub(crate) async fn call<'a, R: Request<'a>>(
        &mut self,
        version: i16,
        request: &R,
        timeout_ms: u64,
    ) -> Result<Reply, Failure> {
        let sent = self.send(version, request).await?;
        self.answer(sent, timeout_ms).await
    }

    /// Sends a request. Its answer, if it has one, must be waited for in the order of the requests.
    /// After a failure the connection is gone.
    pub(crate) async fn send<'a, R: Request<'a>>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<Sent, Failure> {
        let mut link = self.connect().await?;
        let frame = self.frame(version, request);
        let sent = tokio::time::timeout(SEND, link.send(frame)).await;
        sent.map_err(|_| Failure::Unknown)?.map_err(|_| Failure::Unknown)?;
        self.link = Some(link);
        Ok(Sent { key: R::KEY, version, correlation_id: self.correlation_id })
    }

    /// Waits for the answer to the oldest request that waits for one. After a failure the
    /// connection is gone.
    pub(crate) async fn answer(&mut self, sent: Sent, timeout_ms: u64) -> Result<Reply, Failure> {
        let mut link = self.link.take().ok_or(Failure::Unknown)?;
        let answer = link.receive(sent.correlation_id);
        let answer = tokio::time::timeout(Duration::from_millis(timeout_ms), answer).await;
        let frame = answer.ok().flatten().ok_or(Failure::Unknown)?;
        self.link = Some(link);
        Ok(Reply { key: sent.key, version: sent.version, frame })
    }

    async fn connect(&mut self) -> Result<Link, Failure> {
        match self.link.take() {
            Some(link) => Ok(link),
            None => {
                let dialled = self.net.dial(ADDRESS).await.map_err(|_| Failure::NotSent)?;
                Ok(Link { connection: dialled, received: BytesMut::new() })
            }
        }
    }

    fn frame<'a, R: Request<'a>>(&mut self, version: i16, request: &R) -> Bytes {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        self.asked.lock().insert((R::KEY, version));
        let writer = frame::request(version, self.correlation_id, Some(&self.name), request);
        Bytes::from(writer.into_parts().0)
    }
}

impl Link {
    async fn send(&mut self, frame: Bytes) -> std::io::Result<()> {
        let mut queue = SendQueue::default();
        queue.push(Piece::Bytes(frame));
        net::send(&mut *self.connection, &mut queue).await
    }

    /// The answer with this correlation id; none if the connection ends or says something else.
    async fn receive(&mut self, correlation_id: i32) -> Option<Bytes> {
        loop {
            if let Some(len) = self.received.first_chunk().map(|len| u32::from_be_bytes(*len)) {
                let len = usize::try_from(len).ok()?;
                if self.received.len() >= 4 + len {
                    self.received.advance(4);
                    let frame = self.received.split_to(len).freeze();
                    let id = Reader::new(&frame).i32().ok()?;
                    return (id == correlation_id).then_some(frame);
                }
            }
            let read = net::read(&mut *self.connection, &mut self.received, READ_BYTES).await;
            if read.ok()? == 0 {
                return None;
            }
        }
    }
}
