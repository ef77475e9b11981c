//! The administrator: makes, changes and deletes topics.

use std::sync::Arc;

use klamm_protocol::ErrorCode;

use crate::{
    calls::{
        add_partitions, alter_topic, create_topic, delete_records, delete_topic, find_coordinator,
        list_topics,
    },
    client::Client,
    plan::{Change, choose},
    world::{Topic, World},
};

/// How often something is tried in the beginning, when nothing fails.
const SET_UP_ATTEMPTS: usize = 20;

/// Makes the first topics, and the topic of the groups.
pub(crate) async fn set_up(world: &World) -> bool {
    let mut client = world.client("set-up");
    for _ in 0..world.plan.topics {
        create(world, &mut client).await;
    }
    for _ in 0..SET_UP_ATTEMPTS {
        if find_coordinator(&mut client, "any").await == Some(ErrorCode::None) {
            break;
        }
        world.pause(&client.random, 100).await;
    }
    if world.plan.offsets_sync {
        let key = "flush.messages";
        let altered = alter_topic(&mut client, "__consumer_offsets", key, "1").await;
        if altered != Some(ErrorCode::None) {
            return false;
        }
    }
    refresh(world, &mut client).await;
    let is_ready = !world.topics.lock().is_empty();
    if world.plan.bad_links {
        super::operator::worsen_links(world, &client.random);
    }
    is_ready
}

pub(crate) async fn administer(world: Arc<World>) {
    let mut client = world.client("admin");
    let random = client.random.clone();
    while world.is_running() {
        world.pause(&random, world.plan.think_ms * 8).await;
        if let Some(change) = choose(&random, &world.plan.changes) {
            carry_out(&world, &mut client, change).await;
        }
        refresh(&world, &mut client).await;
    }
}

async fn carry_out(world: &World, client: &mut Client, change: Change) {
    let random = client.random.clone();
    let Some((place, topic)) = world.any_place(&random) else {
        create(world, client).await;
        return;
    };
    let count = world.topics.lock().len();
    let result = match change {
        Change::CreateTopic if count < 6 => {
            create(world, client).await;
            return;
        }
        Change::CreateTopic => return,
        Change::DeleteTopic if count < 2 => return,
        Change::DeleteTopic => {
            world.topics.lock().remove(&place.0);
            delete_topic(world, client, &place.0).await
        }
        Change::AddPartitions if topic.partitions >= 4 => return,
        Change::AddPartitions => {
            add_partitions(world, client, &place.0, topic.partitions + 1).await
        }
        Change::DeleteRecords => {
            let end = world.oracle().high_watermark(&place);
            let offset = i64::try_from(random.below(u64::try_from(end).unwrap_or(0) + 1));
            delete_records(world, client, &place, offset.unwrap_or(0)).await
        }
        Change::AlterConfig => {
            let (key, value) = setting(world, &random);
            alter_topic(client, &place.0, key, &value).await
        }
    };
    if result == Some(ErrorCode::None) {
        world.stats().changes += 1;
    }
    world.note("admin", &format!("{change:?} {place:?}: {result:?}"));
}

/// A setting that changes nothing about what must hold.
fn setting(world: &World, random: &klamm_env::Random) -> (&'static str, String) {
    let up_to = |most: u64| (1 + random.below(most)).to_string();
    match random.below(4) {
        0 => ("internal.segment.bytes", up_to_segment(world, random)),
        1 => ("segment.ms", up_to(10_000)),
        2 => ("flush.ms", up_to(5_000)),
        _ => ("index.interval.bytes", up_to(4_000)),
    }
}

/// Large enough for any batch.
fn up_to_segment(world: &World, random: &klamm_env::Random) -> String {
    let least = 5 * (world.plan.value_bytes_max + 100);
    (least + random.below(world.plan.segment_bytes)).to_string()
}

async fn create(world: &World, client: &mut Client) {
    let random = client.random.clone();
    let name = format!("t{}", world.number());
    let mut configs = vec![
        ("internal.segment.bytes", up_to_segment(world, &random)),
        ("file.delete.delay.ms", (1 + random.below(2_000)).to_string()),
    ];
    if random.below(10) < world.plan.sync_topics {
        configs.push(("flush.messages", "1".to_owned()));
    }
    if random.below(10) < world.plan.retention_topics {
        if random.chance(1, 2) {
            configs.push(("retention.ms", (500 + random.below(5_000)).to_string()));
        } else {
            configs.push(("retention.bytes", random.below(50_000).to_string()));
        }
    }
    if random.chance(1, 3) {
        configs.push(("segment.ms", (1 + random.below(5_000)).to_string()));
    }
    let partitions = 1 + i32::try_from(random.below(3)).unwrap_or(0);
    let result = create_topic(world, client, &name, partitions, &configs).await;
    world.note("admin", &format!("create {name} x{partitions} {configs:?}: {result:?}"));
}

/// Tells everybody which topics there are.
pub(crate) async fn refresh(world: &World, client: &mut Client) {
    let Ok(found) = list_topics(client).await else { return };
    let mut oracle = world.oracle();
    oracle.listed(&found);
    let mut topics = world.topics.lock();
    topics.clear();
    for (name, (id, partitions)) in found {
        let Some(model) = oracle.topics.get_mut(&name) else { continue };
        model.id = Some(id);
        if !model.deletion_asked {
            let partitions = i32::try_from(partitions).unwrap_or(0);
            topics.insert(name, Topic { id, partitions });
        }
    }
}
