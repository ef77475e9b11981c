//! A thousand members join one group within a second and send a heartbeat every second: how long
//! until each has what it is to have.

use std::collections::BTreeMap;

use klamm_groups::{Context, Coordinator, Effect, Request, Response, Settings, Token};
use klamm_protocol::messages::ConsumerGroupHeartbeatRequest;
use klamm_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use klamm_protocol::wire::Uuid;

use crate::support::command::Command;
use crate::support::consumer::Topics;
use crate::support::names::Names;

const MEMBERS: usize = 1_000;
const HEARTBEAT_MS: i64 = 1_000;
/// What the issue asks for.
const STABLE_WITHIN_MS: i64 = 5_000;

/// A member that gives up at once what it no longer is to have.
#[derive(Default)]
struct Client {
    epoch: i32,
    has: BTreeMap<Uuid, Vec<i32>>,
}

fn request(name: &str, client: &Client) -> ConsumerGroupHeartbeatRequest<'static> {
    let joins = client.epoch == 0;
    let part = |(topic_id, partitions): (&Uuid, &Vec<i32>)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.clone(),
        ..<_>::default()
    };
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: name.to_owned().into(),
        member_epoch: client.epoch,
        rebalance_timeout_ms: if joins { 60_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec!["t".into()]),
        topic_partitions: Some(client.has.iter().map(part).collect()),
        ..<_>::default()
    }
}

/// Sends a heartbeat; returns whether the member has something to give up.
fn beat(shard: &mut Coordinator, now: i64, name: &str, client: &mut Client) -> bool {
    let context = Context { version: 1, ..Context::default() };
    let request = Request::ConsumerHeartbeat(request(name, client));
    let mut effects = shard.handle(now, Token(1), &context, request, &mut String::new);
    let mut gives_up = false;
    while let Some(effect) = effects.pop() {
        match effect {
            Effect::Append { id, .. } => effects.extend(shard.on_appended(now, id, Ok(()))),
            Effect::Respond { response: Response::ConsumerHeartbeat(heard), .. } => {
                assert_eq!(heard.error_code, 0, "{name}: {heard:?}");
                client.epoch = heard.member_epoch;
                let Some(assignment) = heard.assignment else { continue };
                let topics = assignment.topic_partitions.into_iter();
                let has: BTreeMap<_, _> = topics.map(|t| (t.topic_id, t.partitions)).collect();
                let count = |has: &BTreeMap<Uuid, Vec<i32>>| has.values().flatten().count();
                gives_up = count(&has) < count(&client.has);
                client.has = has;
            }
            other => panic!("{other:?}"),
        }
    }
    gives_up
}

fn state(shard: &mut Coordinator, now: i64) -> String {
    let request = Request::ConsumerDescribe(vec!["g".into()]);
    let context = Context { version: 1, ..Context::default() };
    let effects = shard.handle(now, Token(2), &context, request, &mut String::new);
    match effects.into_iter().next() {
        Some(Effect::Respond { response: Response::ConsumerDescribe(groups), .. }) => {
            groups[0].group_state.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thousand_members_are_soon_stable() {
    let mut shard = Coordinator::new(Settings::default());
    let mut topics = Topics::default();
    topics.change(&Command::parse("0 topics new t=2000"), &mut Names::default());
    shard.metadata_changed(0, topics.image(), &["t"], true);
    shard.loaded(0);
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    for now in 0..STABLE_WITHIN_MS {
        if clients.len() < MEMBERS {
            clients.insert(format!("m{now:04}"), Client::default());
        }
        let due = (now % HEARTBEAT_MS).unsigned_abs();
        let name = format!("m{due:04}");
        if let Some(client) = clients.get_mut(&name)
            && beat(&mut shard, now, &name, client)
        {
            beat(&mut shard, now, &name, client);
        }
        if now >= HEARTBEAT_MS && now % 50 == 0 && state(&mut shard, now) == "Stable" {
            let owned: usize = clients.values().map(|c| c.has.values().flatten().count()).sum();
            assert_eq!(owned, 2_000, "every partition has its consumer");
            return;
        }
    }
    panic!("not stable within {STABLE_WITHIN_MS} ms");
}
