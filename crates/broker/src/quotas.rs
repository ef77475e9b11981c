//! Quotas at work: what clients, addresses and topics used, and who is held back for it.
//!
//! A request that goes beyond a quota is answered at once, with the time that the client should
//! wait; until then its connection is not read (KIP-219). Nobody gets an error, except for changes
//! to the metadata by clients that know THROTTLING_QUOTA_EXCEEDED (KIP-599).
//!
//! Cost where there are no quotas: one load of the table per request. Where there are: one lock.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use klamm_config::QuotaSettings;
use klamm_metadata::Image;
use klamm_planted::planted;
use klamm_security::quota::{Bucket, Kind, Limit, Rate, Sharer, Table, Windows};
use parking_lot::Mutex;

/// Whose connections are not authenticated.
const ANONYMOUS: &str = "ANONYMOUS";

/// What is not used is forgotten after so many uses of others: memory is bounded by who is active.
const SWEEP_EVERY: usize = 4096;

/// Until when a connection is not read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mute(Arc<AtomicI64>);

impl Mute {
    /// Holds the connection back for so long from `now_ms` on, if it is not for longer already.
    pub(crate) fn hold_back(&self, throttle_ms: i64, now_ms: i64) {
        if throttle_ms > 0 && !planted("never-muted") {
            let throttle_ms = if planted("mute-never-ends") { i64::MAX } else { throttle_ms };
            self.0.fetch_max(now_ms.saturating_add(throttle_ms), Ordering::Relaxed);
        }
    }

    /// Whether the connection was never held back.
    pub(crate) fn is_off(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// How long the connection is not read from `now_ms` on, milliseconds; 0 if it is.
    pub(crate) fn left_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed).saturating_sub(now_ms)).unwrap_or(0)
    }
}

/// Who is charged for a request.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    client_id: String,
    mute: Mute,
}

impl Payer {
    /// A client on a connection.
    pub(crate) fn new(client_id: &str, mute: &Mute) -> Self {
        Self { client_id: client_id.to_owned(), mute: mute.clone() }
    }

    /// Holds the connection back.
    pub(crate) fn hold_back(&self, throttle_ms: i64, now_ms: i64) {
        self.mute.hold_back(throttle_ms, now_ms);
    }
}

/// What came of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    /// How long the client is to be held back, milliseconds.
    pub(crate) throttle_ms: i64,
    /// Whether it was above its quota before this.
    pub(crate) was_above: bool,
}

impl Charged {
    pub(crate) const FREE: Self = Self { throttle_ms: 0, was_above: false };

    fn and(self, other: Self) -> Self {
        Self {
            throttle_ms: self.throttle_ms.max(other.throttle_ms),
            was_above: self.was_above || other.was_above,
        }
    }
}

/// The quotas, and what was used of them.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    table: ArcSwap<Table>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    rates: HashMap<(Kind, Sharer), Rate>,
    buckets: HashMap<Sharer, Bucket>,
    since_sweep: usize,
}

impl Used {
    fn sweep(&mut self, now_ms: i64, windows: Windows) {
        self.since_sweep += 1;
        if self.since_sweep < SWEEP_EVERY {
            return;
        }
        self.since_sweep = 0;
        self.rates.retain(|_, rate| !rate.is_idle(now_ms, windows));
        let span_ms = i64::from(windows.count).saturating_mul(windows.ms);
        let is_used = |bucket: &Bucket| bucket.used_at_ms().is_some_and(|at| now_ms - at < span_ms);
        self.buckets.retain(|_, bucket| is_used(bucket));
    }
}

fn windows(count: i32, seconds: i32) -> Windows {
    let count = u32::try_from(count).unwrap_or(1).max(1);
    Windows { count, ms: i64::from(seconds.max(1)) * 1000 }
}

/// `quota.window.*`.
pub(crate) fn client_windows(settings: &QuotaSettings) -> Windows {
    windows(settings.window_num, settings.window_size_seconds)
}

/// `controller.quota.window.*`.
fn mutation_windows(settings: &QuotaSettings) -> Windows {
    windows(settings.controller_window_num, settings.controller_window_size_seconds)
}

impl Quotas {
    /// Takes over the quotas of an image.
    pub(crate) fn reload(&self, image: &Image) {
        self.table.store(Arc::new(Table::of(image)));
    }

    /// Whether uses of this kind must be measured at all.
    pub(crate) fn limits(&self, kind: Kind) -> bool {
        let table = self.table.load();
        table.limits_clients(kind)
            || (matches!(kind, Kind::Produce | Kind::Fetch) && table.limits_topics())
    }

    /// Notes a client's use.
    pub(crate) fn charge(
        &self,
        kind: Kind,
        payer: &Payer,
        amount: f64,
        now_ms: i64,
        settings: &QuotaSettings,
    ) -> Charged {
        let client_id = if planted("client-quota-ignored") { "" } else { &payer.client_id };
        let limit = self.table.load().of_client(kind, ANONYMOUS, client_id);
        self.record(kind, limit, amount, now_ms, settings)
    }

