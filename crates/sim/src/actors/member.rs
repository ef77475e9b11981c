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

/// How a member is called.
#[derive(Debug)]
struct Identity {
    /// The name of a static member.
    instance: Option<String>,
    /// The id that the broker gave it, if it remembers one.
    member: String,
}

pub(crate) async fn take_part(world: Arc<World>, name: String, is_static: bool) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    let mut who = Identity { instance: is_static.then(|| name.clone()), member: String::new() };
    let mut before: Option<Joined> = None;
    while world.is_running() {
        world.pause(&random, 300).await;
        let Some((joined, places)) = enter(&world, &mut client, &name, &mut who).await else {
            continue;
        };
        if let Some(old) = before.replace(joined.clone())
            && old.instance.is_some()
            && old.member != joined.member
        {
            haunt(&world, &mut client, &name, &old, &places).await;
        }
        stay(&world, &mut client, &name, &joined, &places).await;
        match random.below(6) {
            // Leaves, and comes back as somebody new.
            0 => {
                let left = leave(&mut client, GROUP, &who.member, who.instance.as_deref()).await;
                world.note(&name, &format!("leaves: {left:?}"));
                who.member.clear();
            }
            // Dies without a word.
            1 => {
                client.disconnect();
                who.member.clear();
                world.pause(&random, 3_000).await;
            }
            // As `1`, but it is soon back: if it is static the group need not notice.
            2 | 3 if is_static => {
                client.disconnect();
                who.member.clear();
            }
            _ => {}
        }
    }
}

/// What a static member's former process still asks for, as it does not know that it has died.
async fn haunt(world: &World, client: &mut Client, name: &str, old: &Joined, places: &[Place]) {
    for _ in 0..=client.random.below(2) {
        let error = match places.first().filter(|_| client.random.chance(1, 2)) {
            Some(place) => work(world, client, old, place).await,
            None => heartbeat(client, GROUP, old).await,
        };
        world.note(name, &format!("as its former self, {}: {error:?}", old.member));
        if let (Some(error), Some(instance)) = (error, &old.instance) {
            world.oracle().old_id_answered(GROUP, instance, &old.member, error);
        }
    }
}

/// Joins and gets an assignment.
async fn enter(
    world: &World,
    client: &mut Client,
    name: &str,
    who: &mut Identity,
) -> Option<(Joined, Vec<Place>)> {
    let joined = join(world, client, GROUP, &mut who.member, who.instance.as_deref()).await?;
    let joined = match joined {
        Ok(joined) => joined,
        Err(error) => {
            world.note(name, &format!("join: {error:?}"));
            if matches!(error, ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) {
                who.member.clear();
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
            if matches!(error, ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) {
                who.member.clear();
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
            None => {}
            Some(ErrorCode::None) => world.oracle().member_seen(GROUP, world.elapsed_ms()),
            Some(
                ErrorCode::UnknownMemberId
                | ErrorCode::IllegalGeneration
                | ErrorCode::FencedInstanceId,
            ) => return,
            Some(ErrorCode::RebalanceInProgress) => return,
            Some(_) => {}
        }
    }
}

/// Commits, or looks at what was committed. None as well if that says nothing of the member.
async fn work(
    world: &World,
    client: &mut Client,
    joined: &Joined,
    place: &Place,
) -> Option<ErrorCode> {
    let topic = world.topics.lock().get(&place.0).copied();
    let Some(topic) = topic.filter(|_| !client.random.chance(1, 4)) else {
        committed(world, client, GROUP, place).await;
        return None;
    };
    let (generation, member) = (joined.generation, joined.member.as_str());
    let who = Committer {
        group: GROUP,
        generation,
        member,
        instance: joined.instance.as_deref(),
        oldest: 0,
    };
    let done = commit(world, client, who, (place, topic)).await;
    if done == Some(ErrorCode::None) {
        world.stats().commits += 1;
    }
    done
}
