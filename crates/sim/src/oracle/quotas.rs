//! Quotas: what clients are told to wait, and what they get in the end.
//!
//! The windows over which a broker looks back allow a burst, and what brings a client above its
//! quota is still done. So the bound over a time is the quota times that time and the windows, and
//! some requests.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Oracle};

pub(super) const QUOTA_BOUNDS: Invariant = Invariant {
    id: "quota-bounds",
    sentence: "A client or topic with a quota gets no more over any time than the quota of highest \
               precedence lets it, and the burst that the windows allow.",
};

pub(super) const QUOTA_ONLY_DELAYS: Invariant = Invariant {
    id: "quota-only-delays",
    sentence: "Whoever is above a quota hears no error because of it, unless it is about topics and \
               the client knows that error, and is served again when the time told is over.",
};

pub(super) const THROTTLE_HAS_REASON: Invariant = Invariant {
    id: "throttle-has-reason",
    sentence: "Whoever has no quota, or a large one that precedes small ones, is not held back.",
};

pub(super) const MUTE_HOLDS: Invariant = Invariant {
    id: "mute-holds",
    sentence: "A connection that is held back is not served before the time told is over.",
};

pub(super) const QUOTAS_SURVIVE: Invariant = Invariant {
    id: "quotas-survive",
    sentence: "A quota that was acknowledged is the one that is described, until another is asked \
               for.",
};

/// Over how many windows of a second quotas look back in a run.
pub(crate) const WINDOWS: u64 = 3;

/// The key of the quota for the time that requests take.
pub(crate) const REQUEST: &str = "request_percentage";

/// What a request takes of a second on a virtual clock, percent.
const PERCENT_OF_REQUEST: u64 = klamm_env::VIRTUAL_WORK.as_millis() as u64 / 10;

/// A quota of at least so much is never reached.
pub(crate) const GENEROUS: u64 = 1 << 40;

/// The user of connections that are not authenticated.
pub(crate) const ANONYMOUS: &str = "ANONYMOUS";

/// Kinds and names; no name is the default of the kind. `user` comes before `client-id`.
pub(crate) type QuotaEntity = Vec<(&'static str, Option<String>)>;

/// The entities whose quotas may count for a client, by precedence.
fn of_client(client: &str) -> Vec<QuotaEntity> {
    let (user, named) = (Some(ANONYMOUS.to_owned()), Some(client.to_owned()));
    vec![
        vec![("user", user.clone()), ("client-id", named.clone())],
        vec![("user", user.clone()), ("client-id", None)],
        vec![("user", user)],
        vec![("user", None), ("client-id", named.clone())],
        vec![("user", None), ("client-id", None)],
        vec![("user", None)],
        vec![("client-id", named)],
        vec![("client-id", None)],
    ]
}

fn of_topic(topic: &str) -> Vec<QuotaEntity> {
    vec![vec![("topic", Some(topic.to_owned()))], vec![("topic", None)]]
}

/// What a quota may be; none is that there is none.
#[derive(Debug)]
struct Setting {
    possible: BTreeSet<Option<u64>>,
    /// Asked for and not answered: may be carried out as long as this broker lives.
    open: BTreeSet<Option<u64>>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { possible: BTreeSet::from([None]), open: BTreeSet::new() }
    }
}

/// The quotas that may count, with the precedence of their entities; none is that there is none.
type Limits = BTreeSet<Option<(usize, u64)>>;

fn is_generous(limits: &Limits) -> bool {
    limits.iter().all(|limit| limit.is_none_or(|(_, value)| value >= GENEROUS))
}

/// The quotas of a client and of a topic for what is asked for, and those of the client for
/// requests.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    client: Limits,
    topic: Limits,
    requests: Limits,
}

impl Known {
    fn is_generous(&self) -> bool {
        [&self.client, &self.topic, &self.requests].into_iter().all(is_generous)
    }
}

/// What was known when something was asked for that counts against quotas.
#[derive(Debug)]
pub(crate) struct Metered {
    client: String,
    topic: Option<&'static str>,
    key: &'static str,
    asked_ms: i64,
    life: u64,
    limits: Known,
}

/// What was used while the quotas that may count were the same.
#[derive(Debug, Default)]
struct Used {
    limits: Limits,
    since_ms: i64,
    amount: u64,
    largest: u64,
}

/// What is known of quotas.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    settings: BTreeMap<(QuotaEntity, &'static str), Setting>,
    used: BTreeMap<(String, &'static str), Used>,
    /// How many connections of metered clients there were in this life of the broker.
    connections: u64,
    /// How often the broker died.
    life: u64,
}

impl Quotas {
    pub(super) fn ended(&mut self) {
        self.settings.values_mut().for_each(|setting| setting.open.clear());
        self.used.clear();
        self.connections = 0;
        self.life += 1;
    }

    fn limits(&self, entities: Vec<QuotaEntity>, key: &'static str) -> Limits {
        let mut limits = Limits::new();
        for (precedence, entity) in entities.into_iter().enumerate() {
            let Some(setting) = self.settings.get(&(entity, key)) else { continue };
            limits.extend(setting.possible.iter().flatten().map(|at| Some((precedence, *at))));
            if !setting.possible.contains(&None) {
                return limits;
            }
        }
        limits.insert(None);
        limits
    }

    fn known(&self, client: &str, topic: Option<&'static str>, key: &'static str) -> Known {
        Known {
            client: self.limits(of_client(client), key),
            topic: self.limits(topic.map(of_topic).unwrap_or_default(), key),
            requests: self.limits(of_client(client), REQUEST),
        }
    }

