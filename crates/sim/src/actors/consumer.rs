//! Consumers: with and without sessions, from anywhere, changing their minds.

use std::sync::Arc;

use klamm_protocol::ErrorCode;

use crate::{
    calls::{EARLIEST, LATEST, Session, Want, fetch, list_offset, list_topics},
    client::Client,
    world::World,
};

pub(crate) async fn consume(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    let mut want = Want::new();
    let mut session = None;
    while world.is_running() {
        world.pause(&random, world.plan.think_ms / 2).await;
        if want.is_empty() || random.chance(1, 25) {
            want = choose(&world, &mut client).await;
            session = random.chance(2, 3).then(Session::default);
            continue;
        }
        if random.chance(1, 60) {
            client.disconnect();
        }
        if random.chance(1, 30) {
            let listed = list_topics(&world, &mut client, 0).await;
            world.note(&name, &format!("topics: {listed:?}"));
        }
        let wait_ms = if random.chance(1, 3) { 0 } else { random.below(1_000) };
        let found = fetch(&world, &mut client, &mut session, &want, wait_ms).await;
        let Some(found) = found else {
            world.note(&name, "no answer");
            continue;
        };
        for (place, answered) in found {
            world.stats().records_read += answered.records.len() as u64;
            let ends = (answered.records.first(), answered.next, answered.high_watermark);
            world.note(&name, &format!("{place:?}: {:?} {ends:?}", answered.error));
            match answered.error {
                ErrorCode::None => {
                    want.entry(place).and_modify(|(_, next)| *next = answered.next);
                }
                ErrorCode::OffsetOutOfRange => {
                    let start = list_offset(&world, &mut client, &place, EARLIEST).await;
                    if let Some(Ok(start)) = start {
                        want.entry(place).and_modify(|(_, next)| *next = start);
                    }
                }
                _ => drop(want.remove(&place)),
            }
        }
    }
}

/// Some partitions, each from its start, its end, or somewhere between.
async fn choose(world: &World, client: &mut Client) -> Want {
    let mut want = Want::new();
    for _ in 0..=client.random.below(4) {
        let Some((place, topic)) = world.any_place(&client.random) else { continue };
        let which = if client.random.chance(2, 3) { EARLIEST } else { LATEST };
        if let Some(Ok(offset)) = list_offset(world, client, &place, which).await {
            want.insert(place, (topic, offset));
        }
    }
    want
}
