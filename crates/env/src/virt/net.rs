//! In-memory links between named hosts, with delay, breaks and partitions.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep},
};

use crate::{
    Random,
    net::{BoxFuture, Connection, ListenOptions, Listener, Net, Piece, SendQueue},
};

/// How badly links behave.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkFaults {
    /// Longest delay of one delivery, microseconds; each is drawn at random up to it.
    pub delay_us_max: u64,
    /// Chance, in millionths, that a read or write breaks its connection.
    pub break_ppm: u64,
    /// Whether arriving bytes are cut into pieces of random size.
    pub chop: bool,
}

/// The most bytes a link holds before its writer waits.
const LINK_BYTES_MAX: usize = 1 << 20;

struct State {
    listeners: BTreeMap<(String, u16), mpsc::UnboundedSender<(Link, SocketAddr)>>,
    hosts: BTreeMap<String, Ipv4Addr>,
    partitions: BTreeSet<(String, String)>,
    faults: LinkFaults,
    links: Vec<(String, String, Arc<Mutex<Wires>>)>,
    port_next: u16,
}

/// A virtual network as seen from one of its hosts. Clones and [`VirtualNet::host`] share it.
#[derive(Clone)]
pub struct VirtualNet {
    state: Arc<Mutex<State>>,
    random: Random,
    host: String,
}

impl fmt::Debug for VirtualNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualNet({})", self.host)
    }
}

impl VirtualNet {
    /// A network without faults, seen from the host `localhost`.
    pub fn new(random: Random) -> Self {
        let state = State {
            listeners: BTreeMap::new(),
            hosts: BTreeMap::new(),
            partitions: BTreeSet::new(),
            faults: LinkFaults::default(),
            links: Vec::new(),
            port_next: 40_000,
        };
        Self { state: Arc::new(Mutex::new(state)), random, host: "localhost".to_owned() }
    }

    /// The same network seen from another host.
    pub fn host(&self, name: &str) -> Self {
        Self { host: name.to_owned(), ..self.clone() }
    }

    /// Sets how links behave from now on.
    pub fn set_faults(&self, faults: LinkFaults) {
        self.state.lock().faults = faults;
    }

    /// Cuts two hosts off from each other: open links break, new ones are refused.
    pub fn partition(&self, a: &str, b: &str) {
        let mut state = self.state.lock();
        state.partitions.insert((a.to_owned(), b.to_owned()));
        state.partitions.insert((b.to_owned(), a.to_owned()));
        state.break_links(|from, to| (from, to) == (a, b) || (from, to) == (b, a));
    }

    /// Ends all partitions.
    pub fn heal(&self) {
        self.state.lock().partitions.clear();
    }

    /// The death of a host: its listeners are gone and its links break.
    pub fn crash(&self, host: &str) {
        let mut state = self.state.lock();
        state.listeners.retain(|(name, _), _| name != host);
        state.break_links(|from, to| from == host || to == host);
    }
}

impl State {
    fn break_links(&mut self, which: impl Fn(&str, &str) -> bool) {
        self.links.retain(|(from, to, wires)| {
            let hit = which(from, to);
            if hit {
                wires.lock().break_both();
            }
            !hit && Arc::strong_count(wires) > 1
        });
    }

    fn address(&mut self, host: &str, port: u16) -> SocketAddr {
        let ip = match host {
            "localhost" | "127.0.0.1" => Ipv4Addr::LOCALHOST,
            _ => {
                let next = u8::try_from(self.hosts.len() + 1).unwrap_or(u8::MAX);
                *self.hosts.entry(host.to_owned()).or_insert(Ipv4Addr::new(10, 0, 0, next))
            }
        };
        SocketAddr::new(IpAddr::V4(ip), port)
    }

    fn free_port(&mut self) -> u16 {
        self.port_next = self.port_next.checked_add(1).unwrap_or(40_000);
        self.port_next
    }
}

fn split(address: &str, own: &str) -> io::Result<(String, u16)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, format!("not host:port: {address}"));
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    let host = match host {
        "" | "0.0.0.0" | "127.0.0.1" | "localhost" => own,
        name => name,
    };
    Ok((host.to_owned(), port.parse().map_err(|_| bad())?))
}

