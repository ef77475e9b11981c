//! Clients whose quotas change under them, some of whom wait as they are told, and who changes
//! the quotas.

use std::{sync::Arc, time::Duration};

use klamm_protocol::{
    ErrorCode,
    messages::{CreateTopicsRequest, DeleteTopicsRequest},
};

use crate::{
    calls::{
        Got, METERED, QUOTA_KEYS, alter_quota, create_metered, delete_metered, fetch_metered,
        produce_metered,
    },
    client::{Client, Failure},
    oracle::{ANONYMOUS, GENEROUS, Metered, QuotaEntity, REQUEST},
    world::World,
};

/// The partitions of the topic of metered clients.
pub(crate) const PARTITIONS: i32 = 2;

/// The longest that an answer may take once the client is not held back, milliseconds.
const ANSWER_MS: u64 = 4_000;

/// Nobody waits for longer than this, milliseconds, but begins with another connection.
const PATIENCE_MS: u64 = 5_000;

/// The first version of CreateTopics whose clients know the error of a quota (KIP-599).
const CREATE_KNOWS: i16 = 6;

/// The first of DeleteTopics.
const DELETE_KNOWS: i16 = 5;

fn name_of(number: u64) -> String {
    format!("metered-{number}")
}

/// Changes quotas.
pub(crate) async fn set_quotas(world: Arc<World>) {
    let mut client = world.client("quotas");
    while world.is_running() {
        world.pause(&client.random, 3_000).await;
        let (entity, is_wide) = any_entity(&world, &client.random);
        let key = QUOTA_KEYS[usize::try_from(client.random.below(4)).unwrap_or(0)];
        // A topic has no other quotas, and whoever makes the topics of the run is not held back.
        let key = match entity[0].0 {
            "topic" => QUOTA_KEYS[usize::try_from(client.random.below(2)).unwrap_or(0)],
            _ if is_wide && key == "controller_mutation_rate" => QUOTA_KEYS[0],
            _ => key,
        };
        let value = any_value(&client.random, key, is_wide);
        let altered = alter_quota(&world, &mut client, &entity, key, value).await;
        world.note("quotas", &format!("{entity:?} {key}={value:?}: {altered:?}"));
    }
}

/// Who is to have a quota; and whether others than metered clients are meant as well.
fn any_entity(world: &World, random: &klamm_env::Random) -> (QuotaEntity, bool) {
    let user = Some(ANONYMOUS.to_owned());
    let client = Some(name_of(random.below(world.plan.metered)));
    let is_wide = random.chance(1, 4);
    let entity = match (is_wide, random.below(5)) {
        (false, 0 | 1) => vec![("client-id", client)],
        (false, 2) => vec![("user", user), ("client-id", client)],
        (false, 3) => vec![("user", None), ("client-id", client)],
        (false, _) => vec![("topic", Some(METERED.to_owned()))],
        (true, 0) => vec![("user", user), ("client-id", None)],
        (true, 1) => vec![("user", user)],
        (true, 2) => vec![("user", None), ("client-id", None)],
        (true, 3) => vec![("user", None)],
        (true, _) => vec![("client-id", None)],
    };
    (entity, is_wide)
}

/// Nothing, more than anybody uses, or little: not too little where it is for everybody.
fn any_value(random: &klamm_env::Random, key: &str, is_wide: bool) -> Option<u64> {
    match (random.below(4), key) {
        (0, _) => None,
        (1, _) => Some(GENEROUS),
        (_, "controller_mutation_rate") => Some(1 + random.below(3)),
        _ if is_wide => Some(50_000 + random.below(200_000)),
        // Each request takes one percent of a second.
        (_, REQUEST) => Some(1 + random.below(8)),
        _ => Some(100 + random.below(900)),
    }
}

/// A metered client.
struct Payer {
    world: Arc<World>,
    client: Client,
    name: String,
    /// When the last request was sent that is answered, and how long was to be waited.
    held_back: Option<(i64, i32)>,
    /// Where to read the first partition.
    next: i64,
    /// What was written there last.
    written: i64,
}

