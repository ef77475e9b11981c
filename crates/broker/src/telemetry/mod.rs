//! Metrics of clients (KIP-714): who is asked for which, and what they pushed.
//!
//! Invariants:
//! - A client that was told to come back after the push interval is refused before.
//! - At most [`CLIENTS_MAX`] clients are remembered; the one that was silent longest is forgotten.
//! - What is pushed is decompressed to at most [`PUSHED_BYTES_MAX`].

mod otlp;
mod series;
mod subscriptions;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use klamm_metadata::Image;
use klamm_metrics::{Counter, Page};
use klamm_protocol::{
    ErrorCode,
    records::{CompressionType, DecompressionLimit, MAGIC_V2, compression::decompress},
    wire::Uuid,
};
use parking_lot::Mutex;

use self::{
    series::Series,
    subscriptions::{Subscriptions, Wanted},
};
pub(crate) use subscriptions::Facts;

use crate::observe::definitions::{
    TELEMETRY_CLIENTS, TELEMETRY_PUSHES, TELEMETRY_REFUSED, TELEMETRY_SERIES_DROPPED,
};

/// The most clients that are remembered, as in Kafka.
const CLIENTS_MAX: usize = 16_384;

/// The most bytes that one push may decompress to.
const PUSHED_BYTES_MAX: usize = 16 << 20;

/// What a client pushes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push<'a> {
    pub(crate) subscription: i32,
    /// Whether it is the last one.
    pub(crate) terminating: bool,
    pub(crate) compression: i8,
    /// The metrics as sent.
    pub(crate) bytes: &'a [u8],
    /// `telemetry.max.bytes`.
    pub(crate) bytes_max: usize,
    /// `klamm.client.telemetry.series.max`.
    pub(crate) series_max: usize,
}

/// What a client is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) subscription: i32,
    /// Prefixes of metrics.
    pub(crate) metrics: Vec<String>,
    pub(crate) interval_ms: i32,
}

/// The clients of this broker.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    clients: Mutex<Clients>,
    subscriptions: ArcSwap<Current>,
    series: Mutex<Series>,
    pushes: Counter,
    series_dropped: Counter,
    /// Refused pushes by code.
    refused: Mutex<BTreeMap<i16, u64>>,
}

/// The subscriptions, and how often they have changed.
#[derive(Debug, Default)]
struct Current {
    version: u64,
    subscriptions: Subscriptions,
}

#[derive(Debug, Default)]
struct Clients {
    by_id: BTreeMap<Uuid, Client>,
    /// From the one that was silent longest on.
    by_turn: BTreeMap<u64, Uuid>,
    next_turn: u64,
}

#[derive(Debug)]
struct Client {
    /// Its connection: a client that connects anew begins anew.
    peer: SocketAddr,
    turn: u64,
    /// Of the subscriptions that `wanted` comes from.
    version: u64,
    wanted: Wanted,
    asked_ms: i64,
    pushed_ms: i64,
    terminating: bool,
    last_error: ErrorCode,
}

impl Telemetry {
    /// Takes over the subscriptions of an image.
    pub(crate) fn reload(&self, image: &Image) {
        let version = self.subscriptions.load().version + 1;
        let subscriptions = Subscriptions::of(image);
        self.subscriptions.store(Arc::new(Current { version, subscriptions }));
    }

    /// Lets a client ask what it should push.
    pub(crate) fn ask(&self, facts: &Facts, now_ms: i64) -> Result<Asked, ErrorCode> {
        let mut clients = self.clients.lock();
        let client = clients.visit(facts, &self.subscriptions.load());
        let last_ms = client.asked_ms.max(client.pushed_ms);
        if client.is_due(last_ms, now_ms) {
            client.asked_ms = now_ms;
        } else if !client.may_ask_again() {
            return client.refuse(ErrorCode::ThrottlingQuotaExceeded);
        }
        client.last_error = ErrorCode::None;
        let Wanted { metrics, interval_ms } = client.wanted.clone();
        let subscription = client.wanted.id(facts.instance);
        Ok(Asked { subscription, metrics, interval_ms })
    }

