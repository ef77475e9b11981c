//! Transactions in a compacted topic, over TCP: the last committed value of every key stays, what
//! was aborted is never read, and goes.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use klamm::{
    Broker,
    client::{
        Client, FetchOptions, Fetcher, Isolation, NewTopic, OutgoingRecord, Producer,
        ProducerOptions, TopicPartition,
    },
};
use klamm_env::net::TcpNet;
use klamm_protocol::{
    ErrorCode,
    messages::{
        EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest, ProduceRequest,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{BatchBuilder, BatchOptions, NewRecord},
    wire::{Message, Records, Request},
};
use tokio::time::Instant;

use support::Wire;

const TOPIC: &str = "t";
const ID: &str = "changer";
const BOUND: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
const KEYS: usize = 3;
const TRANSACTIONS: usize = 60;

/// A transactional producer of transactions of version 2 (KIP-890).
struct Transactor {
    wire: Wire,
    producer_id: i64,
    epoch: i16,
}

impl Transactor {
    async fn new(broker: &Broker) -> Self {
        let wire = Wire::to(&TcpNet, broker).await;
        let mut new = Self { wire, producer_id: -1, epoch: -1 };
        let find = FindCoordinatorRequest {
            key_type: 1,
            coordinator_keys: vec![ID.into()],
            ..Default::default()
        };
        let init = InitProducerIdRequest {
            transactional_id: Some(ID.into()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let end = Instant::now() + BOUND;
        while new.producer_id < 0 {
            assert!(Instant::now() < end, "no coordinator");
            new.call(4, &find, |_| ()).await;
            let got = new.call(5, &init, |a| (a.error_code, a.producer_id, a.producer_epoch));
            if let (0, id, epoch) = got.await {
                (new.producer_id, new.epoch) = (id, epoch);
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
        new
    }

    async fn call<R, T>(
        &mut self,
        version: i16,
        request: &R,
        read: impl for<'a> FnOnce(R::Response<'a>) -> T,
    ) -> T
    where
        R: Request<'static>,
    {
        let answer = self.wire.call(version, request).await;
        read(R::Response::decode_exact(&answer, version).unwrap())
    }

    /// One transaction with one record.
    async fn transact(&mut self, key: &str, value: &str, committed: bool) {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: 0,
            is_transactional: true,
            ..Default::default()
        });
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        builder.append(&NewRecord { key, value, ..Default::default() }).unwrap();
        let records = Records::Slice(builder.build().unwrap().into());
        let data = PartitionProduceData { index: 0, records, ..Default::default() };
        let topic = TopicProduceData {
            name: TOPIC.into(),
            partition_data: vec![data],
            ..Default::default()
        };
        let produce = ProduceRequest {
            transactional_id: Some(ID.into()),
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        // The transaction before may still be ending.
        loop {
            let code = |a: klamm_protocol::messages::ProduceResponse<'_>| {
                a.responses[0].partition_responses[0].error_code
            };
            match self.call(12, &produce, code).await {
                0 => break,
                code => assert_eq!(code, ErrorCode::ConcurrentTransactions.code()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        let end = EndTxnRequest {
            transactional_id: ID.into(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
            ..Default::default()
        };
        let ended = |a: klamm_protocol::messages::EndTxnResponse<'_>| {
            (a.error_code, a.producer_id, a.producer_epoch)
        };
        let (code, id, epoch) = self.call(5, &end, ended).await;
        assert_eq!(code, 0);
        (self.producer_id, self.epoch) = (id, epoch);
    }
}

/// The last value of every key, and how many records there are.
async fn read(client: &Client, isolation: Isolation) -> (BTreeMap<String, String>, usize) {
    let options = FetchOptions { isolation, ..FetchOptions::default() };
    let mut fetcher = Fetcher::new(client.clone(), options);
    fetcher.assign(BTreeMap::from([(TopicPartition::new(TOPIC, 0), Some(0))]));
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let (mut last, mut count) = (BTreeMap::new(), 0);
    while !fetcher.is_at_end() {
        for record in fetcher.poll().await.unwrap() {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            last.insert(text(key), text(value));
            count += 1;
        }
    }
    (last, count)
}

async fn create(client: &Client) {
    let configs = [("cleanup.policy", "compact"), ("internal.segment.bytes", "2000")];
    let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let new = NewTopic { partitions: Some(1), configs, ..NewTopic::new(TOPIC) };
    for (_, result) in client.create_topics(&[new], false).await.unwrap() {
        result.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_committed_value_stays() {
    let broker = Broker::builder().in_memory().listen("127.0.0.1:0");
    let broker = broker.config("log.cleaner.backoff.ms", "50").start().await.unwrap();
    let client = broker.client();
    create(&client).await;
    let mut transactor = Transactor::new(&broker).await;
    let mut wanted = BTreeMap::new();
    for number in 0..TRANSACTIONS {
        let (key, value) = (format!("k{}", number % KEYS), format!("{number:040}"));
        // Every other round of the keys is aborted.
        let committed = (number / KEYS).is_multiple_of(2);
        transactor.transact(&key, &value, committed).await;
        if committed {
            wanted.insert(key, value);
        }
    }
    let compacted = async {
        loop {
            // Closes the segment, and is the last value of its key.
            let mut producer = Producer::new(client.clone(), ProducerOptions::default());
            producer.send(TOPIC, OutgoingRecord::keyed("other", "o".repeat(500))).await.unwrap();
            producer.flush().await.unwrap();
            wanted.insert("other".to_owned(), "o".repeat(500));
            let (last, count) = read(&client, Isolation::ReadCommitted).await;
            assert_eq!(last, wanted);
            let all = read(&client, Isolation::ReadUncommitted).await.1;
            if count < 2 * KEYS + 10 && all == count {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(BOUND, compacted).await.unwrap();
    drop(broker.crash());
}
