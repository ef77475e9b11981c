//! Members of a group in the consumer protocol (KIP-848): they subscribe, take and give up
//! partitions, commit, leave, die.

use std::sync::Arc;

use klamm_protocol::ErrorCode;

use crate::{
    calls::{Committer, Heard, Heartbeat, Parts, commit, committed, consumer_heartbeat},
    client::Client,
    machine::CONSUMER_SESSION_MS,
    oracle::Place,
    world::World,
};

/// The group that all take part in.
pub(crate) const GROUP: &str = "modern";

/// The longest pause between two heartbeats, milliseconds.
const HEARTBEAT_MS: u64 = 500;

/// A member as it knows itself.
struct Member {
    name: String,
    /// The name of a static member.
    instance: Option<String>,
    /// Its id, another after each death.
    id: String,
    /// 0 before it has joined.
    epoch: i32,
    has: Parts,
    /// What it subscribes to: topics by name, or a pattern.
    pattern: Option<&'static str>,
}

impl Member {
    /// What it owns is owned by its instance: a static member that comes back takes it over.
    fn owner(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.id)
    }

    fn begin_anew(&mut self, world: &World) {
        world.oracle().still_has(GROUP, self.owner(), &Parts::new());
        self.epoch = 0;
        self.has.clear();
    }
}

pub(crate) async fn take_part(world: Arc<World>, name: String, is_static: bool) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    let id = |world: &World| format!("{name}-{}", world.number());
    let mut member = Member {
        instance: is_static.then(|| name.clone()),
        id: id(&world),
        epoch: 0,
        has: Parts::new(),
        pattern: random.chance(1, 3).then_some("topic.*|t.*"),
        name: name.clone(),
    };
    while world.is_running() {
        world.pause(&random, HEARTBEAT_MS).await;
        beat(&world, &mut client, &mut member).await;
        if member.epoch > 0 && random.chance(1, 3) {
            work(&world, &mut client, &member).await;
        }
        match random.below(60) {
            0 => {
                leave(&world, &mut client, &mut member).await;
                member.id = id(&world);
            }
            // Dies without a word, and comes back as somebody new.
            1 => {
                client.disconnect();
                world.note(&name, "dies");
                (member.epoch, member.id) = (0, id(&world));
                member.has.clear();
                world.pause(&random, 4_000).await;
            }
            _ => {}
        }
    }
}

/// One heartbeat, and what follows from it.
async fn beat(world: &World, client: &mut Client, member: &mut Member) {
    let topics: Vec<String> = world.topics.lock().keys().cloned().collect();
    let sent_ms = world.clock.now_ms();
    // From here on the broker may know what it has given up.
    world.oracle().still_has(GROUP, member.owner(), &member.has);
    let says = Heartbeat {
        group: GROUP,
        member: &member.id,
        epoch: member.epoch,
        instance: member.instance.as_deref(),
        topics: member.pattern.is_none().then_some(&topics[..]),
        pattern: member.pattern,
        has: &member.has,
    };
    let crashes = world.oracle().crashes;
    let heard = consumer_heartbeat(client, &says).await;
    let shown = heard.as_ref().map(|heard| {
        heard.as_ref().map(|heard| (heard.epoch, heard.assigned.as_ref().map(Parts::len)))
    });
    world.note(&member.name, &format!("{} at {}: {shown:?}", member.id, member.epoch));
    match heard {
        Some(Ok(heard)) => {
            take(world, member, heard, sent_ms, crashes);
        }
        Some(Err(
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::GroupIdNotFound,
        )) => member.begin_anew(world),
        Some(Err(_)) | None => {}
    }
}

/// Takes what it is given; what it no longer is to have it gives up by its next heartbeat.
fn take(world: &World, member: &mut Member, heard: Heard, sent_ms: i64, crashes: u64) {
    member.epoch = heard.epoch;
    let mut oracle = world.oracle();
    if oracle.crashes != crashes {
        // The answer is older than what the broker knows now.
        return;
    }
    let until_ms = sent_ms + CONSUMER_SESSION_MS;
    let given = heard.assigned.as_ref();
    let times = (world.clock.now_ms(), until_ms);
    oracle.told_to_have(GROUP, (member.owner(), heard.epoch), given, times);
    drop(oracle);
    if let Some(assigned) = heard.assigned {
        world.stats().assignments += 1;
        member.has = assigned;
    }
}

async fn leave(world: &World, client: &mut Client, member: &mut Member) {
    // A static member keeps its place when it is soon back.
    let stays = member.instance.is_some() && client.random.chance(1, 2);
    // What it was giving up it no longer has in either case.
    let keeps = if stays { member.has.clone() } else { Parts::new() };
    world.oracle().still_has(GROUP, member.owner(), &keeps);
    let says = Heartbeat {
        group: GROUP,
        member: &member.id,
        epoch: if stays { -2 } else { -1 },
        instance: member.instance.as_deref(),
        topics: None,
        pattern: None,
        has: &Parts::new(),
    };
    let heard = consumer_heartbeat(client, &says).await;
    world.note(&member.name, &format!("leaves {}: {heard:?}", says.epoch));
    member.epoch = 0;
    member.has.clear();
}

/// Commits for a partition that it has, or looks at what was committed.
async fn work(world: &World, client: &mut Client, member: &Member) {
    let topics = world.topics.lock().clone();
    let name = |id| {
        topics.iter().find(|(_, topic)| topic.id == id).map(|(name, topic)| (name.clone(), *topic))
    };
    let at = usize::try_from(client.random.below(8)).unwrap_or(0);
    let Some((id, index)) = member.has.iter().nth(at) else { return };
    let Some((name, topic)) = name(*id) else { return };
    let place: Place = (name, *index);
    if client.random.chance(1, 4) {
        committed(world, client, GROUP, &place).await;
        return;
    }
    let (generation, id) = (member.epoch, member.id.as_str());
    let who = Committer {
        group: GROUP,
        generation,
        member: id,
        instance: member.instance.as_deref(),
        oldest: 9,
    };
    let done = commit(world, client, who, (&place, topic)).await;
    if done == Some(ErrorCode::None) {
        world.stats().commits += 1;
    }
}