    /// Lets a client push.
    pub(crate) fn push(
        &self,
        facts: &Facts,
        push: &Push<'_>,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let taken = self.admit(facts, push, now_ms).and_then(|interval_ms| {
            if push.bytes.is_empty() { Ok(()) } else { self.take(facts, push, interval_ms, now_ms) }
        });
        match taken {
            Ok(()) => self.pushes.one(),
            Err(error) => *self.refused.lock().entry(error.code()).or_insert(0) += 1,
        }
        taken
    }

    /// Holds a client to the rules; its interval, milliseconds.
    fn admit(&self, facts: &Facts, push: &Push<'_>, now_ms: i64) -> Result<i32, ErrorCode> {
        if facts.instance == Uuid::ZERO || facts.instance == Uuid::ONE {
            return Err(ErrorCode::InvalidRequest);
        }
        let mut clients = self.clients.lock();
        let client = clients.visit(facts, &self.subscriptions.load());
        let was_terminating = std::mem::replace(&mut client.terminating, push.terminating);
        match client.check(facts.instance, push, was_terminating, now_ms) {
            ErrorCode::None => {
                client.last_error = ErrorCode::None;
                Ok(client.wanted.interval_ms)
            }
            error => client.refuse(error),
        }
    }

    /// Keeps what a client pushes. As in Kafka, what cannot be read is INVALID_RECORD.
    fn take(
        &self,
        facts: &Facts,
        push: &Push<'_>,
        interval_ms: i32,
        now_ms: i64,
    ) -> Result<(), ErrorCode> {
        let unreadable = |error: &dyn std::fmt::Display| {
            tracing::warn!("metrics of client {:?}: {error}", facts.client_id);
            ErrorCode::InvalidRecord
        };
        let codec = u8::try_from(push.compression).ok().and_then(CompressionType::from_id);
        let codec = codec.ok_or(ErrorCode::UnsupportedCompressionType)?;
        let limit = DecompressionLimit(PUSHED_BYTES_MAX);
        let bytes = decompress(codec, push.bytes, MAGIC_V2, limit);
        let bytes = bytes.map_err(|error| unreadable(&error))?;
        let mut series = self.series.lock();
        series.sweep(now_ms);
        series.visit(facts, interval_ms, now_ms);
        let mut dropped = 0;
        let read = otlp::read(&bytes, &mut |point| {
            dropped += u64::from(!series.take(facts.instance, &point, push.series_max));
        });
        series.leave(facts.instance);
        self.series_dropped.add(dropped);
        read.map_err(|error| unreadable(&error))
    }

    /// Tells what clients pushed.
    pub(crate) fn write(&self, now_ms: i64, page: &mut Page) {
        page.single(&TELEMETRY_PUSHES, self.pushes.get());
        page.single(&TELEMETRY_SERIES_DROPPED, self.series_dropped.get());
        let mut family = page.family(&TELEMETRY_REFUSED);
        for (code, count) in &*self.refused.lock() {
            family
                .sample(&[ErrorCode::from_code(*code).map_or("UNKNOWN", ErrorCode::name)], *count);
        }
        let mut series = self.series.lock();
        series.sweep(now_ms);
        page.single(&TELEMETRY_CLIENTS, series.clients());
        series.write(page);
    }
}

impl Clients {
    /// The client, known or new, which was the last to come by.
    fn visit(&mut self, facts: &Facts, current: &Current) -> &mut Client {
        let id = facts.instance;
        let turn = self.next_turn;
        self.next_turn += 1;
        self.by_turn.insert(turn, id);
        if let Some(known) = self.by_id.get(&id) {
            self.by_turn.remove(&known.turn);
        } else if self.by_id.len() >= CLIENTS_MAX
            && let Some((_, silent)) = self.by_turn.pop_first()
        {
            self.by_id.remove(&silent);
        }
        let client = self.by_id.entry(id).or_insert_with(|| Client::new(facts, current));
        if client.peer != facts.address || client.version != current.version {
            *client = Client::new(facts, current);
        }
        client.turn = turn;
        client
    }
}

impl Client {
    fn new(facts: &Facts, current: &Current) -> Self {
        Self {
            peer: facts.address,
            turn: 0,
            version: current.version,
            wanted: current.subscriptions.wanted(facts),
            asked_ms: 0,
            pushed_ms: 0,
            terminating: false,
            last_error: ErrorCode::None,
        }
    }

    fn check(
        &mut self,
        instance: Uuid,
        push: &Push<'_>,
        was_terminating: bool,
        now_ms: i64,
    ) -> ErrorCode {
        if was_terminating {
            return ErrorCode::InvalidRequest;
        }
        if self.asked_ms > self.pushed_ms || self.is_due(self.pushed_ms, now_ms) {
            self.pushed_ms = now_ms;
        } else if !push.terminating {
            return ErrorCode::ThrottlingQuotaExceeded;
        }
        let codec = u8::try_from(push.compression).ok().and_then(CompressionType::from_id);
        if push.subscription != self.wanted.id(instance) {
            ErrorCode::UnknownSubscriptionId
        } else if codec.is_none() {
            ErrorCode::UnsupportedCompressionType
        } else if push.bytes.len() > push.bytes_max {
            ErrorCode::TelemetryTooLarge
        } else {
            ErrorCode::None
        }
    }

    /// These errors tell the client to ask at once.
    fn may_ask_again(&self) -> bool {
        matches!(
            self.last_error,
            ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType
        )
    }

    fn refuse<T>(&mut self, error: ErrorCode) -> Result<T, ErrorCode> {
        self.last_error = error;
        Err(error)
    }

    fn is_due(&self, last_ms: i64, now_ms: i64) -> bool {
        now_ms.saturating_sub(last_ms) >= self.wanted.interval_ms.into()
    }
}

