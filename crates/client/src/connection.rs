//! One connection to a broker: requests are pipelined, answers find their callers by correlation
//! id, and the versions of both sides are known before the first call.
//!
//! A task owns the stream. It ends when the handle is dropped, when the stream breaks, or when the
//! broker sends something that cannot be an answer; whoever waits is told why.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use klamm_env::net::{Connection as Stream, Net, Piece, SendQueue};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{ApiVersionsRequest, ApiVersionsResponse},
    wire::{Message, Reader, Request, VersionRange, frame},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::timeout,
};

use crate::{ClientError, call::Reply};

/// Requests that may wait to be written; their callers wait beyond that.
const ORDERS_MAX: usize = 64;
/// Requests that may wait for their answer.
const WAITING_MAX: usize = 1024;
/// Bytes that may wait to be written before no further request is taken.
const SEND_BYTES_MAX: u64 = 8 << 20;
/// Bytes read, and room reserved, at a time.
const READ_BYTES: usize = 64 << 10;

type Answer = oneshot::Sender<Result<Bytes, String>>;

/// A request that is to be written.
struct Order {
    correlation_id: i32,
    frame: Bytes,
    answer: Answer,
    /// A produce request with `acks=0` gets no answer: writing it is all.
    one_way: bool,
}

/// How a connection is made.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionOptions {
    pub(crate) client_id: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) response_bytes_max: usize,
}

/// The handle of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    options: ConnectionOptions,
    orders: mpsc::Sender<Order>,
    correlation_id: AtomicI32,
    served: BTreeMap<i16, VersionRange>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Dials, and asks for the versions that the broker serves.
    pub(crate) async fn open(
        net: &Arc<dyn Net>,
        address: &str,
        options: ConnectionOptions,
    ) -> Result<Self, ClientError> {
        let after = options.connect_timeout;
        let stream = match timeout(after, net.dial(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => {
                return Err(ClientError::Connect { address: address.to_owned(), source });
            }
            Err(_) => {
                let address = address.to_owned();
                return Err(ClientError::Timeout { address, what: "a connection", after });
            }
        };
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let task = tokio::spawn(run(stream, inbox, options.response_bytes_max)).abort_handle();
        let mut connection = Self {
            address: address.to_owned(),
            options,
            orders,
            correlation_id: AtomicI32::new(0),
            served: BTreeMap::new(),
            task,
        };
        connection.served = connection.ask_versions().await?;
        Ok(connection)
    }

    /// Whether calls can still be made.
    pub(crate) fn is_open(&self) -> bool {
        !self.task.is_finished()
    }

    /// Sends a request in the highest version that both sides have within `usable`.
    pub(crate) async fn call<'a, R: Request<'a>>(
        &self,
        usable: VersionRange,
        extra_wait: Duration,
        request: &R,
    ) -> Result<Reply, ClientError> {
        let version = self.version(R::KEY, usable.intersect(R::STABLE_VERSIONS))?;
        self.exchange(version, extra_wait, request, false).await
    }

    /// Sends a request that is not answered, and waits until it is written.
    pub(crate) async fn send<'a, R: Request<'a>>(
        &self,
        usable: VersionRange,
        request: &R,
    ) -> Result<(), ClientError> {
        let version = self.version(R::KEY, usable.intersect(R::STABLE_VERSIONS))?;
        self.exchange(version, Duration::ZERO, request, true).await.map(|_| ())
    }

    fn version(&self, api: ApiKey, usable: VersionRange) -> Result<i16, ClientError> {
        let served = self.served.get(&(api as i16)).copied();
        match served.map(|served| served.intersect(usable)).filter(|common| !common.is_empty()) {
            Some(common) => Ok(common.max),
            None => Err(ClientError::Unsupported {
                address: self.address.clone(),
                api,
                served,
                wanted: usable,
            }),
        }
    }

    async fn exchange<'a, R: Request<'a>>(
        &self,
        version: i16,
        extra_wait: Duration,
        request: &R,
        one_way: bool,
    ) -> Result<Reply, ClientError> {
        let correlation_id = self.correlation_id.fetch_add(1, Ordering::Relaxed);
        let client_id = Some(self.options.client_id.as_str());
        let writer = frame::request(version, correlation_id, client_id, request);
        let (answer, answered) = oneshot::channel();
        let frame = Bytes::from(writer.into_parts().0);
        let order = Order { correlation_id, frame, answer, one_way };
        let after = self.options.request_timeout + extra_wait;
        let round_trip = async {
            self.orders.send(order).await.map_err(|_| closed())?;
            answered.await.unwrap_or_else(|_| Err(closed()))
        };
        let address = || self.address.clone();
        match timeout(after, round_trip).await {
            Ok(Ok(bytes)) => Ok(Reply::new(address(), version, R::KEY, bytes)),
            Ok(Err(reason)) => Err(ClientError::Disconnected { address: address(), reason }),
            Err(_) => {
                // What comes later would answer a question that nobody asks any more.
                self.task.abort();
                Err(ClientError::Timeout { address: address(), what: R::KEY.name(), after })
            }
        }
    }

    /// Asks in the newest version; a broker that does not know it answers in version 0, with the
    /// versions it does know (KIP-511).
    async fn ask_versions(&self) -> Result<BTreeMap<i16, VersionRange>, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "klamm".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        let newest = ApiVersionsRequest::STABLE_VERSIONS.max;
        let mut reply = self.exchange(newest, Duration::ZERO, &request, false).await?;
        if reply.first_i16() == Some(ErrorCode::UnsupportedVersion.code()) {
            let answer = reply.decode_as::<ApiVersionsResponse<'_>>(0)?;
            let own = ApiKey::ApiVersions as i16;
            let range = answer.api_keys.iter().find(|api| api.api_key == own);
            let version = range.map_or(0, |api| api.max_version.clamp(0, newest - 1));
            reply = self.exchange(version, Duration::ZERO, &request, false).await?;
        }
        let answer = reply.decode::<ApiVersionsResponse<'_>>()?;
        ClientError::check(answer.error_code, None, || format!("versions of {}", self.address))?;
        let range = |api: &klamm_protocol::messages::api_versions_response::ApiVersion<'_>| {
            (api.api_key, VersionRange::new(api.min_version, api.max_version))
        };
        Ok(answer.api_keys.iter().map(range).collect())
    }
}

