//! Network: listen, dial, and connections that read, write, and send a file range.

mod tcp;

use std::{
    collections::VecDeque,
    fmt::Debug,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
pub use tcp::TcpNet;

use crate::File;

/// A future of a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A network.
pub trait Net: Send + Sync + Debug {
    /// Opens a listener on `host:port`; port 0 takes a free one.
    fn listen<'a>(
        &'a self,
        address: &'a str,
        options: ListenOptions,
    ) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
    /// Connects to `host:port`.
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Connection>>>;
    /// The addresses of a host; never none.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// How a listener and its connections are to be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted.
    pub backlog: u32,
    /// Send buffer of each connection, bytes; none lets the system tune it.
    pub send_buffer_bytes: Option<u32>,
    /// Receive buffer of each connection, bytes; none lets the system tune it.
    pub receive_buffer_bytes: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 1024, send_buffer_bytes: None, receive_buffer_bytes: None }
    }
}

/// Accepts connections.
pub trait Listener: Send + Debug {
    /// The next connection and the address of its other end. Cancel safe.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn Connection>, SocketAddr)>>;
    /// Where it listens, with the port taken.
    fn local_addr(&self) -> SocketAddr;
}

/// A piece of something to send.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A range of a file, which must not be cut while it is being sent.
    File {
        /// The file.
        file: Arc<dyn File>,
        /// Position of the first byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
}

impl Piece {
    /// Number of bytes that remain to be sent.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether nothing remains.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What waits to be sent on a connection, in order.
#[derive(Debug, Default)]
pub struct SendQueue {
    pieces: VecDeque<Piece>,
    bytes: u64,
}

impl SendQueue {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Piece) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Number of bytes that wait.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces that wait.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// The first piece.
    pub fn front(&self) -> Option<&Piece> {
        self.pieces.front()
    }

    /// Takes `sent` bytes off the front. Sending more than waits is a fault of the caller and
    /// empties the queue.
    pub fn advance(&mut self, mut sent: u64) {
        self.bytes = self.bytes.saturating_sub(sent);
        while let Some(front) = self.pieces.front_mut() {
            let len = front.len();
            if sent >= len {
                sent -= len;
                self.pieces.pop_front();
                continue;
            }
            match front {
                Piece::Bytes(bytes) => bytes.advance(usize::try_from(sent).unwrap_or(bytes.len())),
                Piece::File { offset, len, .. } => {
                    *offset += sent;
                    *len -= sent;
                }
            }
            return;
        }
    }
}

/// A two-way stream of bytes.
pub trait Connection: Send + Debug {
    /// Appends what has arrived to `buf`, at most `limit` bytes; `Ok(0)` is the end of the stream.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>>;
    /// Sends until the queue is empty.
    fn poll_send(&mut self, cx: &mut Context<'_>, queue: &mut SendQueue) -> Poll<io::Result<()>>;
    /// Tells the other end that nothing more will come.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Appends what has arrived to `buf`; see [`Connection::poll_read`]. Cancel safe.
pub async fn read(
    connection: &mut dyn Connection,
    buf: &mut BytesMut,
    limit: usize,
) -> io::Result<usize> {
    poll_fn(|cx| connection.poll_read(cx, buf, limit)).await
}

/// Sends until the queue is empty. Cancel safe: what was sent is gone from the queue.
pub async fn send(connection: &mut dyn Connection, queue: &mut SendQueue) -> io::Result<()> {
    poll_fn(|cx| connection.poll_send(cx, queue)).await
}

/// Tells the other end that nothing more will come.
pub async fn close(connection: &mut dyn Connection) -> io::Result<()> {
    poll_fn(|cx| connection.poll_close(cx)).await
}
