//! Many members: what they cost, and more than may be.

#![expect(clippy::disallowed_methods, reason = "a cost is measured")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use klamm_groups::{Coordinator, CoordinatorRecord, Effect, Request, Response, Settings, Token};

use crate::support::command::{Client, Command};
use crate::support::names::Names;
use crate::support::settings;

/// A shard with its log and what clients were told.
struct Crowd {
    shard: Coordinator,
    log: Vec<CoordinatorRecord>,
    told: BTreeMap<u64, Response>,
    now: i64,
    ids: u64,
}

impl Crowd {
    fn new() -> Self {
        let mut shard = Coordinator::new(settings());
        shard.loaded(0);
        Self { shard, log: Vec::new(), told: BTreeMap::new(), now: 0, ids: 0 }
    }

    fn send(&mut self, token: u64, text: &str, client: &Client) {
        let command = Command::parse(text);
        let request = command.request(client, &Names::default());
        let ids = &mut self.ids;
        let mut next_id = || {
            *ids += 1;
            format!("{ids:08}")
        };
        let token = Token(token);
        let effects = self.shard.handle(self.now, token, &command.context(), request, &mut next_id);
        self.carry_out(effects);
    }

    fn deadline(&mut self) {
        self.now = self.shard.next_deadline().unwrap_or(self.now).max(self.now);
        let effects = self.shard.on_deadline(self.now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Respond { token, response } => {
                    self.told.insert(token.0, response);
                }
                Effect::Append { id, records } => {
                    self.log.extend(records);
                    let more = self.shard.on_appended(self.now, id, Ok(()));
                    self.carry_out(more);
                }
                other => panic!("{other:?} without a transaction"),
            }
        }
    }

    /// Members join one after the other, rejoin once, and sync.
    fn gather(&mut self, members: u64) -> Vec<Client> {
        for n in 0..members {
            self.send(
                n,
                &format!("0 c{n} join g v=3 sub=topic-of-a-long-name,other"),
                &Client::default(),
            );
            if n == 0 {
                self.deadline();
            }
        }
        let leader = self.member(0);
        self.send(0, "0 c0 join g v=3 sub=topic-of-a-long-name,other", &leader);
        let clients: Vec<Client> = (0..members).map(|n| self.member(n)).collect();
        for (n, client) in clients.iter().enumerate().rev() {
            self.send(n as u64, &format!("0 c{n} sync g"), client);
        }
        clients
    }

    fn member(&self, n: u64) -> Client {
        match &self.told[&n] {
            Response::Join(join) if join.error_code == 0 => Client {
                member: join.member_id.to_string(),
                generation: join.generation_id,
                protocol: join.protocol_name.as_deref().unwrap_or_default().to_owned(),
            },
            other => panic!("c{n} is told {other:?}"),
        }
    }
}

fn time_to_gather(members: u64) -> Duration {
    let begin = Instant::now();
    let mut crowd = Crowd::new();
    crowd.gather(members);
    for n in 0..members {
        assert!(matches!(&crowd.told[&n], Response::Sync(sync) if sync.error_code == 0), "c{n}");
    }
    begin.elapsed()
}

/// Ten times the members take about ten times the work; a quadratic cost would take a hundred
/// times. Other work on the machine may spoil a measurement, so one good one is enough.
#[test]
fn a_thousand_members_cost_no_more_than_each() {
    let ratio = || {
        let few = (0..5).map(|_| time_to_gather(200)).min().unwrap_or_default();
        time_to_gather(2_000).as_secs_f64() / few.as_secs_f64()
    };
    let mut ratios = Vec::new();
    while ratios.len() < 20 && ratios.iter().all(|r| *r >= 30.0) {
        ratios.push(ratio());
    }
    assert!(
        ratios.iter().any(|r| *r < 30.0),
        "2,000 members take {ratios:.0?} times the time of 200"
    );
}

/// A group of three is read back where fewer are allowed.
pub(crate) fn check_grown(settings: Settings) {
    let mut crowd = Crowd::new();
    let clients = crowd.gather(3);
    let log = std::mem::take(&mut crowd.log);
    crowd.shard = Coordinator::new(settings);
    for record in &log {
        crowd.shard.apply(0, &record.key, record.value.as_deref()).expect("our own record");
    }
    let effects = crowd.shard.loaded(crowd.now);
    crowd.carry_out(effects);
    crowd.send(9, "0 c1 beat g", &clients[1]);
    let Response::Heartbeat(beat) = &crowd.told[&9] else { panic!("{:?}", crowd.told[&9]) };
    assert_eq!(beat.error_code, klamm_protocol::ErrorCode::RebalanceInProgress.code());
    crowd.told.insert(1, Response::List(Vec::new()));
    for n in [1, 0, 2] {
        let text = format!("0 c{n} join g v=3 sub=topic-of-a-long-name,other");
        crowd.send(n as u64, &text, &clients[n]);
    }
    while !matches!(&crowd.told[&1], Response::Join(_)) {
        crowd.deadline();
    }
    let codes = [0, 1, 2].map(|n| match &crowd.told[&n] {
        Response::Join(join) => join.error_code,
        _ => -1,
    });
    let full = klamm_protocol::ErrorCode::GroupMaxSizeReached.code();
    assert_eq!(codes, [full, 0, full], "the first to come back stays");
    let list = Request::List { states: vec![], types: vec![] };
    let effects =
        crowd.shard.handle(crowd.now, Token(10), &Default::default(), list, &mut String::new);
    crowd.carry_out(effects);
    assert!(matches!(&crowd.told[&10], Response::List(groups) if groups.len() == 1));
}