fn closed() -> String {
    "it was closed".to_owned()
}

/// Writes what is ordered and hands out what is answered until something ends.
async fn run(
    mut stream: Box<dyn Stream>,
    mut orders: mpsc::Receiver<Order>,
    response_bytes_max: usize,
) {
    let mut exchange = Exchange {
        queue: SendQueue::default(),
        received: BytesMut::new(),
        waiting: BTreeMap::new(),
        written: Vec::new(),
        response_bytes_max,
    };
    let reason = poll_fn(|cx| exchange.poll(cx, stream.as_mut(), &mut orders)).await;
    let one_way = exchange.written.into_iter();
    for answer in exchange.waiting.into_values().chain(one_way) {
        // A caller that gave up is not there to be told.
        let _ = answer.send(Err(reason.clone()));
    }
}

/// What is under way on a connection.
struct Exchange {
    queue: SendQueue,
    received: BytesMut,
    waiting: BTreeMap<i32, Answer>,
    /// One-way requests that are done when the queue is empty.
    written: Vec<Answer>,
    response_bytes_max: usize,
}

impl Exchange {
    /// Ready with the reason when the connection has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut dyn Stream,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Poll<String> {
        loop {
            if !self.take_orders(cx, orders) {
                return Poll::Ready(closed());
            }
            let is_written = match stream.poll_send(cx, &mut self.queue) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(error)) => return Poll::Ready(error.to_string()),
                Poll::Pending => false,
            };
            if is_written {
                self.written.drain(..).for_each(|answer| drop(answer.send(Ok(Bytes::new()))));
            }
            self.received.reserve(self.bytes_wanted());
            match stream.poll_read(cx, &mut self.received, READ_BYTES) {
                Poll::Ready(Ok(0)) => return Poll::Ready("the broker closed it".to_owned()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error.to_string()),
                Poll::Pending => return Poll::Pending,
            }
            if let Err(reason) = self.hand_out() {
                return Poll::Ready(reason);
            }
        }
    }

    /// Queues requests; false when the handle is gone.
    fn take_orders(&mut self, cx: &mut Context<'_>, orders: &mut mpsc::Receiver<Order>) -> bool {
        while self.queue.len() < SEND_BYTES_MAX && self.waiting.len() < WAITING_MAX {
            match orders.poll_recv(cx) {
                Poll::Ready(Some(order)) => {
                    self.queue.push(Piece::Bytes(order.frame));
                    match order.one_way {
                        true => self.written.push(order.answer),
                        false => drop(self.waiting.insert(order.correlation_id, order.answer)),
                    }
                }
                Poll::Ready(None) => return false,
                Poll::Pending => break,
            }
        }
        true
    }

    /// Room for the rest of the frame, as far as it is likely to come soon.
    fn bytes_wanted(&self) -> usize {
        let len = self.received.first_chunk().map_or(0, |len| u32::from_be_bytes(*len) as usize);
        let rest = len.saturating_add(4).saturating_sub(self.received.len());
        rest.clamp(READ_BYTES, 16 * READ_BYTES)
    }

    /// Gives every whole answer to its caller.
    fn hand_out(&mut self) -> Result<(), String> {
        while let Some(len) = self.received.first_chunk().map(|len| i32::from_be_bytes(*len)) {
            let len =
                usize::try_from(len).ok().filter(|len| (4..=self.response_bytes_max).contains(len));
            let Some(len) = len else {
                return Err("it sent something that is no Kafka answer, or one that is too large"
                    .to_owned());
            };
            if self.received.len() < 4 + len {
                return Ok(());
            }
            self.received.advance(4);
            let frame = self.received.split_to(len).freeze();
            let id = Reader::new(&frame).i32().map_err(|error| error.to_string())?;
            match self.waiting.remove(&id) {
                Some(answer) => drop(answer.send(Ok(frame))),
                None => return Err(format!("it answered request {id}, which is not open")),
            }
        }
        Ok(())
    }
}