    /// Adds a use; what is wrong if it is too much.
    fn add(
        &mut self,
        who: (String, &'static str),
        limits: &Limits,
        (asked_ms, now_ms): (i64, i64),
        amount: u64,
    ) -> Option<String> {
        let connections = self.connections;
        let used = self.used.entry(who.clone()).or_default();
        if used.limits != *limits {
            *used = Used { limits: limits.clone(), since_ms: asked_ms, ..Used::default() };
        }
        used.amount += amount;
        used.largest = used.largest.max(amount);
        let all: Option<Vec<u64>> = limits.iter().map(|limit| Some((*limit)?.1)).collect();
        let most = all?.into_iter().max()?;
        let elapsed_ms = u64::try_from(now_ms - used.since_ms).unwrap_or(0);
        let requests = 2 + elapsed_ms / (WINDOWS * 1000) + connections;
        let burst = most.saturating_mul(elapsed_ms + WINDOWS * 1000) / 1000;
        let bound = burst.saturating_add(requests * used.largest);
        let text =
            || format!("{who:?} had {} of {bound} in {elapsed_ms} ms: {used:?}", used.amount);
        (used.amount > bound).then(text)
    }
}

impl Oracle {
    /// A quota is about to be asked for; none removes it.
    pub(crate) fn quota(&mut self, entity: &QuotaEntity, key: &'static str, value: Option<u64>) {
        let setting = self.quotas.settings.entry((entity.clone(), key)).or_default();
        setting.possible.insert(value);
        setting.open.insert(value);
    }

    /// It was acknowledged.
    pub(crate) fn quota_set(
        &mut self,
        entity: &QuotaEntity,
        key: &'static str,
        value: Option<u64>,
    ) {
        let setting = self.quotas.settings.entry((entity.clone(), key)).or_default();
        setting.open.remove(&value);
        setting.possible = setting.open.clone();
        setting.possible.insert(value);
    }

    /// All quotas were described.
    pub(crate) fn quotas_described(&mut self, found: &BTreeMap<(QuotaEntity, String), u64>) {
        let mut wrong = Vec::new();
        for ((entity, key), setting) in &self.quotas.settings {
            let here = found.get(&(entity.clone(), (*key).to_owned())).copied();
            if !setting.possible.contains(&here) {
                wrong.push(format!("{entity:?} {key} is {here:?}, possible {setting:?}"));
            }
        }
        wrong.into_iter().for_each(|text| self.violate(QUOTAS_SURVIVE, text));
    }

    /// The entities that have or may have quotas, with the keys.
    pub(crate) fn quotas_set(&self) -> Vec<(QuotaEntity, &'static str)> {
        let settings = self.quotas.settings.iter();
        let is_there = |setting: &Setting| setting.possible.iter().any(Option::is_some);
        settings.filter(|(_, setting)| is_there(setting)).map(|(of, _)| of.clone()).collect()
    }

    /// A metered client begins with a connection, so that nothing holds it back.
    pub(crate) fn metered_connects(&mut self) {
        self.quotas.connections += 1;
    }

    /// Something is about to be asked for that counts against the quotas with this key.
    pub(crate) fn metered(
        &self,
        client: &str,
        topic: Option<&'static str>,
        key: &'static str,
        asked_ms: i64,
    ) -> Metered {
        let limits = self.quotas.known(client, topic, key);
        let (client, life) = (client.to_owned(), self.quotas.life);
        Metered { client, topic, key, asked_ms, life, limits }
    }

    /// The answer came, with so much, and the time in which nothing else is to be asked for.
    pub(crate) fn metered_answered(
        &mut self,
        asked: &Metered,
        now_ms: i64,
        amount: u64,
        throttle_ms: i32,
    ) {
        let Metered { client, topic, key, asked_ms, life, limits } = asked;
        if *life != self.quotas.life || self.quotas.known(client, *topic, key) != *limits {
            return;
        }
        if throttle_ms != 0 && limits.is_generous() {
            let text = format!("{client} {key}, {throttle_ms} ms of {limits:?}");
            self.violate(THROTTLE_HAS_REASON, text);
        }
        let times = (*asked_ms, now_ms);
        let quotas = &mut self.quotas;
        let of_it = quotas.add((client.clone(), key), &limits.client, times, amount);
        let topic = topic.and_then(|topic| {
            quotas.add((format!("topic {topic}"), key), &limits.topic, times, amount)
        });
        let requests = (client.clone(), REQUEST);
        let requests = quotas.add(requests, &limits.requests, times, PERCENT_OF_REQUEST);
        for text in of_it.into_iter().chain(topic).chain(requests) {
            self.violate(QUOTA_BOUNDS, text);
        }
    }

    /// A client that is not metered was told to wait.
    pub(crate) fn held_back(&mut self, client: &str, key: &'static str, throttle_ms: i32) {
        let mut entities = of_client(client).into_iter();
        let mut was_asked_for = || entities.any(|of| self.quotas.settings.contains_key(&(of, key)));
        if throttle_ms != 0 && !was_asked_for() {
            self.violate(THROTTLE_HAS_REASON, format!("{client} {key}: {throttle_ms} ms"));
        }
    }

    /// Whether changes to topics may be refused to a client because of a quota.
    pub(crate) fn may_be_refused(&self, asked: &Metered) -> bool {
        let now = self.quotas.known(&asked.client, None, asked.key).client;
        asked.life != self.quotas.life || !is_generous(&asked.limits.client) || !is_generous(&now)
    }

    /// A client heard of a quota what it must not hear, or nothing at all.
    pub(crate) fn quota_harmed(&mut self, text: String) {
        self.violate(QUOTA_ONLY_DELAYS, text);
    }

    /// A connection was served so many milliseconds before it was to be.
    pub(crate) fn served_while_held_back(&mut self, text: String) {
        self.violate(MUTE_HOLDS, text);
    }
}
