//! One client connection: read, handle, answer, in order.
//!
//! Cost per wake-up: one read, all whole requests in it handled where they were read, all answers
//! that are ready sent with one gathered write.
//!
//! Answers go out in the order of their requests. While a request waits (a fetch for records, a
//! join for its group) the next one is not begun, as in Kafka, except that produce requests overlap.

use std::{collections::VecDeque, future::poll_fn, net::SocketAddr, sync::Arc, task::Poll};

use klamm_env::net::{self, BoxFuture, Connection, SendQueue};
use klamm_protocol::{ApiKey, wire::frame};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Duration, Instant, Sleep},
};

use crate::{
    api,
    broker::Broker,
    frames::Frames,
    listener::Stop,
    quotas::Mute,
    request::{Answer, Outcome, Request},
};

/// The most requests of a connection handled at the same time.
const IN_FLIGHT_MAX: usize = 32;

/// The most bytes read ahead while a request waits.
const READ_AHEAD_BYTES_MAX: usize = 1 << 20;

/// Answers of this many bytes are sent before further requests are handled.
const SEND_BYTES_MAX: u64 = 4 << 20;

/// What handlers know of the connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The client's address.
    pub(crate) address: SocketAddr,
    /// Name of the listener it came in by.
    pub(crate) listener: Arc<str>,
    /// Until when it is not read, because the client used more than its quota.
    pub(crate) mute: Mute,
}

enum Slot {
    Done(Answer),
    Waiting(BoxFuture<'static, Answer>),
}

pub(crate) struct Task {
    pub(crate) broker: Arc<Broker>,
    pub(crate) connection: Box<dyn Connection>,
    pub(crate) peer: Peer,
    pub(crate) stop: Stop,
}

struct State {
    frames: Frames,
    in_flight: VecDeque<Slot>,
    /// Which API waits: only its requests may be begun, if it allows that at all.
    waiting: Option<(ApiKey, bool)>,
    out: SendQueue,
    held: Option<Request>,
    /// Room in memory for the large request that is coming in.
    room: Option<OwnedSemaphorePermit>,
    end_of_stream: bool,
}

/// What woke the connection.
enum Wake {
    Answered,
    Read(std::io::Result<usize>),
    Idle,
    /// The connection may be read again.
    Heard,
    Room(OwnedSemaphorePermit),
    Stop,
}

impl Task {
    /// Serves the connection until it ends; says why if that was not the client's wish.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        let limits = self.broker.connection_limits();
        let mut state = State {
            frames: Frames::new(limits.request_bytes_max),
            in_flight: VecDeque::new(),
            waiting: None,
            out: SendQueue::default(),
            held: None,
            room: None,
            end_of_stream: false,
        };
        let idle = limits.idle;
        let mut alarm = Box::pin(tokio::time::sleep(idle));
        let mut active = Instant::now();
        loop {
            self.handle_what_is_there(&mut state)?;
            if !state.out.is_empty() {
                let sent = net::send(&mut *self.connection, &mut state.out).await;
                sent.map_err(|error| quiet(&error))?;
                active = Instant::now();
                continue;
            }
            if state.end_of_stream {
                return Ok(());
            }
            match self.wait(&mut state, &mut alarm).await {
                Wake::Answered | Wake::Heard => {}
                Wake::Read(Ok(0)) => state.end_of_stream = true,
                Wake::Read(Ok(_)) => active = Instant::now(),
                Wake::Read(Err(error)) => return Err(quiet(&error)),
                Wake::Stop => return Ok(()),
                Wake::Idle if state.in_flight.is_empty() && active.elapsed() >= idle => {
                    return Ok(());
                }
                Wake::Idle => {
                    // A request that waits keeps its connection, however long that takes.
                    let busy = !state.in_flight.is_empty();
                    let since = if busy { Instant::now() } else { active };
                    state.frames.rest();
                    alarm.as_mut().reset(since + idle);
                }
                Wake::Room(room) => state.room = Some(room),
            }
        }
    }

    /// Begins all requests that may be begun and queues all answers that are ready.
    fn handle_what_is_there(&self, state: &mut State) -> Result<(), String> {
        loop {
            state.queue_answers()?;
            if state.out.len() >= SEND_BYTES_MAX || state.in_flight.len() >= IN_FLIGHT_MAX {
                return Ok(());
            }
            if self.muted_ms() > 0 {
                return Ok(());
            }
            let Some(request) = state.next_request(&self.broker)? else { return Ok(()) };
            let key = request.key;
            match api::dispatch(&self.broker, &self.peer, request) {
                Outcome::Now(answer) => state.in_flight.push_back(Slot::Done(answer)),
                Outcome::Later(future) => state.wait_for(key, false, future),
                Outcome::Pipelined(future) => state.wait_for(key, true, future),
            }
        }
    }

