//! Random clients, a random log, and what must hold whatever they do.
//!
//! `GROUPS_SEED=n cargo test -p klamm-groups --test classic property` replays one seed.

use std::collections::{BTreeMap, VecDeque};

use klamm_groups::{
    AppendId, Context, Coordinator, CoordinatorRecord, Effect, Request, Response, Settings, Token,
};
use klamm_protocol::ErrorCode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::support::command::{Client, Command};
use crate::support::names::Names;
use crate::support::settings;

const SEEDS: u64 = 300;
const STEPS: usize = 400;
const GROUPS: [&str; 2] = ["g", "h"];
/// The last two are static.
const CLIENTS: [&str; 6] = ["a", "b", "c", "d", "x", "y"];

/// Who waits for a token's answer, and what it asked.
struct Waiting {
    client: (&'static str, &'static str),
    verb: &'static str,
    /// Of a sync: the generation it is for.
    generation: i32,
    member: String,
}

struct World {
    rng: StdRng,
    seed: u64,
    shard: Coordinator,
    log: Vec<CoordinatorRecord>,
    outstanding: VecDeque<(AppendId, Vec<CoordinatorRecord>)>,
    waiting: BTreeMap<Token, Waiting>,
    /// By client and group.
    clients: BTreeMap<(&'static str, &'static str), Client>,
    /// What a client that behaves does next.
    wants: BTreeMap<(&'static str, &'static str), &'static str>,
    /// The members that a leader was told of, to assign to.
    led: BTreeMap<(&'static str, &'static str), Vec<String>>,
    now: i64,
    tokens: u64,
    ids: u64,
    /// Appends may fail: then memory may be ahead of the log.
    fails: bool,
}