impl Net for VirtualNet {
    fn listen<'a>(
        &'a self,
        address: &'a str,
        _options: ListenOptions,
    ) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (host, port) = split(address, &self.host)?;
            let mut state = self.state.lock();
            let port = if port == 0 { state.free_port() } else { port };
            let key = (host, port);
            if state.listeners.get(&key).is_some_and(|l| !l.is_closed()) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            let (sender, receiver) = mpsc::unbounded_channel();
            let address = state.address(&key.0, port);
            state.listeners.insert(key, sender);
            Ok(Box::new(Acceptor { receiver, address }) as Box<dyn Listener>)
        })
    }

    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let (host, port) = split(address, &self.host)?;
            let mut state = self.state.lock();
            let cut = state.partitions.contains(&(self.host.clone(), host.clone()));
            let acceptor = state.listeners.get(&(host.clone(), port)).filter(|_| !cut).cloned();
            let acceptor = acceptor.ok_or(io::ErrorKind::ConnectionRefused)?;
            let wires = Arc::new(Mutex::new(Wires::default()));
            let port = state.free_port();
            let from = state.address(&self.host, port);
            let links = Arc::clone(&self.state);
            let link = |side| Link {
                wires: Arc::clone(&wires),
                side,
                net: Arc::clone(&links),
                random: self.random.clone(),
                alarm: None,
            };
            let near = link(0);
            acceptor.send((link(1), from)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
            state.links.push((self.host.clone(), host, wires));
            Ok(Box::new(near) as Box<dyn Connection>)
        })
    }

    /// Every name is that of a host, but for those that end in `.invalid` (RFC 2606).
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match host.ends_with(".invalid") {
                true => Err(io::ErrorKind::NotFound.into()),
                false => Ok(vec![self.state.lock().address(host, 0).ip()]),
            }
        })
    }
}

#[derive(Debug)]
struct Acceptor {
    receiver: mpsc::UnboundedReceiver<(Link, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for Acceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Box<dyn Connection>, SocketAddr)>> {
        Box::pin(async move {
            let (link, peer) =
                self.receiver.recv().await.ok_or(io::ErrorKind::ConnectionAborted)?;
            Ok((Box::new(link) as Box<dyn Connection>, peer))
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// The two directions of a link; side 0 dialled.
#[derive(Default)]
struct Wires {
    toward: [Wire; 2],
    broken: bool,
}

#[derive(Default)]
struct Wire {
    chunks: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// Its writer will send no more.
    closed: bool,
    /// Its reader is gone.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wires {
    fn break_both(&mut self) {
        self.broken = true;
        for wire in &mut self.toward {
            wire.wake();
        }
    }
}

impl Wire {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

struct Link {
    wires: Arc<Mutex<Wires>>,
    side: usize,
    net: Arc<Mutex<State>>,
    random: Random,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(side {})", self.side)
    }
}

impl Link {
    fn check(&self) -> io::Result<LinkFaults> {
        let faults = self.net.lock().faults;
        let mut wires = self.wires.lock();
        if faults.break_ppm > 0 && self.random.chance(faults.break_ppm, 1_000_000) {
            wires.break_both();
        }
        if wires.broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(faults) }
    }

    fn sleep_until(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let mut alarm = Box::pin(tokio::time::sleep_until(due));
        let poll = alarm.as_mut().poll(cx);
        self.alarm = Some(alarm);
        poll
    }
}

impl Connection for Link {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        let faults = self.check()?;
        loop {
            let mut wires = self.wires.lock();
            let wire = &mut wires.toward[self.side];
            let Some((due, chunk)) = wire.chunks.front_mut() else {
                if wire.closed {
                    return Poll::Ready(Ok(0));
                }
                wire.reader = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let due = *due;
            if due > Instant::now() {
                wire.reader = Some(cx.waker().clone());
                drop(wires);
                ready!(self.sleep_until(cx, due));
                continue;
            }
            let mut take = chunk.len().min(limit);
            if faults.chop && take > 1 {
                take = 1 + usize::try_from(self.random.below(take as u64)).unwrap_or(0);
            }
            buf.extend_from_slice(&chunk[..take]);
            chunk.advance(take);
            if chunk.is_empty() {
                wire.chunks.pop_front();
            }
            wire.bytes -= take;
            if let Some(writer) = wire.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Ok(take));
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, queue: &mut SendQueue) -> Poll<io::Result<()>> {
        let faults = self.check()?;
        while let Some(piece) = queue.front() {
            let mut wires = self.wires.lock();
            let wire = &mut wires.toward[1 - self.side];
            if wire.deaf {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if wire.bytes >= LINK_BYTES_MAX {
                wire.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let bytes = load(piece)?;
            let delay = Duration::from_micros(self.random.below(faults.delay_us_max + 1));
            // A link keeps its order: nothing overtakes what was sent before.
            let earliest = wire.chunks.back().map_or_else(Instant::now, |(due, _)| *due);
            wire.bytes += bytes.len();
            queue.advance(bytes.len() as u64);
            wire.chunks.push_back((earliest.max(Instant::now() + delay), bytes));
            if let Some(reader) = wire.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wires = self.wires.lock();
        let wire = &mut wires.toward[1 - self.side];
        wire.closed = true;
        wire.wake();
        Poll::Ready(Ok(()))
    }
}

fn load(piece: &Piece) -> io::Result<Bytes> {
    match piece {
        Piece::Bytes(bytes) => Ok(bytes.clone()),
        Piece::File { file, offset, len } => {
            let mut buf = vec![0; usize::try_from(*len).map_err(io::Error::other)?];
            if file.read_at(&mut buf, *offset)? < buf.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(Bytes::from(buf))
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut wires = self.wires.lock();
        wires.toward[1 - self.side].closed = true;
        wires.toward[self.side].deaf = true;
        for wire in &mut wires.toward {
            wire.wake();
        }
    }
}
