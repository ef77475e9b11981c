//! Idempotent producers that do not wait: up to five batches are under way at a time. When a
//! connection breaks or a batch is refused for now, it and those after it are sent again, in order,
//! so that duplicates and gaps in the sequence numbers reach the broker.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use klamm_protocol::ErrorCode;

use super::producer::{RECORDS_MAX, judge, must_serve};
use crate::{
    calls::{OnItsWay, Produced, begin_produce, end_produce, new_batch, producer_id},
    client::Client,
    oracle::{Batch, Place},
    world::{Topic, World},
};

/// As many as a broker remembers to tell duplicates.
const IN_FLIGHT_MAX: usize = 5;

/// How often a batch is sent before its producer gives up.
const ATTEMPTS_MAX: u32 = 8;

/// A batch that is not acknowledged.
#[derive(Debug)]
struct Pending {
    place: Place,
    topic: Topic,
    batch: Batch,
    attempts: u32,
    /// None if it must be sent, perhaps again.
    on_its_way: Option<OnItsWay>,
    /// Whether it had to be served when it was sent.
    must: bool,
}

/// What a producer knows.
#[derive(Debug)]
struct Pipeline {
    id: (i64, i16),
    acks: i16,
    sequences: BTreeMap<Place, i32>,
    /// In the order of the sequence numbers of each partition. Those under way come first.
    pending: VecDeque<Pending>,
}

pub(crate) async fn produce_ahead(world: Arc<World>, name: String) {
    let mut client = world.client(&name);
    let random = client.random.clone();
    while world.is_running() {
        world.pause(&random, world.plan.think_ms).await;
        let Some(id) = producer_id(&world, &mut client).await else { continue };
        world.note(&name, &format!("producer id {id:?}"));
        let acks = if random.chance(1, 2) { 1 } else { -1 };
        let (sequences, pending) = (BTreeMap::new(), VecDeque::new());
        let mut pipeline = Pipeline { id, acks, sequences, pending };
        while world.is_running() && pipeline.go_on(&world, &mut client, &name).await {
            if random.chance(1, 100) {
                client.disconnect();
            }
        }
        // What became of the rest is not known: nothing may follow it under this id.
        client.disconnect();
    }
}

impl Pipeline {
    /// One step: sends what there is to send, then waits for an answer. False if the producer gives
    /// up.
    async fn go_on(&mut self, world: &World, client: &mut Client, name: &str) -> bool {
        if !client.is_connected() {
            self.pending.iter_mut().for_each(|pending| pending.on_its_way = None);
        }
        if !self.is_draining() {
            while self.pending.len() < IN_FLIGHT_MAX && !client.random.chance(1, 4) {
                let Some((place, topic)) = world.any_place(&client.random) else { break };
                self.add(world, client, place, topic);
            }
            let all_sent = self.send(world, client, name).await;
            if !all_sent || client.random.chance(1, 4) {
                world.pause(&client.random, 100 + world.plan.think_ms).await;
            }
        }
        self.hear(world, client, name).await
    }

    /// Whether something must be sent again, but not before what was sent after it is answered.
    fn is_draining(&self) -> bool {
        let again = |pending: &Pending| pending.attempts > 0 && pending.on_its_way.is_none();
        self.pending.iter().any(again) && self.pending.iter().any(|p| p.on_its_way.is_some())
    }

    fn add(&mut self, world: &World, client: &Client, place: Place, topic: Topic) {
        let sequence = self.sequences.entry(place.clone()).or_insert(0);
        let producer = (self.id.0, self.id.1, *sequence);
        let batch = new_batch(world, client, RECORDS_MAX, Some(producer));
        *sequence += i32::try_from(batch.count).unwrap_or(1);
        let (attempts, on_its_way, must) = (0, None, false);
        self.pending.push_back(Pending { place, topic, batch, attempts, on_its_way, must });
    }

    /// Sends what is not under way; false if the connection broke.
    async fn send(&mut self, world: &World, client: &mut Client, name: &str) -> bool {
        for pending in &mut self.pending {
            if pending.on_its_way.is_some() {
                continue;
            }
            let (place, topic, batch) = (&pending.place, pending.topic, &pending.batch);
            let is_first = pending.attempts == 0;
            pending.attempts += 1;
            pending.must = must_serve(world, place);
            let begun = begin_produce(world, client, (place, topic), batch, self.acks, is_first);
            match begun.await {
                Ok(on_its_way) => pending.on_its_way = Some(on_its_way),
                Err(produced) => {
                    world.note(
                        name,
                        &format!("{place:?} batch {} not sent: {produced:?}", batch.id),
                    );
                    return false;
                }
            }
        }
        true
    }

    /// Waits for the answer to the first batch; false if the producer gives up.
    async fn hear(&mut self, world: &World, client: &mut Client, name: &str) -> bool {
        let Some(first) = self.pending.iter().position(|pending| pending.on_its_way.is_some())
        else {
            world.pause(&client.random, 100).await;
            return self.pending.iter().all(|pending| pending.attempts < ATTEMPTS_MAX);
        };
        let pending = &mut self.pending[first];
        let Some(on_its_way) = pending.on_its_way.take() else { return false };
        let (place, batch) = (&pending.place, &pending.batch);
        let produced = end_produce(world, client, place, batch, on_its_way).await;
        let what = format!("{place:?} batch {} x{} ahead", batch.id, batch.count);
        world.note(name, &format!("{what}, of {}: {produced:?}", self.pending.len()));
        let pending = &self.pending[first];
        judge(world, &pending.place, produced, pending.must);
        match produced {
            Produced::Acknowledged(_) => {
                world.stats().batches += 1;
                self.pending.remove(first);
                true
            }
            Produced::Refused(
                ErrorCode::InvalidProducerEpoch
                | ErrorCode::MessageTooLarge
                | ErrorCode::UnknownTopicId
                | ErrorCode::UnknownTopicOrPartition,
            ) => false,
            _ => pending.attempts < ATTEMPTS_MAX,
        }
    }
}