fn limits() -> Settings {
    Settings {
        group_size_max: 4,
        offsets_retention_ms: 20_000,
        offsets_retention_check_interval_ms: 3_000,
        new_member_join_timeout_ms: 8_000,
        ..settings()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut config = limits();
        config.initial_rebalance_delay_ms = *[0, 300].choose(&mut rng).expect("two");
        let fails = rng.random_bool(0.5);
        let mut shard = Coordinator::new(config);
        shard.loaded(0);
        Self {
            rng,
            seed,
            shard,
            log: Vec::new(),
            outstanding: VecDeque::new(),
            waiting: BTreeMap::new(),
            clients: BTreeMap::new(),
            wants: BTreeMap::new(),
            led: BTreeMap::new(),
            now: 0,
            tokens: 0,
            ids: 0,
            fails,
        }
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..20 => self.ask(),
            20..65 => self.behave(),
            65..85 => self.report(),
            85..99 => {
                let most = *[10, 500, 3_000, 30_000].choose(&mut self.rng).expect("four");
                let pause = self.rng.random_range(0..most);
                self.pass(pause);
            }
            _ => {
                self.settle();
                self.check_replay();
            }
        }
    }

    fn ask(&mut self) {
        let client = *CLIENTS.choose(&mut self.rng).expect("clients");
        let group = *GROUPS.choose(&mut self.rng).expect("groups");
        let verb = *[
            "join", "join", "join", "join", "sync", "sync", "sync", "beat", "beat", "leave",
            "commit", "commit", "fetch", "forget", "delete", "describe", "list",
        ]
        .choose(&mut self.rng)
        .expect("verbs");
        let mut options = self.options(verb);
        if matches!(client, "x" | "y") && self.rng.random_bool(0.9) {
            options += &format!(" i={client}");
        }
        if verb == "join" && self.rng.random_bool(0.2) {
            options += " m=?";
        }
        if verb == "commit" && self.rng.random_bool(0.3) {
            options += " m=? gen=-1";
        }
        self.command(client, group, verb, &options);
    }

    /// A client does what its last answer asks for, so that groups get somewhere.
    fn behave(&mut self) {
        let group = *GROUPS.choose(&mut self.rng).expect("groups");
        let client = *CLIENTS[2..].choose(&mut self.rng).expect("clients");
        if self.waiting.values().any(|w| w.client == (client, group)) {
            return;
        }
        let verb = self.wants.get(&(client, group)).copied().unwrap_or("join");
        let mut options = String::new();
        if verb == "join" {
            options += " s=5000 r=3000 p=range,rr sub=t";
        }
        if matches!(client, "x" | "y") {
            options += &format!(" i={client}");
        }
        self.command(client, group, verb, &options);
    }

    fn command(
        &mut self,
        client: &'static str,
        group: &'static str,
        verb: &'static str,
        options: &str,
    ) {
        let memory = self.memory(client, group);
        let mut text = format!("{} {client} {verb} {group}{options}", self.now);
        if verb == "sync" {
            let led = self.led.get(&(client, group)).cloned().unwrap_or_default();
            let part = |m: &String| format!("{m}:{}.{m}", memory.generation);
            text += &format!(" assign={}", led.iter().map(part).collect::<Vec<_>>().join(","));
        }
        let command = Command::parse(&text);
        let request = command.request(&memory, &Names::default());
        self.send((client, group), verb, &memory, &command.context(), request);
    }

    fn options(&mut self, verb: &str) -> String {
        let partition = self.rng.random_range(0..3);
        match verb {
            "join" => {
                let session = self.rng.random_range(100..6_000);
                let rebalance = self.rng.random_range(-1..4_000);
                let protocols = *["range", "range,rr", "rr,range", "other"]
                    .choose(&mut self.rng)
                    .expect("protocols");
                let topics = *["t", "t,u", "v"].choose(&mut self.rng).expect("topics");
                let version = self.rng.random_range(0..=9);
                format!(" v={version} s={session} r={rebalance} p={protocols} sub={topics}")
            }
            "commit" => format!(" at=t:{partition}={},u:0=1", self.rng.random_range(0..1_000)),
            "forget" => format!(" at=t:{partition},u:0"),
            "fetch" if self.rng.random_bool(0.5) => " stable".to_owned(),
            _ => String::new(),
        }
    }

    fn memory(&self, client: &'static str, group: &'static str) -> Client {
        let fresh = || Client { generation: -1, ..Client::default() };
        self.clients.get(&(client, group)).cloned().unwrap_or_else(fresh)
    }

    fn send(
        &mut self,
        client: (&'static str, &'static str),
        verb: &'static str,
        memory: &Client,
        context: &Context,
        request: Request,
    ) {
        self.tokens += 1;
        let token = Token(self.tokens);
        let (generation, member) = (memory.generation, memory.member.clone());
        let waiting = Waiting { client, verb, generation, member };
        self.waiting.insert(token, waiting);
        let ids = &mut self.ids;
        let mut next_id = || {
            *ids += 1;
            // Members are to be in another order than they came.
            format!("{:016x}", ids.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        };
        let effects = self.shard.handle(self.now, token, context, request, &mut next_id);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append { id, records } => {
                    assert!(!records.is_empty(), "seed {}: an empty append", self.seed);
                    self.outstanding.push_back((id, records));
                }
                Effect::Respond { token, response } => self.hear(token, response),
                other => panic!("seed {}: {other:?} without a transaction", self.seed),
            }
        }
    }

    fn hear(&mut self, token: Token, response: Response) {
        let Some(asked) = self.waiting.remove(&token) else {
            panic!("seed {}: {token:?} is answered twice: {response:?}", self.seed)
        };
        self.wants.insert(asked.client, next_after(&response));
        let memory = self.clients.entry(asked.client).or_default();
        match response {
            Response::Join(join) => {
                if !join.member_id.is_empty() {
                    memory.member = join.member_id.to_string();
                }
                if join.error_code == 0 {
                    memory.generation = join.generation_id;
                    memory.protocol = join.protocol_name.unwrap_or_default().into_owned();
                    let members = join.members.into_iter().map(|m| m.member_id.into_owned());
                    self.led.insert(asked.client, members.collect());
                } else if join.error_code == ErrorCode::UnknownMemberId.code() {
                    memory.member.clear();
                }
            }
            Response::Sync(sync) if sync.error_code == 0 && !sync.assignment.is_empty() => {
                let part = String::from_utf8(sync.assignment.into_owned()).expect("our text");
                let (generation, member) = part.split_once('.').expect("our text");
                assert_eq!(
                    generation,
                    asked.generation.to_string(),
                    "seed {}: the assignment of another generation",
                    self.seed
                );
                let is_static = matches!(asked.client.0, "x" | "y");
                assert!(is_static || member == asked.member, "seed {}: {part}", self.seed);
            }
            _ => {}
        }
    }

    fn report(&mut self) {
        let Some((id, records)) = self.outstanding.pop_front() else { return };
        if !self.fails || self.rng.random_bool(0.9) {
            self.log.extend(records);
            let effects = self.shard.on_appended(self.now, id, Ok(()));
            return self.carry_out(effects);
        }
        let error = *[
            ErrorCode::NotEnoughReplicas,
            ErrorCode::KafkaStorageError,
            ErrorCode::MessageTooLarge,
        ]
        .choose(&mut self.rng)
        .expect("errors");
        let behind = std::mem::take(&mut self.outstanding);
        for (id, _) in std::iter::once((id, records)).chain(behind) {
            let effects = self.shard.on_appended(self.now, id, Err(error));
            self.carry_out(effects);
        }
    }

    fn pass(&mut self, pause: i64) {
        let until = self.now + pause;
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let effects = self.shard.on_deadline(self.now);
            self.carry_out(effects);
        }
        self.now = until;
    }

    fn settle(&mut self) {
        while !self.outstanding.is_empty() {
            self.report();
        }
    }

    /// A new process that reads the log knows what this one knows.
    fn check_replay(&mut self) {
        if self.fails {
            return;
        }
        let mut other = Coordinator::new(limits());
        for record in &self.log {
            other.apply(self.now, &record.key, record.value.as_deref()).expect("our own record");
        }
        let here = view(&mut self.shard, self.now);
        let there = view(&mut other, self.now);
        assert_eq!(here.offsets, there.offsets, "seed {}", self.seed);
        assert_eq!(
            here.groups.keys().collect::<Vec<_>>(),
            there.groups.keys().collect::<Vec<_>>(),
            "seed {}",
            self.seed
        );
        for (name, (state, said)) in &here.groups {
            if matches!(state.as_str(), "Stable" | "Empty") {
                assert_eq!(said, &there.groups[name].1, "seed {}", self.seed);
            }
        }
    }

    fn finish(&mut self) {
        for _ in 0..20 {
            self.settle();
            self.pass(10_000);
        }
        self.settle();
        let left: Vec<_> = self.waiting.values().map(|w| (w.client, w.verb)).collect();
        assert!(left.is_empty(), "seed {}: not answered: {left:?}", self.seed);
        self.check_replay();
    }
}

