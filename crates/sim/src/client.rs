//! A client that does nothing by itself: one connection, one request at a time, every retry and
//! every version the caller's choice.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use klamm_env::{
    Random,
    net::{self, Connection, Net, Piece, SendQueue},
    virt::VirtualNet,
};
use klamm_protocol::{
    ApiKey,
    messages::ResponseHeader,
    wire::{DecodeError, Message, Reader, Request, frame},
};

/// Where the broker listens.
pub(crate) const ADDRESS: &str = "broker:9092";

/// The most bytes read at once.
const READ_BYTES: usize = 64 << 10;

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
    pub(crate) random: Random,
}

impl Client {
    pub(crate) fn new(net: &VirtualNet, name: &str, random: Random) -> Self {
        let net = net.host(name);
        Self { net, link: None, correlation_id: 0, name: name.to_owned(), random }
    }

    /// A version between two, both included.
    pub(crate) fn version(&self, low: i16, high: i16) -> i16 {
        let span = u64::try_from(high - low + 1).unwrap_or(1);
        low + i16::try_from(self.random.below(span)).unwrap_or(0)
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
        let mut link = self.connect().await?;
        let frame = self.frame(version, request);
        let id = self.correlation_id;
        let answer = tokio::time::timeout(Duration::from_millis(timeout_ms), async {
            link.send(frame).await.ok()?;
            link.receive(id).await
        });
        let answer = answer.await.ok().flatten().ok_or(Failure::Unknown)?;
        self.link = Some(link);
        Ok(Reply { key: R::KEY, version, frame: answer })
    }

    /// Sends a request that has no answer.
    pub(crate) async fn send<'a, R: Request<'a>>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<(), Failure> {
        let mut link = self.connect().await?;
        let frame = self.frame(version, request);
        let sent = tokio::time::timeout(Duration::from_secs(5), link.send(frame)).await;
        sent.map_err(|_| Failure::Unknown)?.map_err(|_| Failure::Unknown)?;
        self.link = Some(link);
        Ok(())
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