/// What was known when something was asked for.
#[derive(Debug, Clone, Copy)]
struct Begun {
    now_ms: i64,
    restarts: u64,
    /// Which time it was in which everything is to be served.
    well: Option<u64>,
}

/// Produces, fetches, and makes topics.
pub(crate) async fn use_quotas(world: Arc<World>, number: u64) {
    let name = name_of(number);
    let client = world.client(&name);
    let random = client.random.clone();
    let mut this = Payer { world, client, name, held_back: None, next: 0, written: 0 };
    while this.world.is_running() {
        this.world.pause(&random, 1 + this.world.plan.think_ms / 4).await;
        match random.below(12) {
            0..=5 => this.produce().await,
            6..=10 => this.fetch().await,
            _ => this.change_topics().await,
        }
        if random.chance(1, 100) {
            this.leave();
        }
    }
}

impl Payer {
    fn leave(&mut self) {
        self.client.disconnect();
        self.held_back = None;
    }

    async fn produce(&mut self) {
        let index = i32::from(self.client.random.chance(1, 2));
        let (timeout_ms, begun) = self.begin();
        let asked = self.asked(Some(METERED), QUOTA_KEYS[0]);
        let got = produce_metered(&mut self.client, index, timeout_ms).await;
        if let Some(got) = self.heard("produce", begun, timeout_ms, got) {
            let now_ms = self.world.elapsed_ms();
            self.world.oracle().metered_answered(&asked, now_ms, got.amount, got.throttle_ms);
            self.must_not_hear("produce", &got);
            if index == 0 && got.error == ErrorCode::None {
                self.written = got.next;
            }
            self.obey(got.throttle_ms).await;
        }
    }

    async fn fetch(&mut self) {
        let (timeout_ms, begun) = self.begin();
        let asked = self.asked(Some(METERED), QUOTA_KEYS[1]);
        let got = fetch_metered(&mut self.client, (0, self.next), timeout_ms).await;
        if let Some(got) = self.heard("fetch", begun, timeout_ms, got) {
            let now_ms = self.world.elapsed_ms();
            self.world.oracle().metered_answered(&asked, now_ms, got.amount, got.throttle_ms);
            self.must_not_hear("fetch", &got);
            self.next = match got.error {
                ErrorCode::OffsetOutOfRange => self.written,
                _ if self.client.random.chance(1, 20) => 0,
                _ => got.next,
            };
            self.obey(got.throttle_ms).await;
        }
    }

    /// Makes a topic and deletes it.
    async fn change_topics(&mut self) {
        let partitions = 1 + i32::try_from(self.client.random.below(3)).unwrap_or(0);
        let name = format!("{METERED}-{}", self.world.number());
        let version = self.client.version::<CreateTopicsRequest<'_>>();
        if !self.create(version, &name, partitions).await {
            return;
        }
        let (timeout_ms, begun) = self.begin();
        let asked = self.asked(None, QUOTA_KEYS[2]);
        let version = self.client.version_within::<DeleteTopicsRequest<'_>>(1, 5);
        let of = (name.as_str(), partitions);
        let got = delete_metered(&mut self.client, version, of, timeout_ms).await;
        if let Some(got) = self.heard("delete", begun, timeout_ms, got) {
            self.changed(&asked, &got, version >= DELETE_KNOWS);
            self.obey(got.throttle_ms).await;
        }
    }

    /// Makes a topic; whether it is there. One that is refused because of a quota is not.
    async fn create(&mut self, version: i16, name: &str, partitions: i32) -> bool {
        let mut was_refused = false;
        for _ in 0..2 {
            let (timeout_ms, begun) = self.begin();
            let asked = self.asked(None, QUOTA_KEYS[2]);
            let of = (name, partitions);
            let got = create_metered(&mut self.client, version, of, timeout_ms).await;
            let Some(got) = self.heard("create", begun, timeout_ms, got) else { return false };
            self.changed(&asked, &got, version >= CREATE_KNOWS);
            if was_refused && got.error == ErrorCode::TopicAlreadyExists {
                let text = format!("{name} was refused and is there");
                self.world.oracle().quota_harmed(text);
            }
            was_refused = got.error == ErrorCode::ThrottlingQuotaExceeded;
            self.obey(got.throttle_ms).await;
            if !was_refused {
                return got.error == ErrorCode::None;
            }
        }
        false
    }