#[cfg(test)]
mod tests {
    use klamm_metrics::Format;
    use klamm_protocol::records::{Compression, compression::compress};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn facts(number: u128, port: u16) -> Facts {
        Facts {
            instance: Uuid::from_u128(number),
            client_id: "c".to_owned(),
            software_name: "java".to_owned(),
            software_version: "4".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    /// What a client pushes that knows what it is asked for.
    fn push<'a>(facts: &Facts, bytes: &'a [u8]) -> Push<'a> {
        let subscription = Subscriptions::default().wanted(facts).id(facts.instance);
        Push {
            subscription,
            terminating: false,
            compression: 0,
            bytes,
            bytes_max: 100_000,
            series_max: 1000,
        }
    }

    /// Steps of one client; `get`, or `push` with what is wrong with it. Gives the answers.
    fn check(steps: &str, answers: &str) {
        let telemetry = Telemetry::default();
        let facts_of = |port| facts(77, port);
        let mut now = NOW;
        let mut given = Vec::new();
        for step in steps.split_whitespace() {
            now += 1;
            let mut facts = facts_of(1);
            let mut push = push(&facts, &[]);
            let large = vec![0; 100_001];
            let outcome = match step {
                "wait" => {
                    now += i64::from(subscriptions::INTERVAL_MS);
                    continue;
                }
                "get" => telemetry.ask(&facts, now).map(drop),
                "get-anew" => telemetry.ask(&facts_of(2), now).map(drop),
                step => {
                    match step {
                        "last" => push.terminating = true,
                        "old" => push.subscription = 1,
                        "codec" => push.compression = 9,
                        "big" => push.bytes = &large,
                        "damaged" => push.bytes = &[0xff],
                        "zero" => facts.instance = Uuid::ZERO,
                        _ => assert_eq!(step, "push"),
                    }
                    telemetry.push(&facts, &push, now)
                }
            };
            let code = outcome.err().map_or(0, ErrorCode::code);
            given.push(code.to_string());
        }
        assert_eq!(given.join(" "), answers, "{steps}");
    }

    #[test]
    fn clients_keep_to_the_interval() {
        check("get get push push wait push get wait get push", "0 89 0 89 0 89 0 0");
        check("push push last push", "0 89 0 42");
        check("get get-anew", "0 0");
    }

    #[test]
    fn clients_ask_again_after_what_asking_cures() {
        check("get old get get", "0 117 0 89");
        check("get codec get", "0 76 0");
        check("get big get", "0 118 89");
        check("get old push get", "0 117 89 89");
    }

    #[test]
    fn nothing_follows_the_last_push() {
        check("get last get push old", "0 0 89 42 89");
        check("zero", "42");
    }

    #[test]
    fn what_cannot_be_read_is_an_invalid_record() {
        check("get damaged", "0 87");
    }

    #[test]
    fn other_subscriptions_are_told_at_once() {
        let telemetry = Telemetry::default();
        let facts = facts(77, 1);
        assert_eq!(telemetry.ask(&facts, NOW).map(|asked| asked.metrics), Ok(vec![]));
        telemetry.reload(&Image::default());
        assert!(telemetry.ask(&facts, NOW + 1).is_ok());
    }

    #[test]
    fn pushes_of_every_codec_become_series() {
        for (at, codec) in [0, 1, 2, 3, 4].into_iter().enumerate() {
            let telemetry = Telemetry::default();
            let facts = facts(at as u128 + 10, 1);
            let kind = CompressionType::from_id(codec).unwrap();
            let mut bytes = Vec::new();
            let sample = otlp::tests::sample(7, 0.5);
            compress(Compression::of(kind), &sample, MAGIC_V2, &mut bytes).unwrap();
            let push = Push { compression: codec.cast_signed(), ..push(&facts, &bytes) };
            assert_eq!(telemetry.push(&facts, &push, NOW), Ok(()), "{kind:?}");
            let mut page = Page::new(Format::Prometheus);
            telemetry.write(NOW, &mut page);
            let text = page.finish();
            assert!(text.contains("klamm_client_telemetry_clients 1\n"), "{text}");
            let sent = "metric=\"org.apache.kafka.producer.sent.total\"";
            let line = text.lines().find(|line| line.contains(sent)).unwrap();
            assert!(line.ends_with(",attr_node_id=\"1\"} 7"), "{line}");
        }
    }

    #[test]
    fn the_silent_are_forgotten() {
        let telemetry = Telemetry::default();
        let last = CLIENTS_MAX as u128 + 10;
        for number in 2..=last {
            assert!(telemetry.ask(&facts(number, 1), NOW).is_ok());
        }
        let clients = telemetry.clients.lock();
        assert_eq!((clients.by_id.len(), clients.by_turn.len()), (CLIENTS_MAX, CLIENTS_MAX));
        assert!(!clients.by_id.contains_key(&Uuid::from_u128(2)));
        assert!(clients.by_id.contains_key(&Uuid::from_u128(last)));
    }
}
