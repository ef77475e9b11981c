//! Accepting connections, within limits, and ending them.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use klamm_config::{BrokerSettings, NetworkSettings};
use klamm_env::{
    Watched,
    net::{Connection, Listener, Net},
};
use klamm_security::quota::{Kind, Rate};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Duration,
};

use crate::{
    broker::{Broker, unsigned},
    connection::{Peer, Task},
    quotas::{Mute, client_windows},
};

/// Tells every task of the broker to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<Watched<bool>>);

/// Rings when the broker is to stop.
#[derive(Debug)]
pub(crate) struct StopBell(Arc<Watched<bool>>);

impl StopBell {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Watched::new(false)))
    }

    pub(crate) fn ring(&self) {
        self.0.set(true);
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.0.get()
    }

    pub(crate) fn listen(&self) -> Stop {
        Stop(Arc::clone(&self.0))
    }
}

impl Stop {
    /// Ends when the broker is to stop.
    pub(crate) async fn wait(&self) {
        self.0.wait_for(|stop| stop).await;
    }
}

/// Counts connections: in total, by listener and by address.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    counts: Mutex<Counts>,
    rates: Mutex<Rates>,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_listener: HashMap<Arc<str>, usize>,
    by_ip: HashMap<IpAddr, usize>,
    /// Limits of addresses that `max.connections.per.ip.overrides` gives by their hosts' names.
    named: BTreeMap<IpAddr, i32>,
}

impl Counts {
    /// Whether the broker, and the listener if it has a limit of its own, may have one more
    /// (`max.connections`).
    fn have_room(&self, limits: &NetworkSettings, listener: &str) -> bool {
        let of_listener = self.by_listener.get(listener).copied().unwrap_or(0);
        let own = limits.max_connections_by_listener.get(&listener.to_uppercase());
        self.total < unsigned(limits.max_connections)
            && own.is_none_or(|own| of_listener < unsigned(*own))
    }

    /// How many an address may have (`max.connections.per.ip`).
    fn per_ip(&self, limits: &NetworkSettings, ip: IpAddr) -> usize {
        let overrides = limits.max_connections_per_ip_overrides.iter();
        let own = overrides.filter(|(host, _)| host.parse() == Ok(ip)).map(|(_, max)| *max).next();
        let own = own.or_else(|| self.named.get(&ip).copied());
        unsigned(own.unwrap_or(limits.max_connections_per_ip))
    }
}

/// How fast connections come: in total and by listener.
#[derive(Debug, Default)]
struct Rates {
    total: Rate,
    by_listener: HashMap<Arc<str>, Rate>,
}

impl Connections {
    /// Waits until a listener may accept one more.
    async fn wait_for_room(&self, broker: &Broker, listener: &str) {
        loop {
            let closed = self.closed.notified();
            if self.counts.lock().have_room(&broker.settings.load().network, listener) {
                return;
            }
            closed.await;
        }
    }

    /// Notes an accepted connection; how long its listener should wait before the next one
    /// (`max.connection.creation.rate`).
    fn pause(&self, settings: &BrokerSettings, listener: &Arc<str>, now_ms: i64) -> Duration {
        let (network, windows) = (&settings.network, client_windows(&settings.quotas));
        let total = network.max_connection_creation_rate;
        let own = network.max_connection_creation_rate_by_listener.get(&listener.to_uppercase());
        if total == i32::MAX && own.is_none() {
            return Duration::ZERO;
        }
        let wait = |rate: &mut Rate, limit: i32| {
            rate.record(1.0, now_ms, windows);
            // Less than one in a window is never: as in Kafka, a pause is a window at most.
            rate.throttle_ms(f64::from(limit).max(f64::MIN_POSITIVE), now_ms, windows)
        };
        let mut rates = self.rates.lock();
        let mut throttle_ms = wait(&mut rates.total, total);
        if let Some(own) = own {
            let rate = rates.by_listener.entry(Arc::clone(listener)).or_default();
            throttle_ms = throttle_ms.max(wait(rate, *own));
        }
        Duration::from_millis(u64::try_from(throttle_ms.min(windows.ms)).unwrap_or(0))
    }

    /// Looks up the hosts that `max.connections.per.ip.overrides` names. As in Kafka this is done
    /// when the setting is read, not for each connection.
    ///
    /// # Errors
    /// The first name that has no address; the addresses stay those of before.
    pub(crate) async fn resolve_hosts(
        &self,
        net: &dyn Net,
        limits: &NetworkSettings,
    ) -> Result<(), String> {
        let mut named = BTreeMap::new();
        for (host, max) in &limits.max_connections_per_ip_overrides {
            if host.parse::<IpAddr>().is_ok() {
                continue;
            }
            let found = net.resolve(host).await;
            let found = found.map_err(|error| {
                format!("max.connections.per.ip.overrides names {host}: {error}")
            })?;
            named.extend(found.into_iter().map(|ip| (ip, *max)));
        }
        self.counts.lock().named = named;
        Ok(())
    }

    /// Lets listeners look again after the limits changed.
    pub(crate) fn look_again(&self) {
        self.closed.notify_waiters();
    }

