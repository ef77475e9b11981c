//! Members of a group in the classic protocol: they join, share out partitions, commit, leave, die.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::ErrorCode;

use crate::{
    calls::{Committer, Joined, commit, committed, heartbeat, join, leave, sync},
    client::Client,
    oracle::{Assignments, Place},
    world::World,
};

/// The group that all take part in.
pub(crate) const GROUP: &str = "shared";

/// The longest pause between two heartbeats, milliseconds.
const HEARTBEAT_MS: u64 = 500;

pub(crate) async fn take_part(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    let mut member = String::new();
    while world.is_running() {
        world.pause(&random, 300).await;
        let Some((joined, places)) = enter(&world, &mut client, &name, &mut member).await else {
            continue;
        };
        stay(&world, &mut client, &name, &joined, &places).await;
        match random.below(6) {
            // Leaves, and comes back as somebody new.
            0 => {
                let left = leave(&mut client, GROUP, &member).await;
                world.note(&name, &format!("leaves: {left:?}"));
                member.clear();
            }
            // Dies without a word.
            1 => {
                client.disconnect();
                member.clear();
                world.pause(&random, 3_000).await;
            }
            _ => {}
        }
    }
}

/// Joins and gets an assignment.
pub(crate) async fn enter(
    world: &World,
    client: &mut Client,
    name: &str,
    member: &mut String,
) -> Option<(Joined, Vec<Place>)> {
    let joined = match join(world, client, GROUP, member).await? {
        Ok(joined) => joined,
        Err(error) => {
            world.note(name, &format!("join: {error:?}"));
            if error == ErrorCode::UnknownMemberId {
                member.clear();
            }
            return None;
        }
    };
    let (generation, is_leader) = (joined.generation, joined.is_leader);
    world.note(name, &format!("{} joined {generation} leader={is_leader}", joined.member));
    let assignments = if is_leader { share_out(world, &joined) } else { Assignments::new() };
    let given = sync(world, client, GROUP, &joined, &assignments).await;
    world.note(name, &format!("sync {generation}: {given:?}"));
    match given? {
        Ok(given) => {
            world.stats().assignments += 1;
            Some((joined, given.split_whitespace().filter_map(parse).collect()))
        }
        Err(error) => {
            if error == ErrorCode::UnknownMemberId {
                member.clear();
            }
            None
        }
    }
}

/// Gives every partition to one member, in turn.
fn share_out(world: &World, joined: &Joined) -> Assignments {
    let mut shares: BTreeMap<String, Vec<String>> =
        joined.members.iter().map(|member| (member.clone(), Vec::new())).collect();
    let topics = world.topics.lock();
    let places = topics.iter().flat_map(|(name, topic)| {
        (0..topic.partitions).map(move |index| format!("{name}/{index}"))
    });
    for (at, place) in places.enumerate() {
        let member = &joined.members[at % joined.members.len().max(1)];
        shares.entry(member.clone()).or_default().push(place);
    }
    shares.into_iter().map(|(member, places)| (member, places.join(" "))).collect()
}

fn parse(text: &str) -> Option<Place> {
    let (topic, index) = text.split_once('/')?;
    Some((topic.to_owned(), index.parse().ok()?))
}

/// Works as a member until the group changes, or for some time.
async fn stay(world: &World, client: &mut Client, name: &str, joined: &Joined, places: &[Place]) {
    let random = client.random.clone();
    while world.is_running() && !random.chance(1, 30) {
        world.pause(&random, HEARTBEAT_MS).await;
        let error = match places.get(usize::try_from(random.below(6)).unwrap_or(0)) {
            Some(place) => work(world, client, joined, place).await,
            None => heartbeat(client, GROUP, joined).await,
        };
        world.note(name, &format!("in {}: {error:?}", joined.generation));
        match error {
            None | Some(ErrorCode::None) => {}
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => return,
            Some(ErrorCode::RebalanceInProgress) => return,
            Some(_) => {}
        }
    }
}

/// Commits, or looks at what was committed.
async fn work(
    world: &World,
    client: &mut Client,
    joined: &Joined,
    place: &Place,
) -> Option<ErrorCode> {
    let topic = world.topics.lock().get(&place.0).copied();
    let Some(topic) = topic.filter(|_| !client.random.chance(1, 4)) else {
        return committed(world, client, GROUP, place).await?.err();
    };
    let who = Committer { group: GROUP, generation: joined.generation, member: &joined.member };
    let done = commit(world, client, who, (place, topic)).await;
    if done == Some(ErrorCode::None) {
        world.stats().commits += 1;
    }
    done
}
