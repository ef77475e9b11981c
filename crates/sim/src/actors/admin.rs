//! The administrator: makes, changes and deletes topics.

use std::sync::Arc;

use klamm_protocol::ErrorCode;

use super::{sharer, transactor::PARTITIONS};
use crate::{
    calls::{
        METERED, TxnTopic, WITH_IDS, add_partitions, alter_broker, alter_group, alter_topic,
        create_topic, delete_group, delete_offset, delete_records, delete_topic, find_coordinator,
        find_share_coordinator, find_transaction_coordinator, list_topics, move_replica,
    },
    client::Client,
    machine::{FIRM_DIR, FRAIL_DIR},
    oracle::{Place, Sync},
    plan::{Change, choose},
    records::OVERHEAD_BYTES,
    world::{Topic, World},
};

/// How often something is tried in the beginning, when nothing fails.
const SET_UP_ATTEMPTS: usize = 20;

/// Makes the first topics, and the topic of the groups.
pub(crate) async fn set_up(world: &World) -> bool {
    let mut client = world.client("set-up");
    for _ in 0..world.plan.topics {
        create(world, &mut client, None).await;
    }
    for _ in 0..SET_UP_ATTEMPTS {
        if find_coordinator(&mut client, "any").await == Some(ErrorCode::None) {
            break;
        }
        world.pause(&client.random, 100).await;
    }
    let is_synced = world.plan.offsets_sync;
    if !set_up_internal(world, &mut client, "__consumer_offsets", is_synced).await {
        return false;
    }
    let (key, speed) =
        ("replica.alter.log.dirs.io.max.bytes.per.second", world.plan.move_bytes.to_string());
    if alter_broker(&mut client, key, &speed).await != Some(ErrorCode::None) {
        return false;
    }
    if world.plan.transactors > 0 && !set_up_transactions(world, &mut client).await {
        return false;
    }
    if world.plan.sharers > 0 && !set_up_shares(world, &mut client).await {
        return false;
    }
    if world.plan.metered > 0 {
        let of = super::METERED_PARTITIONS;
        create_topic(world, &mut client, METERED, of, &[]).await;
        // Nobody else is to know it.
        world.oracle().topics.remove(METERED);
    }
    refresh(world, &mut client).await;
    let is_ready = !world.topics.lock().is_empty();
    if world.plan.bad_links {
        super::operator::worsen_links(world, &client.random);
    }
    is_ready
}

/// Gives a topic of the broker small segments, and lets it sync every append if it is to.
async fn set_up_internal(world: &World, client: &mut Client, topic: &str, is_synced: bool) -> bool {
    let bytes = world.plan.internal_segment_bytes.to_string();
    let segments = alter_topic(world, client, topic, "internal.segment.bytes", &bytes).await;
    if segments != Some(ErrorCode::None) {
        return false;
    }
    if !is_synced {
        return true;
    }
    alter_topic(world, client, topic, "flush.messages", "1").await == Some(ErrorCode::None)
}

/// Makes the topic of the transactions and that of their coordinators. Both are synced on every
/// append: what becomes of a transaction when a power loss takes a part of it is not promised.
async fn set_up_transactions(world: &World, client: &mut Client) -> bool {
    let (name, key) = ("transactions", "flush.messages");
    let mut configs = vec![(key, "1".to_owned())];
    if world.plan.compacts_transactions {
        configs.extend([
            ("cleanup.policy", "compact".to_owned()),
            ("internal.segment.bytes", (600 + world.plan.segment_bytes / 20).to_string()),
            ("min.cleanable.dirty.ratio", "0.05".to_owned()),
            ("delete.retention.ms", world.plan.delete_retention_ms.to_string()),
            ("file.delete.delay.ms", "300".to_owned()),
        ]);
    }
    for _ in 0..SET_UP_ATTEMPTS {
        create_topic(world, client, name, PARTITIONS, &configs).await;
        if find_transaction_coordinator(client).await == Some(ErrorCode::None) {
            break;
        }
        world.pause(&client.random, 100).await;
    }
    let is_altered = set_up_internal(world, client, "__transaction_state", true).await;
    let listed = list_topics(world, client, WITH_IDS).await;
    let id = listed.ok().and_then(|found| found.get(name).and_then(|(id, _)| *id));
    // Nobody else is to know it.
    world.oracle().topics.remove(name);
    *world.txn_topic.lock() = id.map(|id| TxnTopic { name: name.to_owned(), id });
    id.is_some() && is_altered
}

