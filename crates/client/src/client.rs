//! The client: its connections, what it knows of the cluster, and who is to be asked.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use klamm_env::{Clock, Env, Net, Random};
use klamm_protocol::{
    ErrorCode,
    messages::{
        FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse,
        metadata_request::MetadataRequestTopic,
    },
    wire::{Request, VersionRange},
};
use parking_lot::Mutex;

use crate::{
    Broker, ClientError, Cluster, Topic,
    call::Reply,
    connection::{Connection, ConnectionOptions},
    retry::Retry,
};

/// From version 1 an empty list of topics means none.
const METADATA: VersionRange = VersionRange::new(1, 13);
const FIND_COORDINATOR: VersionRange = VersionRange::new(0, 6);
/// The first version that asks for several coordinators at once.
const FIND_COORDINATOR_BATCHED: i16 = 4;

/// Limits and names of a client.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `host:port` of brokers to begin with.
    pub bootstrap: Vec<String>,
    /// What the client calls itself (Kafka's `client.id`).
    pub client_id: String,
    /// How long a connection may take (`socket.connection.setup.timeout.ms`).
    pub connect_timeout: Duration,
    /// How long one answer may take (`request.timeout.ms`).
    pub request_timeout: Duration,
    /// How long a call may take with all its attempts (`default.api.timeout.ms`).
    pub call_timeout: Duration,
    /// The largest answer accepted, in bytes.
    pub response_bytes_max: usize,
}

impl ClientOptions {
    /// Kafka's defaults, with these brokers (`host:port`, separated by commas) to begin with.
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        let addresses = bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty());
        Self {
            bootstrap: addresses.map(str::to_owned).collect(),
            client_id: "klamm".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            response_bytes_max: 256 << 20,
        }
    }
}

/// What a connection is used for. A fetch that waits holds up everything behind it, so that
/// heartbeats and admin calls have connections of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Main,
    Fetch,
    Group,
}

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Any broker.
    Any,
    /// The broker of this id.
    Broker(i32),
    /// The active controller, or any broker where that is not told: brokers pass changes on.
    Controller,
    /// The coordinator of this group.
    Coordinator(&'a str),
}

/// A client of one cluster. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

struct Inner {
    net: Arc<dyn Net>,
    clock: Clock,
    random: Random,
    options: ClientOptions,
    slots: Mutex<BTreeMap<(String, Lane), Slot>>,
    known: Mutex<Known>,
}

/// What was learnt of the cluster and may be out of date.
#[derive(Default)]
struct Known {
    cluster: Cluster,
    coordinators: BTreeMap<String, i32>,
}

