//! TCP of the operating system.
//!
//! Cost per answer: one `sendmsg` gathers all pieces in memory, up to the next file range; a file
//! range is one `sendfile`. The bytes before a file range carry `MSG_MORE`, so that they do not
//! travel (and wake the reader) alone.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, Interest},
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::{BoxFuture, Connection, ListenOptions, Listener, Net, Piece, SendQueue};
use crate::File;

/// TCP sockets.
#[derive(Debug)]
pub struct TcpNet;

impl Net for TcpNet {
    fn listen<'a>(
        &'a self,
        address: &'a str,
        options: ListenOptions,
    ) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let mut refused = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for address in tokio::net::lookup_host(address).await? {
                match bind(address, options) {
                    Ok(listener) => {
                        let address = listener.local_addr()?;
                        return Ok(Box::new(TcpAcceptor { listener, address }) as Box<dyn Listener>);
                    }
                    Err(error) => refused = error,
                }
            }
            Err(refused)
        })
    }

    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(TcpConnection { stream }) as Box<dyn Connection>)
        })
    }

    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            let found: Vec<_> = found.map(|address| address.ip()).collect();
            match found.is_empty() {
                true => Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address")),
                false => Ok(found),
            }
        })
    }
}

/// Connections inherit the buffers of their listener.
fn bind(address: SocketAddr, options: ListenOptions) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A broker that starts again must not wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(address)?;
    socket.listen(options.backlog)
}

#[derive(Debug)]
struct TcpAcceptor {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn Connection>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(TcpConnection { stream }) as Box<dyn Connection>, peer))
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

#[derive(Debug)]
struct TcpConnection {
    stream: TcpStream,
}

/// The most memory pieces one system call takes.
const GATHER_MAX: usize = 64;

/// The most bytes of a file one call sends, so that one connection does not hold a worker.
#[cfg(target_os = "linux")]
const SENDFILE_BYTES_MAX: u64 = 1 << 20;

impl Connection for TcpConnection {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        // Knows of a read that did not fill the buffer that the next would block, without a call.
        let mut limited = buf.limit(limit);
        pin!(self.stream.read_buf(&mut limited)).poll(cx)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, queue: &mut SendQueue) -> Poll<io::Result<()>> {
        while !queue.is_empty() {
            match self.try_send(queue) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(sent) => queue.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl TcpConnection {
    fn try_send(&self, queue: &SendQueue) -> io::Result<u64> {
        match queue.front() {
            Some(Piece::File { file, offset, len }) => self.try_send_file(&**file, *offset, *len),
            _ => self.try_send_memory(queue),
        }
    }

    fn try_send_memory(&self, queue: &SendQueue) -> io::Result<u64> {
        let mut parts = [IoSlice::new(&[]); GATHER_MAX];
        let mut count = 0;
        let mut file_follows = false;
        for piece in queue.pieces() {
            match piece {
                Piece::Bytes(bytes) if count < GATHER_MAX => {
                    parts[count] = IoSlice::new(bytes);
                    count += 1;
                }
                _ => {
                    file_follows = true;
                    break;
                }
            }
        }
        self.stream
            .try_io(Interest::WRITABLE, || send_parts(&self.stream, &parts[..count], file_follows))
    }

    #[cfg(target_os = "linux")]
    fn try_send_file(&self, file: &dyn File, offset: u64, len: u64) -> io::Result<u64> {
        let Some(descriptor) = file.descriptor() else {
            return self.try_send_copy(file, offset, len);
        };
        let count = usize::try_from(len.min(SENDFILE_BYTES_MAX)).map_err(io::Error::other)?;
        let mut position = offset;
        let sent = self.stream.try_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(&self.stream, descriptor, Some(&mut position), count)?)
        })?;
        if sent == 0 { Err(cut_short()) } else { Ok(sent as u64) }
    }

    #[cfg(not(target_os = "linux"))]
    fn try_send_file(&self, file: &dyn File, offset: u64, len: u64) -> io::Result<u64> {
        self.try_send_copy(file, offset, len)
    }

    /// For systems and files without `sendfile`.
    fn try_send_copy(&self, file: &dyn File, offset: u64, len: u64) -> io::Result<u64> {
        let mut buf = vec![0; usize::try_from(len.min(64 * 1024)).map_err(io::Error::other)?];
        let read = file.read_at(&mut buf, offset)?;
        if read == 0 {
            return Err(cut_short());
        }
        Ok(self.stream.try_write(&buf[..read])? as u64)
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file ended before the range being sent")
}

#[cfg(target_os = "linux")]
fn send_parts(stream: &TcpStream, parts: &[IoSlice<'_>], more: bool) -> io::Result<u64> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::MORE, more);
    Ok(sendmsg(stream, parts, &mut SendAncillaryBuffer::default(), flags)? as u64)
}

#[cfg(not(target_os = "linux"))]
fn send_parts(stream: &TcpStream, parts: &[IoSlice<'_>], _more: bool) -> io::Result<u64> {
    Ok(rustix::io::writev(stream, parts)? as u64)
}
