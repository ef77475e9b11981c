//! Those who commit offsets without being members of their group.

use std::sync::Arc;

use crate::{
    calls::{Committer, commit, committed, find_coordinator},
    world::World,
};

pub(crate) async fn keep_committing(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    let group = format!("of-{name}");
    while world.is_running() {
        world.pause(&random, world.plan.think_ms * 2).await;
        let Some((place, topic)) = world.any_place(&random) else { continue };
        match random.below(10) {
            0 => {
                let found = find_coordinator(&mut client, &group).await;
                world.note(&name, &format!("coordinator: {found:?}"));
            }
            1..=3 => {
                let found = committed(&world, &mut client, &group, &place).await;
                world.note(&name, &format!("{place:?} committed: {found:?}"));
            }
            _ => {
                let who = Committer {
                    group: &group,
                    generation: -1,
                    member: "",
                    instance: None,
                    oldest: 0,
                };
                let done = commit(&world, &mut client, who, (&place, topic)).await;
                world.note(&name, &format!("{place:?} commit: {done:?}"));
                if done == Some(klamm_protocol::ErrorCode::None) {
                    world.stats().commits += 1;
                }
            }
        }
    }
}