/// Groups whose coordinator is remembered.
const COORDINATORS_MAX: usize = 10_000;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Client {
    /// A client on these seams. Connects on its first call.
    #[must_use]
    pub fn new(env: &Env, options: ClientOptions) -> Self {
        let inner = Inner {
            net: Arc::clone(&env.net),
            clock: env.clock.clone(),
            random: env.random.clone(),
            options,
            slots: Mutex::default(),
            known: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A client over TCP with Kafka's defaults.
    #[must_use]
    pub fn tcp(bootstrap: &str) -> Self {
        Self::new(&Env::real(), ClientOptions::new(bootstrap))
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// The brokers, and the topics of these names, or all topics.
    ///
    /// A topic that does not exist is in the answer, with its error.
    ///
    /// # Errors
    /// [`ClientError`] of the network.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<Cluster, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.ask_metadata(topics, false).await {
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(cluster) => return Ok(cluster),
            }
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn random(&self) -> &Random {
        &self.inner.random
    }

    /// The attempts of a call, within `call_timeout`.
    pub(crate) fn retry(&self) -> Retry<'_> {
        Retry::new(self, self.inner.options.call_timeout)
    }

    /// Drops what may be out of date.
    pub(crate) fn forget(&self) {
        let mut known = self.inner.known.lock();
        known.cluster.topics.clear();
        known.coordinators.clear();
    }

    /// Whether not even a first contact was made: then nothing suggests that waiting helps.
    pub(crate) fn is_hopeless(&self, error: &ClientError) -> bool {
        let unseen = self.inner.known.lock().cluster.brokers.is_empty();
        unseen && matches!(error, ClientError::Connect { .. } | ClientError::Disconnected { .. })
    }

    /// Asks and remembers.
    pub(crate) async fn ask_metadata(
        &self,
        topics: Option<&[&str]>,
        create: bool,
    ) -> Result<Cluster, ClientError> {
        let topic = |name: &&str| MetadataRequestTopic {
            name: Some((*name).to_owned().into()),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(topic).collect()),
            allow_auto_topic_creation: create,
            ..MetadataRequest::default()
        };
        let connection = self.any_connection().await?;
        let reply = connection.call(METADATA, Duration::ZERO, &request).await?;
        let answer = reply.decode::<MetadataResponse<'_>>()?;
        ClientError::check(answer.error_code, None, || "metadata".to_owned())?;
        let cluster = Cluster::of(&answer);
        let mut known = self.inner.known.lock();
        let topics = std::mem::take(&mut known.cluster.topics);
        known.cluster = cluster.clone();
        for (name, topic) in topics {
            known.cluster.topics.entry(name).or_insert(topic);
        }
        Ok(cluster)
    }

    /// A topic's partitions, from memory or asked for. One attempt.
    ///
    /// # Errors
    /// `UnknownTopic`, or `Refused` where the topic has another error.
    pub(crate) async fn topic(&self, name: &str, create: bool) -> Result<Arc<Topic>, ClientError> {
        let known = self.inner.known.lock().cluster.topics.get(name).cloned();
        if let Some(topic) = known.filter(|topic| topic.error == 0) {
            return Ok(topic);
        }
        let cluster = self.ask_metadata(Some(&[name]), create).await?;
        let topic = cluster.topics.get(name).cloned();
        let unknown = || ClientError::UnknownTopic { topic: name.to_owned() };
        let topic = topic.ok_or_else(unknown)?;
        match topic.error_code() {
            Some(ErrorCode::UnknownTopicOrPartition) if !create => Err(unknown()),
            _ => ClientError::check(topic.error, None, || format!("topic {name}")).map(|()| topic),
        }
    }

    /// The broker that leads a partition, and its epoch. One attempt.
    pub(crate) async fn leader(&self, topic: &str, partition: i32) -> Result<i32, ClientError> {
        let known = self.topic(topic, false).await?;
        let topic = || topic.to_owned();
        let found = known.partitions.get(&partition);
        let found =
            found.ok_or_else(|| ClientError::UnknownPartition { topic: topic(), partition })?;
        match found.leader {
            -1 => Err(ClientError::NoLeader { topic: topic(), partition }),
            leader => Ok(leader),
        }
    }

    /// Sends a request to its target, once.
    pub(crate) async fn call<'a, R: Request<'a>>(
        &self,
        target: Target<'_>,
        lane: Lane,
        versions: VersionRange,
        request: &R,
    ) -> Result<Reply, ClientError> {
        self.call_patiently(target, lane, versions, Duration::ZERO, request).await
    }

    /// Sends a request that the broker may keep for `extra_wait` before it answers.
    pub(crate) async fn call_patiently<'a, R: Request<'a>>(
        &self,
        target: Target<'_>,
        lane: Lane,
        versions: VersionRange,
        extra_wait: Duration,
        request: &R,
    ) -> Result<Reply, ClientError> {
        self.connect(target, lane).await?.call(versions, extra_wait, request).await
    }

    /// An open connection to the target.
    pub(crate) async fn connect(
        &self,
        target: Target<'_>,
        lane: Lane,
    ) -> Result<Arc<Connection>, ClientError> {
        let id = match target {
            Target::Any => return self.any_connection().await,
            Target::Broker(id) => id,
            Target::Controller => match self.controller().await? {
                Some(id) => id,
                None => return self.any_connection().await,
            },
            Target::Coordinator(group) => self.coordinator(group).await?,
        };
        let broker = self.broker(id).await?;
        self.connection(&broker.address(), lane).await
    }

    async fn broker(&self, id: i32) -> Result<Broker, ClientError> {
        let known = self.inner.known.lock().cluster.brokers.get(&id).cloned();
        if let Some(broker) = known {
            return Ok(broker);
        }
        let cluster = self.ask_metadata(Some(&[]), false).await?;
        cluster.brokers.get(&id).cloned().ok_or(ClientError::UnknownBroker(id))
    }

    async fn controller(&self) -> Result<Option<i32>, ClientError> {
        let is_known = !self.inner.known.lock().cluster.brokers.is_empty();
        if !is_known {
            self.ask_metadata(Some(&[]), false).await?;
        }
        let known = self.inner.known.lock();
        let id = known.cluster.controller;
        Ok(known.cluster.brokers.contains_key(&id).then_some(id))
    }

    /// The broker that coordinates a group. One attempt.
    pub(crate) async fn coordinator(&self, group: &str) -> Result<i32, ClientError> {
        if let Some(&id) = self.inner.known.lock().coordinators.get(group) {
            return Ok(id);
        }
        let request = FindCoordinatorRequest {
            key: group.into(),
            coordinator_keys: vec![group.into()],
            ..FindCoordinatorRequest::default()
        };
        let connection = self.any_connection().await?;
        let reply = connection.call(FIND_COORDINATOR, Duration::ZERO, &request).await?;
        let answer = reply.decode::<FindCoordinatorResponse<'_>>()?;
        let (code, message, id) = match answer.coordinators.first() {
            Some(one) => (one.error_code, one.error_message.as_deref(), one.node_id),
            None if reply.version() < FIND_COORDINATOR_BATCHED => {
                (answer.error_code, answer.error_message.as_deref(), answer.node_id)
            }
            None => (ErrorCode::CoordinatorNotAvailable.code(), None, -1),
        };
        ClientError::check(code, message, || format!("group {group}"))?;
        let mut known = self.inner.known.lock();
        if known.coordinators.len() >= COORDINATORS_MAX {
            known.coordinators.clear();
        }
        known.coordinators.insert(group.to_owned(), id);
        Ok(id)
    }

    /// A connection to whichever broker answers: one that is open, or the known and then the
    /// bootstrap addresses in turn.
    async fn any_connection(&self) -> Result<Arc<Connection>, ClientError> {
        let known = self.inner.known.lock().cluster.brokers.values().map(Broker::address).collect();
        let mut addresses: Vec<String> = known;
        addresses.extend(self.inner.options.bootstrap.iter().cloned());
        let mut first_error = None;
        for address in addresses {
            match self.connection(&address, Lane::Main).await {
                Ok(connection) => return Ok(connection),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(ClientError::NoBroker))
    }

    async fn connection(&self, address: &str, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        let key = (address.to_owned(), lane);
        let slot = Arc::clone(self.inner.slots.lock().entry(key).or_default());
        // Held while dialling, so that callers who come together share one connection.
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let options = &self.inner.options;
        let options = ConnectionOptions {
            client_id: options.client_id.clone(),
            connect_timeout: options.connect_timeout,
            request_timeout: options.request_timeout,
            response_bytes_max: options.response_bytes_max,
        };
        let connection = Arc::new(Connection::open(&self.inner.net, address, options).await?);
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }
}