    /// Notes the use of a topic.
    pub(crate) fn charge_topic(
        &self,
        kind: Kind,
        topic: &str,
        amount: f64,
        now_ms: i64,
        settings: &QuotaSettings,
    ) -> Charged {
        let limit = self.table.load().of_topic(kind, topic);
        self.record(kind, limit, amount, now_ms, settings)
    }

    /// Notes bytes by topic, for the client and for the topics.
    pub(crate) fn charge_bytes<'a>(
        &self,
        kind: Kind,
        payer: &Payer,
        total: u64,
        by_topic: impl Iterator<Item = (&'a str, u64)>,
        now_ms: i64,
        settings: &QuotaSettings,
    ) -> Charged {
        let mut charged = self.charge(kind, payer, total as f64, now_ms, settings);
        if self.table.load().limits_topics() {
            for (topic, bytes) in by_topic.filter(|(_, bytes)| *bytes > 0) {
                let topic = self.charge_topic(kind, topic, bytes as f64, now_ms, settings);
                charged = charged.and(topic);
            }
        }
        charged
    }

    /// Takes back what [`charge_bytes`](Self::charge_bytes) noted.
    pub(crate) fn refund_bytes<'a>(
        &self,
        kind: Kind,
        payer: &Payer,
        total: u64,
        by_topic: impl Iterator<Item = (&'a str, u64)>,
        now_ms: i64,
        settings: &QuotaSettings,
    ) {
        self.charge(kind, payer, -(total as f64), now_ms, settings);
        for (topic, bytes) in by_topic {
            self.charge_topic(kind, topic, -(bytes as f64), now_ms, settings);
        }
    }

    fn record(
        &self,
        kind: Kind,
        limit: Option<Limit>,
        amount: f64,
        now_ms: i64,
        settings: &QuotaSettings,
    ) -> Charged {
        let Some(Limit { value, sharer }) = limit else { return Charged::FREE };
        let windows = client_windows(settings);
        let mut used = self.used.lock();
        used.sweep(now_ms, windows);
        let rate = used.rates.entry((kind, sharer)).or_default();
        let was_above = rate.throttle_ms(value, now_ms, windows) > 0;
        if kind != Kind::Request || !planted("requests-free") {
            rate.record(amount, now_ms, windows);
        }
        let throttle_ms = rate.throttle_ms(value, now_ms, windows);
        // As in Kafka: requests and connections are not held back for longer than a window.
        let max_ms = match kind {
            Kind::Request | Kind::Connection => windows.ms,
            Kind::Produce | Kind::Fetch | Kind::Mutation => i64::from(i32::MAX),
        };
        Charged { throttle_ms: throttle_ms.min(max_ms), was_above }
    }

    /// How many bytes a client's fetch may bring, so that a full one does not go far beyond what
    /// the windows allow.
    pub(crate) fn fetch_bytes_max(&self, payer: &Payer, settings: &QuotaSettings) -> u64 {
        let limit = self.table.load().of_client(Kind::Fetch, ANONYMOUS, &payer.client_id);
        let burst = client_windows(settings).burst_seconds();
        // A float turns into the nearest whole number there is.
        limit.map_or(u64::MAX, |limit| (limit.value * burst) as u64)
    }

    /// Takes changes to the metadata out of the client's bucket. If `is_strict`, nothing is taken
    /// and the answer is none when the bucket is below zero already.
    pub(crate) fn take_mutations(
        &self,
        payer: &Payer,
        partitions: u32,
        is_strict: bool,
        now_ms: i64,
        settings: &QuotaSettings,
    ) -> Option<()> {
        let Some(limit) = self.table.load().of_client(Kind::Mutation, ANONYMOUS, &payer.client_id)
        else {
            return Some(());
        };
        let windows = mutation_windows(settings);
        let mut used = self.used.lock();
        used.sweep(now_ms, windows);
        let bucket = used.buckets.entry(limit.sharer).or_default();
        if is_strict && bucket.throttle_ms(limit.value, now_ms, windows) > 0 {
            return None;
        }
        bucket.take(partitions.into(), limit.value, now_ms, windows);
        Some(())
    }

    /// How long a client that changed metadata is held back, milliseconds.
    pub(crate) fn mutation_throttle_ms(
        &self,
        payer: &Payer,
        now_ms: i64,
        settings: &QuotaSettings,
    ) -> i64 {
        let limit = self.table.load().of_client(Kind::Mutation, ANONYMOUS, &payer.client_id);
        let Some(limit) = limit else { return 0 };
        let mut used = self.used.lock();
        let Some(bucket) = used.buckets.get_mut(&limit.sharer) else { return 0 };
        bucket.throttle_ms(limit.value, now_ms, mutation_windows(settings))
    }

    /// Notes a new connection of an address; how long it is held back, milliseconds.
    pub(crate) fn connect(&self, ip: IpAddr, now_ms: i64, settings: &QuotaSettings) -> i64 {
        let table = self.table.load();
        if !table.limits_ips() {
            return 0;
        }
        let limit = table.of_ip(Kind::Connection, &ip.to_string());
        let charged = self.record(Kind::Connection, limit.clone(), 1.0, now_ms, settings);
        if charged.throttle_ms > 0 {
            // It is turned away, so it does not count.
            self.record(Kind::Connection, limit, -1.0, now_ms, settings);
        }
        charged.throttle_ms
    }
}