    /// How long the client is held back, milliseconds.
    fn muted_ms(&self) -> u64 {
        let mute = &self.peer.mute;
        if mute.is_off() { 0 } else { mute.left_ms(self.broker.env.clock.now_ms()) }
    }

    async fn wait(&mut self, state: &mut State, alarm: &mut std::pin::Pin<Box<Sleep>>) -> Wake {
        let State { frames, in_flight, room, .. } = state;
        let needed = frames.large_frame().filter(|_| room.is_none()).unwrap_or(0);
        let muted = Duration::from_millis(self.muted_ms());
        let is_heard = muted.is_zero();
        let may_read = is_heard
            && needed == 0
            && (frames.len() < READ_AHEAD_BYTES_MAX || in_flight.is_empty());
        let connection = &mut *self.connection;
        let memory = &self.broker.request_memory;
        tokio::select! {
            biased;
            () = self.stop.wait() => Wake::Stop,
            () = poll_waiting(in_flight), if !in_flight.is_empty() => Wake::Answered,
            read = async {
                let (buf, limit) = frames.room();
                net::read(connection, buf, limit).await
            }, if may_read => Wake::Read(read),
            room = memory.reserve(needed), if needed > 0 => Wake::Room(room),
            () = tokio::time::sleep(muted), if !is_heard => Wake::Heard,
            () = alarm.as_mut() => Wake::Idle,
        }
    }
}

/// Ends when at least one waiting request has its answer.
async fn poll_waiting(in_flight: &mut VecDeque<Slot>) {
    poll_fn(|cx| {
        let mut any = Poll::Pending;
        for slot in in_flight.iter_mut() {
            if let Slot::Waiting(future) = slot
                && let Poll::Ready(answer) = future.as_mut().poll(cx)
            {
                *slot = Slot::Done(answer);
                any = Poll::Ready(());
            }
        }
        any
    })
    .await;
}

impl State {
    fn wait_for(&mut self, key: ApiKey, pipelined: bool, future: BoxFuture<'static, Answer>) {
        self.waiting = Some((key, pipelined));
        self.in_flight.push_back(Slot::Waiting(future));
    }

    fn queue_answers(&mut self) -> Result<(), String> {
        while let Some(Slot::Done(_)) = self.in_flight.front() {
            let Some(Slot::Done(answer)) = self.in_flight.pop_front() else { break };
            match answer {
                Answer::Send(response) => response.queue(&mut self.out),
                Answer::Silent => {}
                Answer::Close(reason) => return Err(reason),
            }
        }
        if !self.in_flight.iter().any(|slot| matches!(slot, Slot::Waiting(_))) {
            self.waiting = None;
        }
        Ok(())
    }

    /// The next request, if there is one and it may be begun.
    fn next_request(&mut self, broker: &Broker) -> Result<Option<Request>, String> {
        let request = match self.held.take() {
            Some(request) => request,
            None => match self.frames.next().map_err(|error| error.to_string())? {
                Some(bytes) => {
                    self.room = None;
                    parse(bytes, broker)?
                }
                None => return Ok(None),
            },
        };
        let begun = self.waiting.is_none_or(|(key, pipelined)| pipelined && key == request.key);
        if begun {
            return Ok(Some(request));
        }
        self.held = Some(request);
        Ok(None)
    }
}

fn parse(bytes: bytes::BytesMut, broker: &Broker) -> Result<Request, String> {
    broker.metrics.received(bytes.len());
    let peek = frame::peek(&bytes).map_err(|error| format!("malformed request header: {error}"))?;
    if ApiKey::from_i16(peek.api_key).is_none() {
        return Err(format!("unknown API key {}", peek.api_key));
    }
    Request::parse(bytes).map_err(|error| format!("malformed request header: {error}"))
}

/// The text of an error worth a log line; empty for a client that just went away.
fn quiet(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => String::new(),
        _ => error.to_string(),
    }
}

/// The limits of every connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// `socket.request.max.bytes`.
    pub(crate) request_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub(crate) idle: Duration,
}