    /// Tells the oracle of a change to topics; `is_strict` if the client knows the error of quotas.
    fn changed(&self, asked: &Metered, got: &Got, is_strict: bool) {
        let now_ms = self.world.elapsed_ms();
        let mut oracle = self.world.oracle();
        oracle.metered_answered(asked, now_ms, got.amount, got.throttle_ms);
        if got.error == ErrorCode::ThrottlingQuotaExceeded
            && (!is_strict || got.throttle_ms <= 0 || !oracle.may_be_refused(asked))
        {
            oracle.quota_harmed(format!("{} {asked:?}: {got:?}", self.name));
        }
    }

    fn must_not_hear(&self, what: &str, got: &Got) {
        let is_harmed = got.error == ErrorCode::ThrottlingQuotaExceeded || got.throttle_ms < 0;
        if is_harmed {
            self.world.oracle().quota_harmed(format!("{} {what}: {got:?}", self.name));
        }
    }

    fn asked(&self, topic: Option<&'static str>, key: &'static str) -> Metered {
        self.world.oracle().metered(&self.name, topic, key, self.world.elapsed_ms())
    }

    /// How long an answer may take, and what was known when it was asked for.
    fn begin(&mut self) -> (u64, Begun) {
        if !self.client.is_connected() {
            self.held_back = None;
            self.world.oracle().metered_connects();
        }
        let now_ms = self.world.elapsed_ms();
        let left = self.held_back.map_or(0, |(at, wait)| at + i64::from(wait) - now_ms);
        let timeout_ms = ANSWER_MS + u64::try_from(left).unwrap_or(0);
        let (restarts, well) = (self.world.stats().restarts, self.world.must_serve());
        (timeout_ms, Begun { now_ms, restarts, well })
    }

    /// Looks at when the answer came, if it came.
    fn heard(
        &mut self,
        what: &str,
        begun: Begun,
        timeout_ms: u64,
        got: Result<Got, Failure>,
    ) -> Option<Got> {
        let world = &self.world;
        world.note(&self.name, &format!("{what}: {got:?}"));
        let now_ms = world.elapsed_ms();
        let is_same = world.stats().restarts == begun.restarts;
        let was_well = begun.well.is_some() && begun.well == world.must_serve();
        match got {
            Err(_) => {
                let waited_ms = u64::try_from(now_ms - begun.now_ms).unwrap_or(0);
                if waited_ms >= timeout_ms && is_same && was_well {
                    let text = format!("{} {what}: no answer in {waited_ms} ms", self.name);
                    world.oracle().quota_harmed(text);
                }
                self.leave();
                None
            }
            Ok(got) => {
                if let Some((at, wait)) = self.held_back
                    && is_same
                    && now_ms < at + i64::from(wait)
                {
                    let text = format!("{} {what} at {now_ms}, not {at} + {wait}", self.name);
                    world.oracle().served_while_held_back(text);
                }
                self.held_back = (got.throttle_ms > 0).then_some((begun.now_ms, got.throttle_ms));
                Some(got)
            }
        }
    }

    /// Waits as told, or does not, or begins with another connection.
    async fn obey(&mut self, throttle_ms: i32) {
        let wait_ms = u64::try_from(throttle_ms).unwrap_or(0);
        if wait_ms > PATIENCE_MS {
            self.leave();
        }
        if wait_ms > PATIENCE_MS || self.client.random.chance(1, 2) {
            tokio::time::sleep(Duration::from_millis(wait_ms.min(PATIENCE_MS))).await;
        }
    }
}