/// Makes the topic of the share group and that of its state. Both are synced on every append, as
/// those of transactions.
async fn set_up_shares(world: &World, client: &mut Client) -> bool {
    let (name, key) = ("shared", "flush.messages");
    let configs = [(key, "1".to_owned())];
    for _ in 0..SET_UP_ATTEMPTS {
        create_topic(world, client, name, sharer::PARTITIONS, &configs).await;
        if find_share_coordinator(client).await == Some(ErrorCode::None) {
            break;
        }
        world.pause(&client.random, 100).await;
    }
    let is_altered = set_up_internal(world, client, "__share_group_state", true).await;
    let reset = "share.auto.offset.reset";
    let configured = alter_group(client, sharer::GROUP, reset, "earliest").await;
    let listed = list_topics(world, client, WITH_IDS).await;
    let id = listed.ok().and_then(|found| found.get(name).and_then(|(id, _)| *id));
    // Nobody else is to know it.
    world.oracle().topics.remove(name);
    *world.share_topic.lock() = id.map(|id| TxnTopic { name: name.to_owned(), id });
    id.is_some() && is_altered && configured == Some(ErrorCode::None)
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
        create(world, client, None).await;
        return;
    };
    let count = world.topics.lock().len();
    let result = match change {
        Change::CreateTopic if count < 6 => create(world, client, None).await,
        Change::CreateTopic => return,
        Change::DeleteTopic if count < 2 => return,
        Change::DeleteTopic => {
            world.topics.lock().remove(&place.0);
            delete_topic(world, client, &place.0).await
        }
        Change::RecreateTopic => recreate(world, client, &place.0).await,
        Change::AddPartitions if topic.partitions >= 4 => return,
        Change::AddPartitions => {
            add_partitions(world, client, &place.0, topic.partitions + 1).await
        }
        Change::DeleteRecords => {
            let end = world.oracle().asked(&place).high_watermark;
            let offset = i64::try_from(random.below(u64::try_from(end).unwrap_or(0) + 1));
            delete_records(world, client, &place, offset.unwrap_or(0)).await
        }
        Change::AlterConfig => alter(world, client, &place.0).await,
        Change::MoveReplica => {
            let dir = if random.chance(1, 2) { FIRM_DIR } else { FRAIL_DIR };
            world.moved.lock().insert(place.clone());
            move_replica(client, &place, dir).await
        }
        Change::DeleteGroup | Change::DeleteOffset => forget(world, client, change).await,
    };
    if result == Some(ErrorCode::None) {
        world.stats().changes += 1;
    }
    world.note("admin", &format!("{change:?} {place:?}: {result:?}"));
}

/// Deletes a topic and makes another of its name, at once or after some time.
async fn recreate(world: &World, client: &mut Client, name: &str) -> Option<ErrorCode> {
    world.topics.lock().remove(name);
    let deleted = delete_topic(world, client, name).await;
    world.note("admin", &format!("delete {name}: {deleted:?}"));
    if deleted != Some(ErrorCode::None) {
        return deleted;
    }
    if client.random.chance(1, 2) {
        world.pause(&client.random, 1_000).await;
    }
    create(world, client, Some(name)).await
}

