//! Producers: plain ones, which may write a batch twice, and idempotent ones, which must not.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::ErrorCode;

use crate::{
    calls::{Produced, new_batch, produce, producer_id},
    client::Client,
    machine::FIRM_DIR,
    oracle::{Batch, Place},
    world::{Topic, World},
};

/// How often a batch is sent before its producer gives up.
const ATTEMPTS_MAX: u64 = 6;

/// The most records in a batch.
pub(super) const RECORDS_MAX: u64 = 4;

pub(crate) async fn plain(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    while world.is_running() {
        world.pause(&random, world.plan.think_ms).await;
        let Some((place, topic)) = world.any_place(&random) else { continue };
        let batch = new_batch(&world, &client, RECORDS_MAX, None);
        let acks = [1, 1, -1, 0][usize::try_from(random.below(4)).unwrap_or(0)];
        let attempts = if acks == 0 { 1 } else { 1 + random.below(ATTEMPTS_MAX) };
        send(&world, &mut client, &name, (&place, topic), batch, acks, attempts).await;
    }
}

pub(crate) async fn idempotent(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    let mut identity = None;
    let mut sequences: BTreeMap<Place, i32> = BTreeMap::new();
    let mut last: Option<(Place, Topic, Batch)> = None;
    while world.is_running() {
        world.pause(&random, world.plan.think_ms).await;
        let Some((id, epoch)) = identity else {
            identity = producer_id(&world, &mut client).await;
            sequences.clear();
            world.note(&name, &format!("producer id {identity:?}"));
            continue;
        };
        if random.chance(1, 4)
            && let Some((place, topic, batch)) = &last
        {
            // As if the answer had been lost: it must be known as a duplicate, restart or not.
            repeat(&world, &mut client, &name, (place, *topic), batch).await;
            continue;
        }
        let Some((place, topic)) = world.any_place(&random) else { continue };
        let sequence = sequences.entry(place.clone()).or_insert(0);
        let batch = new_batch(&world, &client, RECORDS_MAX, Some((id, epoch, *sequence)));
        let acks = if random.chance(1, 2) { 1 } else { -1 };
        let attempts = 1 + random.below(ATTEMPTS_MAX);
        if send(&world, &mut client, &name, (&place, topic), batch, acks, attempts).await {
            *sequence += i32::try_from(batch.count).unwrap_or(1);
            last = Some((place, topic, batch));
        } else {
            // What became of it is not known: nothing may follow it under this id.
            identity = None;
        }
        if random.chance(1, 60) {
            identity = None;
        }
    }
}

/// Sends a batch again that was acknowledged.
async fn repeat(
    world: &World,
    client: &mut Client,
    name: &str,
    (place, topic): (&Place, Topic),
    batch: &Batch,
) {
    let produced = produce(world, client, (place, topic), batch, 1, false).await;
    world.note(name, &format!("{place:?} batch {} once more: {produced:?}", batch.id));
}

/// Sends a batch until it is acknowledged; false if the producer gives up.
async fn send(
    world: &World,
    client: &mut Client,
    name: &str,
    (place, topic): (&Place, Topic),
    batch: Batch,
    acks: i16,
    attempts: u64,
) -> bool {
    let mut is_first = true;
    for _ in 0..attempts {
        let must = must_serve(world, place);
        let produced = produce(world, client, (place, topic), &batch, acks, is_first).await;
        is_first = false;
        let what = format!("{place:?} batch {} x{} acks={acks}", batch.id, batch.count);
        world.note(name, &format!("{what}: {produced:?}"));
        judge(world, place, produced, must);
        match produced {
            Produced::Acknowledged(_) => {
                world.stats().batches += 1;
                return true;
            }
            Produced::Refused(
                ErrorCode::OutOfOrderSequenceNumber
                | ErrorCode::InvalidProducerEpoch
                | ErrorCode::UnknownProducerId
                | ErrorCode::MessageTooLarge
                | ErrorCode::UnknownTopicId
                | ErrorCode::UnknownTopicOrPartition,
            ) => return false,
            _ => {}
        }
        world.pause(&client.random, 100 + world.plan.think_ms).await;
    }
    false
}

/// Whether a partition must be served although a directory is broken: it is in the other one, and
/// was never told to leave it.
pub(super) fn must_serve(world: &World, place: &Place) -> bool {
    if world.moved.lock().contains(place) {
        return false;
    }
    let dir = format!("{FIRM_DIR}/{}-{}", place.0, place.1);
    world.broken.lock().is_some() && klamm_env::Disk::exists(&world.disk, dir.as_ref())
}

/// While one directory is broken, a partition in the other must not be refused because of it.
/// `must` says that it had to be served when it was asked.
pub(super) fn judge(world: &World, place: &Place, produced: Produced, must: bool) {
    let is_refused = produced == Produced::Unknown(Some(ErrorCode::KafkaStorageError));
    if must && is_refused && must_serve(world, place) {
        world.oracle().refused_without_reason(format!("{place:?} is in {FIRM_DIR}"));
    }
}
