//! Many transactional producers on bare sockets, each with one transaction after the other, as the
//! newest clients do it (transactions of version 2, KIP-890): a produce request that adds its
//! partitions by itself, and the end, which gives the epoch for the next transaction.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use klamm_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::messages::{
    EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest, ProduceRequest,
};
use klamm_protocol::records::{BatchBuilder, BatchOptions, NewRecord};
use klamm_protocol::wire::Records;
use serde_json::Value;

use crate::Target;
use crate::meter::{Counter, Meter};
use crate::payload::{Kind, Payloads};
use crate::wire::{Connection, PATIENCE, decode};

const FIND_COORDINATOR_VERSION: i16 = 4;
const KEY_TYPE_TRANSACTION: i8 = 1;
const INIT_PRODUCER_ID_VERSION: i16 = 5;
/// The first versions of transactions of version 2, with topics by name.
const PRODUCE_VERSION: i16 = 12;
const END_TXN_VERSION: i16 = 5;
/// The transaction before is still being ended: to be tried again.
const CONCURRENT_TRANSACTIONS: i16 = 51;
/// The pause before that.
const RETRY_PAUSE: Duration = Duration::from_millis(1);
/// The pause while the coordinator comes up.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(20);
const TRANSACTION_TIMEOUT_MS: i32 = 60_000;

/// Options of `load transact`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Producers, each with a transactional id and a connection of its own.
    #[arg(long, default_value_t = 100)]
    producers: u32,
    /// Records in a transaction, each to another partition.
    #[arg(long, default_value_t = 2)]
    records: i32,
}

/// One transactional producer.
struct Transactor<'a> {
    options: &'a Options,
    connection: Connection,
    id: String,
    producer_id: i64,
    epoch: i16,
    payloads: Payloads,
    /// Partition of the next record.
    next: i32,
}

impl<'a> Transactor<'a> {
    fn new(options: &'a Options, number: u32) -> Result<Self> {
        let mut connection = Connection::open(&options.target.bootstrap)?;
        let id = format!("{}-{number}", options.target.topic);
        let (producer_id, epoch) = init(&mut connection, &id)?;
        let payloads = Payloads::new(Kind::Random, options.record_bytes, number.into());
        let next = i32::try_from(number)? % options.target.partitions;
        Ok(Transactor { options, connection, id, producer_id, epoch, payloads, next })
    }

    /// One transaction, from its first record to the answer to its commit.
    fn transact(&mut self) -> Result<()> {
        let data = (0..self.options.records).map(|_| self.data()).collect::<Result<_>>()?;
        let topic = TopicProduceData {
            name: self.options.target.topic.clone().into(),
            partition_data: data,
            ..TopicProduceData::default()
        };
        let produce = ProduceRequest {
            transactional_id: Some(self.id.clone().into()),
            acks: -1,
            timeout_ms: TRANSACTION_TIMEOUT_MS,
            topic_data: vec![topic],
            ..ProduceRequest::default()
        };
        let end = Instant::now() + PATIENCE;
        while !self.produce(&produce)? {
            ensure!(Instant::now() < end, "the transaction before does not end");
            std::thread::sleep(RETRY_PAUSE);
        }
        self.commit()
    }

    /// One record to the next partition. Each transaction has its own epoch, in which sequence
    /// numbers begin again.
    fn data(&mut self) -> Result<PartitionProduceData<'static>> {
        let options = BatchOptions {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: 0,
            is_transactional: true,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(&NewRecord { value: Some(self.payloads.next()), ..NewRecord::default() })?;
        let index = self.next;
        self.next = (self.next + 1) % self.options.target.partitions;
        let records = Records::Slice(builder.build()?.into());
        Ok(PartitionProduceData { index, records, ..PartitionProduceData::default() })
    }

    /// Whether it was taken; else it is to be sent again.
    fn produce(&mut self, request: &ProduceRequest<'_>) -> Result<bool> {
        let frame = self.connection.call(PRODUCE_VERSION, request)?;
        let answer = decode::<ProduceRequest<'_>>(PRODUCE_VERSION, &frame)?;
        let each = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        match each.map(|partition| partition.error_code).find(|code| *code != 0) {
            None => Ok(true),
            Some(CONCURRENT_TRANSACTIONS) => Ok(false),
            Some(code) => bail!("producing: error {code}"),
        }
    }

    fn commit(&mut self) -> Result<()> {
        let request = EndTxnRequest {
            transactional_id: self.id.clone().into(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed: true,
            ..EndTxnRequest::default()
        };
        let frame = self.connection.call(END_TXN_VERSION, &request)?;
        let answer = decode::<EndTxnRequest<'_>>(END_TXN_VERSION, &frame)?;
        ensure!(answer.error_code == 0, "committing: error {}", answer.error_code);
        (self.producer_id, self.epoch) = (answer.producer_id, answer.producer_epoch);
        Ok(())
    }
}

/// The producer's id and epoch, as soon as there is a coordinator.
fn init(connection: &mut Connection, id: &str) -> Result<(i64, i16)> {
    let find = FindCoordinatorRequest {
        key_type: KEY_TYPE_TRANSACTION,
        coordinator_keys: vec![id.into()],
        ..FindCoordinatorRequest::default()
    };
    let request = InitProducerIdRequest {
        transactional_id: Some(id.into()),
        transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
        ..InitProducerIdRequest::default()
    };
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        // Looking for the coordinator is what makes its topic.
        connection.call(FIND_COORDINATOR_VERSION, &find)?;
        let frame = connection.call(INIT_PRODUCER_ID_VERSION, &request)?;
        let answer = decode::<InitProducerIdRequest<'_>>(INIT_PRODUCER_ID_VERSION, &frame)?;
        if answer.error_code == 0 {
            return Ok((answer.producer_id, answer.producer_epoch));
        }
        std::thread::sleep(COORDINATOR_PAUSE);
    }
    bail!("{id} gets no producer id after {PATIENCE:?}")
}

/// Runs transactions until the time is over. A transaction counts as one request. The clock starts
/// when all producers have their ids.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let target = &options.target;
    let mut admin = Connection::open(&target.bootstrap)?;
    target.create(&mut admin)?;
    let meter = Meter::new();
    let ready = Barrier::new(options.producers as usize + 1);
    let report = std::thread::scope(|scope| {
        for number in 0..options.producers {
            let (meter, ready) = (Arc::clone(&meter), &ready);
            scope.spawn(move || {
                let counter = meter.counter();
                if let Err(error) = transact_all(options, number, ready, &counter) {
                    counter.fail(format!("producer {number}: {error:#}"));
                }
            });
        }
        ready.wait();
        meter.measure(target)
    });
    target.delete(&mut admin)?;
    Ok(report?.into_json())
}

fn transact_all(options: &Options, number: u32, ready: &Barrier, counter: &Counter) -> Result<()> {
    let transactor = Transactor::new(options, number);
    // One that failed is waited for as well, or the others would wait for ever.
    ready.wait();
    let mut transactor = transactor?;
    let records = u64::try_from(options.records)?;
    let bytes = records * options.record_bytes as u64;
    while !counter.is_stopped() {
        let start = Instant::now();
        transactor.transact()?;
        let mut tally = counter.tally();
        tally.add(1, records, bytes);
        tally.took(start.elapsed());
    }
    Ok(())
}