/// Deletes a group, or something that it committed.
async fn forget(world: &World, client: &mut Client, change: Change) -> Option<ErrorCode> {
    let commits: Vec<(String, Place)> = world.oracle().commits.keys().cloned().collect();
    let at = usize::try_from(client.random.below(commits.len() as u64)).unwrap_or(0);
    let (group, place) = commits.get(at)?;
    let result = match change {
        Change::DeleteGroup if group == super::GROUP || group == super::MODERN_GROUP => {
            return None;
        }
        Change::DeleteGroup => delete_group(world, client, group).await,
        _ => delete_offset(world, client, group, place).await,
    };
    world.note("admin", &format!("{group} {place:?}"));
    result
}

/// Changes a setting. The oracle hears of what it changes about what must hold.
async fn alter(world: &World, client: &mut Client, name: &str) -> Option<ErrorCode> {
    let (key, value) = setting(world, &client.random);
    match key {
        "retention.ms" | "retention.bytes" => world.oracle().may_forget(name),
        "flush.messages" if value != "1" => world.oracle().syncs(name, Sync::No),
        _ => {}
    }
    let result = alter_topic(world, client, name, key, &value).await;
    let mut oracle = world.oracle();
    let is_synced = oracle.topics.get(name).is_some_and(|topic| topic.sync != Sync::No);
    if key == "flush.messages" && value == "1" && result == Some(ErrorCode::None) && !is_synced {
        oracle.syncs(name, Sync::Since(world.number()));
    }
    drop(oracle);
    world.note("admin", &format!("{name} {key}={value}"));
    result
}

fn setting(world: &World, random: &klamm_env::Random) -> (&'static str, String) {
    let up_to = |most: u64| (1 + random.below(most)).to_string();
    let may_forget = random.below(10) < world.plan.retention_topics;
    match random.below(10) {
        0 | 1 => ("internal.segment.bytes", up_to_segment(world, random)),
        2 => ("segment.ms", up_to(10_000)),
        3 => ("flush.ms", up_to(5_000)),
        4 => ("index.interval.bytes", up_to(4_000)),
        5 => ("flush.messages", "1".to_owned()),
        6 => ("flush.messages", i64::MAX.to_string()),
        7 if may_forget => ("retention.ms", (500 + random.below(5_000)).to_string()),
        8 if may_forget => ("retention.bytes", random.below(50_000).to_string()),
        _ => ("max.message.bytes", up_to_batch(world, random)),
    }
}

/// Large enough for a batch of one record, seldom for more.
fn up_to_batch(world: &World, random: &klamm_env::Random) -> String {
    let least = world.plan.value_bytes_max + 2 * OVERHEAD_BYTES;
    (least + random.below(4 * least)).to_string()
}

/// Large enough for any batch.
fn up_to_segment(world: &World, random: &klamm_env::Random) -> String {
    let least = 5 * (world.plan.value_bytes_max + OVERHEAD_BYTES);
    (least + random.below(world.plan.segment_bytes)).to_string()
}

/// Makes a topic, with a name of its own if none is given.
async fn create(world: &World, client: &mut Client, name: Option<&str>) -> Option<ErrorCode> {
    let random = client.random.clone();
    let name = name.map_or_else(|| format!("t{}", world.number()), str::to_owned);
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
    result
}

/// Tells everybody which topics there are.
pub(crate) async fn refresh(world: &World, client: &mut Client) {
    let Ok(found) = list_topics(world, client, WITH_IDS).await else { return };
    let mut oracle = world.oracle();
    let mut topics = world.topics.lock();
    topics.clear();
    for (name, (id, partitions)) in found {
        let Some(model) = oracle.topics.get_mut(&name) else { continue };
        model.id = id.or(model.id);
        if let Some(id) = model.id.filter(|_| !model.deletion_asked) {
            let partitions = i32::try_from(partitions).unwrap_or(0);
            topics.insert(name, Topic { id, partitions, era: model.era });
        }
    }
}