/// What a client that behaves does after an answer.
fn next_after(response: &Response) -> &'static str {
    match response {
        Response::Join(join) if join.error_code == 0 => "sync",
        Response::Sync(sync) if sync.error_code == 0 => "beat",
        Response::Heartbeat(beat) if beat.error_code == 0 => "beat",
        Response::Join(_) | Response::Sync(_) | Response::Heartbeat(_) => "join",
        _ => "beat",
    }
}

/// What readers see.
struct View {
    groups: BTreeMap<String, (String, String)>,
    offsets: String,
}

fn view(shard: &mut Coordinator, now: i64) -> View {
    let mut ask = |request| {
        let context = Context { version: 9, ..Context::default() };
        let effects = shard.handle(now, Token(0), &context, request, &mut String::new);
        match effects.into_iter().next() {
            Some(Effect::Respond { response, .. }) => response,
            other => panic!("no answer but {other:?}"),
        }
    };
    let Response::List(listed) = ask(Request::List { states: vec![], types: vec![] }) else {
        panic!("not a list")
    };
    let names: Vec<String> = listed.iter().map(|g| g.group_id.to_string()).collect();
    let offsets = GROUPS.map(|group| {
        let group = klamm_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: None,
            ..Default::default()
        };
        format!("{:?}", ask(Request::Fetch { group, require_stable: false }))
    });
    let Response::Describe(described) = ask(Request::Describe(names)) else {
        panic!("not a description")
    };
    let group = |g: &klamm_protocol::messages::describe_groups_response::DescribedGroup<'_>| {
        (g.group_id.to_string(), (g.group_state.to_string(), format!("{g:?}")))
    };
    View { groups: described.iter().map(group).collect(), offsets: offsets.concat() }
}

#[test]
fn whatever_clients_do() {
    let seeds = match std::env::var("GROUPS_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..std::env::var("GROUPS_SEEDS")
            .map_or(SEEDS, |n| n.parse().expect("a number")))
            .collect(),
    };
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
    }
}