    /// Counts a connection; none if its address has as many as it may.
    fn admit(
        self: &Arc<Self>,
        limits: &NetworkSettings,
        listener: &Arc<str>,
        ip: IpAddr,
    ) -> Option<Admitted> {
        let mut counts = self.counts.lock();
        let most = counts.per_ip(limits, ip);
        let of_ip = counts.by_ip.entry(ip).or_insert(0);
        if *of_ip >= most {
            return None;
        }
        *of_ip += 1;
        counts.total += 1;
        *counts.by_listener.entry(Arc::clone(listener)).or_insert(0) += 1;
        Some(Admitted { connections: Arc::clone(self), listener: Arc::clone(listener), ip })
    }

    /// Ends when no connection is open.
    pub(crate) async fn wait_for_none(&self) {
        loop {
            let closed = self.closed.notified();
            if self.open() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.counts.lock().total
    }

    /// The same of one listener.
    pub(crate) fn open_of(&self, listener: &str) -> usize {
        self.counts.lock().by_listener.get(listener).copied().unwrap_or(0)
    }
}

/// Memory for large requests that are coming in (`queued.max.request.bytes`): a connection reads one
/// only when there is room for all of it. Small requests are bounded by the number of connections.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    /// In units of [`MEMORY_UNIT`].
    free: Arc<Semaphore>,
    total: u32,
}

/// Bytes per permit.
const MEMORY_UNIT: usize = 1024;

/// The limit where the configuration sets none, bytes.
const MEMORY_BYTES_DEFAULT: u64 = 2 << 30;

impl RequestMemory {
    /// Of so many bytes; none for the default.
    pub(crate) fn new(bytes: Option<i64>) -> Self {
        let bytes = bytes.and_then(|n| u64::try_from(n).ok()).unwrap_or(MEMORY_BYTES_DEFAULT);
        let total = u32::try_from(bytes / MEMORY_UNIT as u64).unwrap_or(u32::MAX).max(1);
        Self { free: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Bytes taken.
    pub(crate) fn used(&self) -> u64 {
        let free = u64::try_from(self.free.available_permits()).unwrap_or(0);
        u64::from(self.total).saturating_sub(free) * MEMORY_UNIT as u64
    }

    /// Waits for room. A request that is larger than all of it waits for all of it.
    pub(crate) async fn reserve(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.free).acquire_many_owned(units.min(self.total)).await;
        room.expect("the semaphore is never closed")
    }
}

/// A counted connection.
struct Admitted {
    connections: Arc<Connections>,
    listener: Arc<str>,
    ip: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock();
        counts.total -= 1;
        if let Some(of_ip) = counts.by_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                counts.by_ip.remove(&self.ip);
            }
        }
        if let Some(of_listener) = counts.by_listener.get_mut(&self.listener) {
            *of_listener -= 1;
        }
        drop(counts);
        self.connections.closed.notify_waiters();
    }
}

/// Accepts connections until the broker stops.
pub(crate) async fn accept(
    broker: Arc<Broker>,
    mut listener: Box<dyn Listener>,
    name: Arc<str>,
    stop: Stop,
) {
    let traffic = broker.metrics.listeners.get(&name);
    loop {
        let connections = Arc::clone(&broker.connections);
        let next = async {
            connections.wait_for_room(&broker, &name).await;
            listener.accept().await
        };
        let accepted = tokio::select! {
            biased;
            () = stop.wait() => return,
            accepted = next => accepted,
        };
        match accepted {
            Ok((connection, address)) => {
                let settings = broker.settings.load();
                let admitted = connections.admit(&settings.network, &name, address.ip());
                let Some(admitted) = admitted else {
                    traffic.too_many.one();
                    tracing::warn!("refused {address}: it has max.connections.per.ip open");
                    continue;
                };
                let now_ms = broker.env.clock.now_ms();
                let pause = connections.pause(&settings, &name, now_ms);
                let throttle_ms = broker.quotas.connect(address.ip(), now_ms, &settings.quotas);
                if let Ok(wait @ 1..) = u64::try_from(throttle_ms) {
                    traffic.too_fast.one();
                    broker.metrics.throttled(Kind::Connection, throttle_ms);
                    tokio::spawn(turn_away(connection, admitted, Duration::from_millis(wait)));
                    continue;
                }
                traffic.accepted.one();
                let peer = Peer {
                    address,
                    listener: Arc::clone(&name),
                    mute: Mute::default(),
                    traffic: Arc::clone(&traffic),
                    client: broker.metrics.clients.connect(&name),
                };
                let broker = Arc::clone(&broker);
                let task = Task { broker, connection, peer, stop: stop.clone() };
                tokio::spawn(serve(task, address, admitted));
                if !pause.is_zero() {
                    tokio::select! {
                        biased;
                        () = stop.wait() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
            Err(error) => refuse(&error).await,
        }
    }
}

/// Keeps a connection that came too soon after others of its address, unread, and closes it: a
/// client that tries again at once would come no slower (KIP-612).
async fn turn_away(connection: Box<dyn Connection>, admitted: Admitted, wait: Duration) {
    tokio::time::sleep(wait).await;
    drop((connection, admitted));
}

async fn serve(task: Task, address: SocketAddr, admitted: Admitted) {
    if let Err(reason) = task.run().await
        && !reason.is_empty()
    {
        tracing::warn!("closed the connection of {address}: {reason}");
    }
    drop(admitted);
}

/// Out of descriptors, most likely: let others end first.
async fn refuse(error: &io::Error) {
    tracing::warn!("cannot accept a connection: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
