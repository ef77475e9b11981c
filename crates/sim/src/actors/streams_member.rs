//! Members of a streams group (KIP-1071): threads of processes that take tasks, give them up,
//! leave, die.

use std::sync::Arc;

use klamm_protocol::ErrorCode;

use crate::{
    calls::{Beat, Heard, Parts, streams_heartbeat},
    client::Client,
    machine::CONSUMER_SESSION_MS,
    world::World,
};

/// The group that all take part in.
const GROUP: &str = "streams";
/// Members run in so many processes.
const PROCESSES: u64 = 2;
/// The longest pause between two heartbeats, milliseconds.
const HEARTBEAT_MS: u64 = 500;

/// A member as it knows itself.
struct Member {
    name: String,
    process: String,
    /// What the application reads; its topology cannot change.
    topic: String,
    /// Its id, another after each death.
    id: String,
    /// 0 before it has joined.
    epoch: i32,
    has: Parts,
}

pub(crate) async fn take_part(world: Arc<World>, number: u64, topic: String) {
    let name = format!("streams-{number}");
    let mut client = world.client(&name);
    let random = client.random.clone();
    let id = |world: &World| format!("{name}-{}", world.number());
    let mut member = Member {
        process: format!("process-{}", number % PROCESSES),
        id: id(&world),
        epoch: 0,
        has: Parts::new(),
        topic,
        name: name.clone(),
    };
    while world.is_running() {
        world.pause(&random, HEARTBEAT_MS).await;
        beat(&world, &mut client, &mut member).await;
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
    let sent_ms = world.clock.now_ms();
    // From here on the broker may know what it has given up.
    world.oracle().still_has(GROUP, &member.id, &member.has);
    let crashes = world.oracle().crashes;
    let heard = streams_heartbeat(client, &says(member, member.epoch)).await;
    let shown = heard.as_ref().map(|heard| {
        heard.as_ref().map(|heard| (heard.epoch, heard.assigned.as_ref().map(Parts::len)))
    });
    world.note(&member.name, &format!("{} at {}: {shown:?}", member.id, member.epoch));
    match heard {
        Some(Ok(heard)) => take(world, member, heard, sent_ms, crashes),
        Some(Err(
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::GroupIdNotFound,
        )) => {
            world.oracle().still_has(GROUP, &member.id, &Parts::new());
            member.epoch = 0;
            member.has.clear();
        }
        Some(Err(_)) | None => {}
    }
}

fn says(member: &Member, epoch: i32) -> Beat<'_> {
    Beat {
        group: GROUP,
        member: &member.id,
        process: &member.process,
        epoch,
        topic: &member.topic,
        has: &member.has,
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
    let times = (world.clock.now_ms(), sent_ms + CONSUMER_SESSION_MS);
    oracle.told_to_have(GROUP, (&member.id, heard.epoch), heard.assigned.as_ref(), times);
    drop(oracle);
    if let Some(assigned) = heard.assigned {
        world.stats().assignments += 1;
        member.has = assigned;
    }
}

async fn leave(world: &World, client: &mut Client, member: &mut Member) {
    member.has.clear();
    world.oracle().still_has(GROUP, &member.id, &member.has);
    let heard = streams_heartbeat(client, &says(member, -1)).await;
    world.note(&member.name, &format!("leaves: {heard:?}"));
    member.epoch = 0;
}
