//! Transactional producers of both versions, their former selves that do not know that they are
//! fenced, and readers of what is committed.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::ErrorCode;

use crate::{
    calls::{
        Producer, TxnTopic, add_partition, end_transaction, init_transactions,
        produce_in_transaction, read_committed,
    },
    client::Client,
    oracle::{Fate, value_of},
    world::World,
};

/// The partitions of the topic of the transactions.
pub(crate) const PARTITIONS: i32 = 2;

/// How often something is tried before the producer begins anew.
const ATTEMPTS_MAX: u32 = 8;

/// A producer.
struct Transactor {
    world: Arc<World>,
    client: Client,
    name: String,
    topic: TxnTopic,
    /// Whether it keeps to transactions version 2.
    bumps: bool,
    producer: Producer,
    sequences: BTreeMap<i32, i32>,
    number: u64,
}

/// Runs transactions one after the other.
pub(crate) async fn transact(world: Arc<World>, name: String) {
    let Some(topic) = world.txn_topic.lock().clone() else { return };
    let client = world.client(&name);
    let random = client.random.clone();
    let bumps = random.chance(1, 2);
    let (producer, sequences) = ((-1, -1), BTreeMap::new());
    let mut this = Transactor { world, client, name, topic, bumps, producer, sequences, number: 0 };
    while this.world.is_running() {
        this.world.pause(&random, this.world.plan.think_ms).await;
        let former = this.producer;
        let begun = init_transactions(&mut this.client, &this.name).await;
        this.world.note(&this.name, &format!("begins: {begun:?}"));
        let Some(Ok(producer)) = begun else { continue };
        this.begin(producer);
        if former.0 >= 0 && random.chance(1, 2) {
            this.haunt(former).await;
        }
        while this.world.is_running() && this.run().await && !random.chance(1, 12) {
            this.world.pause(&random, this.world.plan.think_ms).await;
        }
    }
}

impl Transactor {
    fn begin(&mut self, producer: Producer) {
        self.producer = producer;
        self.sequences.clear();
    }

    /// What a former producer of the id asks for, which must not be done.
    async fn haunt(&mut self, former: Producer) {
        let index = i32::from(self.client.random.chance(1, 2));
        let values = [value_of(&self.name, 0, 0)];
        let at = (&self.topic, index);
        let (client, id, bumps) = (&mut self.client, &self.name, self.bumps);
        let produced = produce_in_transaction(client, id, (former, 0), at, bumps, &values).await;
        let ended = end_transaction(client, id, former, true, bumps).await;
        self.world.note(&self.name, &format!("{former:?} was fenced: {produced:?} {ended:?}"));
        if produced == Some(ErrorCode::None) || matches!(ended, Some(Ok(_))) {
            let what = format!("{} as {former:?}: {produced:?} {ended:?}", self.name);
            self.world.oracle().fenced_served(what);
        }
    }

    /// One transaction; false if the producer must begin anew.
    async fn run(&mut self) -> bool {
        self.number += 1;
        self.world.oracle().transaction_begun(&self.name, self.number);
        let mut added = [false; PARTITIONS as usize];
        let mut record = 0;
        let mut is_whole = true;
        for _ in 0..1 + self.client.random.below(4) {
            let index = i32::from(self.client.random.chance(1, 2));
            let is_added = &mut added[usize::try_from(index).unwrap_or(0)];
            if !self.bumps && !std::mem::replace(is_added, true) && !self.add(index).await {
                is_whole = false;
                break;
            }
            let count = 1 + self.client.random.below(3);
            let values: Vec<String> =
                (0..count).map(|at| value_of(&self.name, self.number, record + at)).collect();
            record += count;
            if !self.write(index, &values).await {
                is_whole = false;
                break;
            }
        }
        let committed = is_whole && self.client.random.chance(3, 4);
        self.end(committed).await && is_whole
    }

    async fn add(&mut self, index: i32) -> bool {
        for _ in 0..ATTEMPTS_MAX {
            let at = (&self.topic, index);
            match add_partition(&mut self.client, &self.name, self.producer, at).await {
                Some(ErrorCode::None) => return true,
                Some(ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch) => return false,
                _ => self.world.pause(&self.client.random, 200).await,
            }
        }
        false
    }

    async fn write(&mut self, index: i32, values: &[String]) -> bool {
        let sequence = *self.sequences.entry(index).or_insert(0);
        for _ in 0..ATTEMPTS_MAX {
            let (at, of) = ((&self.topic, index), (self.producer, sequence));
            let (client, id) = (&mut self.client, &self.name);
            let error = produce_in_transaction(client, id, of, at, self.bumps, values).await;
            let number = self.number;
            self.world.note(&self.name, &format!("{number} {values:?} in {index}: {error:?}"));
            match error {
                Some(ErrorCode::None) => {
                    let next = sequence + i32::try_from(values.len()).unwrap_or(0);
                    self.sequences.insert(index, next);
                    self.world.oracle().transaction_has(&self.name, self.number, index, values);
                    self.world.stats().batches += 1;
                    return true;
                }
                Some(
                    ErrorCode::InvalidProducerEpoch
                    | ErrorCode::InvalidTxnState
                    | ErrorCode::TransactionAbortable
                    | ErrorCode::OutOfOrderSequenceNumber
                    | ErrorCode::InvalidProducerIdMapping,
                ) => return false,
                _ => self.world.pause(&self.client.random, 200).await,
            }
        }
        false
    }

    /// Ends the transaction; false if the producer must begin anew.
    async fn end(&mut self, committed: bool) -> bool {
        let number = self.number;
        if committed {
            self.world.oracle().transaction_ends(&self.name, number, Fate::Unknown);
        }
        for _ in 0..ATTEMPTS_MAX {
            let (client, id) = (&mut self.client, &self.name);
            let ended = end_transaction(client, id, self.producer, committed, self.bumps).await;
            self.world.note(&self.name, &format!("{number} commit={committed}: {ended:?}"));
            match ended {
                Some(Ok(producer)) => {
                    if committed {
                        self.world.oracle().transaction_ends(&self.name, number, Fate::Committed);
                    }
                    if self.bumps {
                        self.begin(producer);
                    }
                    return true;
                }
                Some(Err(
                    ErrorCode::ProducerFenced
                    | ErrorCode::InvalidProducerEpoch
                    | ErrorCode::InvalidTxnState
                    | ErrorCode::InvalidProducerIdMapping,
                )) => return false,
                _ => self.world.pause(&self.client.random, 200).await,
            }
        }
        false
    }
}

/// Reads what is committed, again and again from anywhere.
pub(crate) async fn watch(world: Arc<World>, name: String) {
    let Some(topic) = world.txn_topic.lock().clone() else { return };
    let mut client = world.client(&name);
    let random = client.random.clone();
    let mut next = [0; PARTITIONS as usize];
    while world.is_running() {
        world.pause(&random, world.plan.think_ms).await;
        for index in 0..PARTITIONS {
            let at = &mut next[usize::try_from(index).unwrap_or(0)];
            match read_committed(&mut client, (&topic, index), *at).await {
                Some(found) => {
                    world.oracle().committed_read(index, &found.values);
                    *at = found.next;
                }
                None => *at = 0,
            }
            if random.chance(1, 10) {
                *at = 0;
            }
        }
    }
}
