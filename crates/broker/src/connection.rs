//! One client connection: read, handle, answer, in order.
//!
//! Cost per wake-up: one read, all whole requests in it handled where they were read, all answers
//! that are ready sent with one gathered write.
//!
//! Answers go out in the order of their requests. While a request waits (a fetch for records, a
//! join for its group) the next one is not begun, as in Kafka, except that produce requests overlap.

use std::{
    collections::VecDeque,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use klamm_env::net::{self, BoxFuture, Connection, SendQueue};
use klamm_protocol::{ApiKey, wire::DecodeError};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Duration, Sleep},
};

use crate::{
    api,
    broker::Broker,
    frames::Frames,
    listener::Stop,
    metrics::{
        Client, Metrics, SlowRequest, Stopwatch, Timing, Traffic, log_slow, waits_on_purpose,
    },
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
    /// What passes through its listener.
    pub(crate) traffic: Arc<Traffic>,
    /// What software it is.
    pub(crate) client: Client,
}

/// A request that is not yet answered, with its way so far.
enum Slot {
    Done(Answer, Timing),
    Waiting(BoxFuture<'static, Answer>, Timing),
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
    time: Stopwatch,
    /// When bytes came in last.
    read_at: u64,
    /// Requests whose answers are in `out`.
    sending: Vec<Timing>,
    /// The client's name for itself in its last request.
    client_id: String,
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
            time: Stopwatch::start(),
            read_at: 0,
            sending: Vec::new(),
            client_id: String::new(),
        };
        let ended = self.serve(&mut state, limits.idle).await;
        for slot in &state.in_flight {
            if let Slot::Waiting(_, timing) = slot {
                self.broker.metrics.wait(timing.row, -1);
            }
        }
        self.broker.shares.disconnected(&self.broker, self.peer.address);
        ended
    }

    async fn serve(&mut self, state: &mut State, idle: Duration) -> Result<(), String> {
        let mut alarm = Box::pin(tokio::time::sleep(idle));
        let stop = self.stop.clone();
        let mut stopped = pin!(stop.wait());
        let mut active = state.time.last();
        loop {
            self.handle_what_is_there(state)?;
            if !state.out.is_empty() {
                self.peer.traffic.sent(state.out.len());
                let sent = net::send(&mut *self.connection, &mut state.out).await;
                sent.map_err(|error| quiet(&error))?;
                active = state.time.read();
                self.count_sent(state);
                continue;
            }
            if state.end_of_stream {
                return Ok(());
            }
            let wake = self.wait(state, &mut alarm, stopped.as_mut()).await;
            let now = state.time.read();
            match wake {
                Wake::Answered | Wake::Heard => {}
                Wake::Read(Ok(0)) => state.end_of_stream = true,
                Wake::Read(Ok(bytes)) => {
                    self.peer.traffic.received(bytes);
                    state.read_at = now;
                    active = now;
                }
                Wake::Read(Err(error)) => return Err(quiet(&error)),
                Wake::Stop => return Ok(()),
                Wake::Idle
                    if state.in_flight.is_empty()
                        && Duration::from_micros(now - active) >= idle =>
                {
                    return Ok(());
                }
                Wake::Idle => {
                    // A request that waits keeps its connection, however long that takes.
                    let busy = !state.in_flight.is_empty();
                    let since = if busy { now } else { active };
                    state.frames.rest();
                    alarm.as_mut().reset(state.time.instant(since) + idle);
                }
                Wake::Room(room) => state.room = Some(room),
            }
        }
    }

    /// Begins all requests that may be begun and queues all answers that are ready.
    fn handle_what_is_there(&self, state: &mut State) -> Result<(), String> {
        loop {
            state.queue_answers(&self.broker.metrics)?;
            if state.out.len() >= SEND_BYTES_MAX || state.in_flight.len() >= IN_FLIGHT_MAX {
                return Ok(());
            }
            if self.muted_ms() > 0 {
                return Ok(());
            }
            let Some(request) = state.next_request()? else { return Ok(()) };
            let key = request.key;
            state.notice_client(request.client_id());
            let mut timing = Timing::begin(&request, state.read_at, state.time.last());
            let (row, outcome) = api::dispatch(&self.broker, &self.peer, request);
            timing.handled(row, state.time.read());
            timing.throttle_ms = self.muted_ms();
            let (pipelined, future) = match outcome {
                Outcome::Now(answer) if state.in_flight.is_empty() => {
                    state.queue_answer(answer, timing, &self.broker.metrics)?;
                    continue;
                }
                Outcome::Now(answer) => {
                    state.in_flight.push_back(Slot::Done(answer, timing));
                    continue;
                }
                Outcome::Later(future) => (false, future),
                Outcome::Pipelined(future) => (true, future),
            };
            self.broker.metrics.wait(row, 1);
            state.waiting = Some((key, pipelined));
            state.in_flight.push_back(Slot::Waiting(future, timing));
        }
    }

    /// Counts requests whose answers were sent.
    fn count_sent(&self, state: &mut State) {
        for timing in state.sending.drain(..) {
            self.count(&timing, state.time.last(), &state.client_id);
        }
    }

    fn count(&self, timing: &Timing, now: u64, client_id: &str) {
        let metrics = &self.broker.metrics;
        let Some((row, stages)) = metrics.answered(timing, now) else { return };
        if !metrics.slow.is_slow(stages.total) {
            return;
        }
        let key = api::APIS[row].key;
        let waited = if waits_on_purpose(key) { stages.remote } else { 0 };
        if !metrics.slow.is_slow(stages.total - waited) {
            return;
        }
        let request = SlowRequest {
            at_ms: self.broker.env.clock.now_ms(),
            api: key.name(),
            version: timing.version,
            correlation_id: timing.correlation_id,
            client_id: client_id.to_owned(),
            address: self.peer.address,
            listener: Arc::clone(&self.peer.listener),
            request_bytes: timing.request_bytes,
            response_bytes: timing.response_bytes,
            stages,
        };
        if metrics.slow.keep(request.clone()) {
            log_slow(&request);
        }
    }

    /// How long the client is held back, milliseconds.
    fn muted_ms(&self) -> u64 {
        let mute = &self.peer.mute;
        if mute.is_off() { 0 } else { mute.left_ms(self.broker.env.clock.now_ms()) }
    }

    async fn wait(
        &mut self,
        state: &mut State,
        alarm: &mut Pin<Box<Sleep>>,
        stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Wake {
        let State { frames, in_flight, room, time, .. } = state;
        let needed = frames.large_frame().filter(|_| room.is_none()).unwrap_or(0);
        let muted = Duration::from_millis(self.muted_ms());
        let is_heard = muted.is_zero();
        let may_read = is_heard
            && needed == 0
            && (frames.len() < READ_AHEAD_BYTES_MAX || in_flight.is_empty());
        let connection = &mut *self.connection;
        let (memory, metrics) = (&self.broker.request_memory, &self.broker.metrics);
        tokio::select! {
            biased;
            () = stopped => Wake::Stop,
            () = poll_waiting(in_flight, metrics, time), if !in_flight.is_empty() => Wake::Answered,
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
async fn poll_waiting(in_flight: &mut VecDeque<Slot>, metrics: &Metrics, time: &mut Stopwatch) {
    poll_fn(|cx| {
        let mut any = Poll::Pending;
        for slot in in_flight.iter_mut() {
            if let Slot::Waiting(future, timing) = slot
                && let Poll::Ready(answer) = future.as_mut().poll(cx)
            {
                timing.ready(time.read());
                metrics.wait(timing.row, -1);
                *slot = Slot::Done(answer, *timing);
                any = Poll::Ready(());
            }
        }
        any
    })
    .await;
}

impl State {
    /// Keeps the client's name for itself: mostly it is the same in every request.
    fn notice_client(&mut self, client_id: &str) {
        if self.client_id != client_id {
            client_id.clone_into(&mut self.client_id);
        }
    }

    /// Queues the answers that are ready and whose turn it is.
    fn queue_answers(&mut self, metrics: &Metrics) -> Result<(), String> {
        while let Some(Slot::Done(..)) = self.in_flight.front() {
            let Some(Slot::Done(answer, timing)) = self.in_flight.pop_front() else { break };
            self.queue_answer(answer, timing, metrics)?;
        }
        if !self.in_flight.iter().any(|slot| matches!(slot, Slot::Waiting(..))) {
            self.waiting = None;
        }
        Ok(())
    }

    fn queue_answer(
        &mut self,
        answer: Answer,
        mut timing: Timing,
        metrics: &Metrics,
    ) -> Result<(), String> {
        match answer {
            Answer::Send(response) => {
                metrics.failed(timing.row, &response.errors);
                let before = self.out.len();
                response.queue(&mut self.out);
                timing.response_bytes = self.out.len() - before;
                self.sending.push(timing);
            }
            Answer::Silent => {
                metrics.answered(&timing, timing.ready_at());
            }
            Answer::Close(reason) => return Err(reason),
        }
        Ok(())
    }

    /// The next request, if there is one and it may be begun.
    fn next_request(&mut self) -> Result<Option<Request>, String> {
        let request = match self.held.take() {
            Some(request) => request,
            None => match self.frames.next().map_err(|error| error.to_string())? {
                Some(bytes) => {
                    self.room = None;
                    parse(bytes)?
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

fn parse(bytes: bytes::BytesMut) -> Result<Request, String> {
    Request::parse(bytes).map_err(|error| match error {
        DecodeError::UnknownType { number, .. } => format!("unknown API key {number}"),
        error => format!("malformed request header: {error}"),
    })
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
