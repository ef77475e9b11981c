//! What this broker remembers of clients that offer their metrics (KIP-714).
//!
//! No metric is ever asked for, because there is nobody here to take them; clients that offer all
//! the same are held to the rules of the protocol.
//!
//! Invariants:
//! - A client that was told to come back after the push interval is refused before.
//! - At most [`CLIENTS_MAX`] clients are remembered; the one that was silent longest is forgotten.

use std::{collections::BTreeMap, net::SocketAddr};

use klamm_protocol::{ErrorCode, wire::Uuid};
use parking_lot::Mutex;

/// The most clients that are remembered, as in Kafka.
const CLIENTS_MAX: usize = 16_384;

/// How often clients may push, milliseconds (the default of `interval.ms`).
pub(crate) const PUSH_INTERVAL_MS: i32 = 300_000;

/// CRC-32C of `[]300000`: Kafka's digest of no metrics at this interval.
const SUBSCRIPTION_DIGEST: u32 = 0xD4C7_5BDE;

/// The largest number of a compression type (zstd).
const COMPRESSION_MAX: i8 = 4;

/// What a client pushes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push {
    pub(crate) client: Uuid,
    pub(crate) subscription: i32,
    /// Whether it is the last one.
    pub(crate) terminating: bool,
    pub(crate) compression: i8,
    /// Size of the metrics as sent.
    pub(crate) bytes: usize,
    /// `telemetry.max.bytes`.
    pub(crate) bytes_max: usize,
}

/// The clients of this broker.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(Mutex<Clients>);

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
    asked_ms: i64,
    pushed_ms: i64,
    terminating: bool,
    last_error: ErrorCode,
}

/// The id of the subscription that a client has: without metrics the same on every broker.
pub(crate) fn subscription_of(client: Uuid) -> i32 {
    let number = client.as_u128();
    // Java's hash of the id.
    let halves = (number >> 64) ^ number;
    let words = (halves >> 32) ^ halves;
    let [.., a, b, c, d] = words.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]) ^ SUBSCRIPTION_DIGEST).cast_signed()
}

impl Telemetry {
    /// Lets a client ask what it should push.
    pub(crate) fn ask(&self, id: Uuid, peer: SocketAddr, now_ms: i64) -> Result<(), ErrorCode> {
        let mut clients = self.0.lock();
        let client = clients.visit(id, peer);
        let last_ms = client.asked_ms.max(client.pushed_ms);
        if is_due(last_ms, now_ms) {
            client.asked_ms = now_ms;
        } else if !client.may_ask_again() {
            return client.refuse(ErrorCode::ThrottlingQuotaExceeded);
        }
        client.last_error = ErrorCode::None;
        Ok(())
    }

    /// Lets a client push. What it pushes is then dropped.
    pub(crate) fn push(&self, push: &Push, peer: SocketAddr, now_ms: i64) -> Result<(), ErrorCode> {
        if push.client == Uuid::ZERO || push.client == Uuid::ONE {
            return Err(ErrorCode::InvalidRequest);
        }
        let mut clients = self.0.lock();
        let client = clients.visit(push.client, peer);
        let was_terminating = std::mem::replace(&mut client.terminating, push.terminating);
        match client.check(push, was_terminating, now_ms) {
            ErrorCode::None => {
                client.last_error = ErrorCode::None;
                Ok(())
            }
            error => client.refuse(error),
        }
    }
}

impl Clients {
    /// The client, known or new, which was the last to come by.
    fn visit(&mut self, id: Uuid, peer: SocketAddr) -> &mut Client {
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
        let client = self.by_id.entry(id).or_insert_with(|| Client::new(peer));
        if client.peer != peer {
            *client = Client::new(peer);
        }
        client.turn = turn;
        client
    }
}

impl Client {
    fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            turn: 0,
            asked_ms: 0,
            pushed_ms: 0,
            terminating: false,
            last_error: ErrorCode::None,
        }
    }

    fn check(&mut self, push: &Push, was_terminating: bool, now_ms: i64) -> ErrorCode {
        if was_terminating {
            return ErrorCode::InvalidRequest;
        }
        if self.asked_ms > self.pushed_ms || is_due(self.pushed_ms, now_ms) {
            self.pushed_ms = now_ms;
        } else if !push.terminating {
            return ErrorCode::ThrottlingQuotaExceeded;
        }
        if push.subscription != subscription_of(push.client) {
            ErrorCode::UnknownSubscriptionId
        } else if !(0..=COMPRESSION_MAX).contains(&push.compression) {
            ErrorCode::UnsupportedCompressionType
        } else if push.bytes > push.bytes_max {
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

    fn refuse(&mut self, error: ErrorCode) -> Result<(), ErrorCode> {
        self.last_error = error;
        Err(error)
    }
}

fn is_due(last_ms: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(last_ms) >= PUSH_INTERVAL_MS.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    /// Steps of one client; `get`, or `push` with what is wrong with it. Gives the answers.
    fn check(steps: &str, answers: &str) {
        let telemetry = Telemetry::default();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let client = Uuid::from_u128(77);
        let mut now = NOW;
        let mut given = Vec::new();
        for step in steps.split_whitespace() {
            now += 1;
            let mut push = Push {
                client,
                subscription: subscription_of(client),
                terminating: false,
                compression: 0,
                bytes: 10,
                bytes_max: 100,
            };
            let outcome = match step {
                "wait" => {
                    now += i64::from(PUSH_INTERVAL_MS);
                    continue;
                }
                "get" => telemetry.ask(client, peer, now),
                "get-anew" => telemetry.ask(client, SocketAddr::from(([127, 0, 0, 1], 2)), now),
                step => {
                    match step {
                        "last" => push.terminating = true,
                        "old" => push.subscription = 1,
                        "codec" => push.compression = 9,
                        "big" => push.bytes = 101,
                        "zero" => push.client = Uuid::ZERO,
                        _ => assert_eq!(step, "push"),
                    }
                    telemetry.push(&push, peer, now)
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
    fn subscriptions_have_the_ids_that_kafka_gives() {
        check_subscription("orhuZbmXT3mWqsRJ-IAtHA", -1_581_083_753);
        check_subscription("AAAAAAAAAAAAAAAAAAAAAQ", -725_132_321);
        check_subscription("aaaaZbmXT3mWqsRJ-IAtHA", 1_792_829_335);
    }

    fn check_subscription(client: &str, subscription: i32) {
        let client: Uuid = client.parse().expect("an id");
        assert_eq!(subscription_of(client), subscription);
    }

    #[test]
    fn the_silent_are_forgotten() {
        let telemetry = Telemetry::default();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let last = CLIENTS_MAX as u128 + 10;
        for number in 2..=last {
            assert_eq!(telemetry.ask(Uuid::from_u128(number), peer, NOW), Ok(()));
        }
        let clients = telemetry.0.lock();
        assert_eq!((clients.by_id.len(), clients.by_turn.len()), (CLIENTS_MAX, CLIENTS_MAX));
        assert!(!clients.by_id.contains_key(&Uuid::from_u128(2)));
        assert!(clients.by_id.contains_key(&Uuid::from_u128(last)));
    }
}
