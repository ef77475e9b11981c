//! Requests that are sent before others are answered.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

mod support;

use std::borrow::Cow;

use klamm::{
    Broker,
    client::{Client, NewTopic},
};
use klamm_env::net::TcpNet;
use klamm_protocol::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse, ProduceRequest, ProduceResponse,
        fetch_request::{FetchPartition, FetchTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::builder::{BatchBuilder, BatchOptions, NewRecord},
    wire::{Message, Reader, Records},
};

use support::Wire;

const FETCH: i16 = 12;
const PRODUCE: i16 = 9;

async fn create(client: &Client, topic: &str) {
    let new = NewTopic { partitions: Some(1), ..NewTopic::new(topic) };
    for (_, created) in client.create_topics(&[new], false).await.unwrap() {
        created.unwrap();
    }
}

/// A fetch that waits for records.
fn fetch() -> FetchRequest<'static> {
    let partition = FetchPartition {
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: Cow::Borrowed("t"),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    FetchRequest {
        max_wait_ms: 200,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}

fn produce(value_bytes: usize) -> ProduceRequest<'static> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = vec![b'v'; value_bytes];
    let record = NewRecord { timestamp: 1, key: None, value: Some(&value), headers: &[] };
    builder.append(&record).unwrap();
    let records = Records::Slice(Cow::Owned(builder.build().unwrap()));
    let data = TopicProduceData {
        name: Cow::Borrowed("t"),
        partition_data: vec![PartitionProduceData { records, ..Default::default() }],
        ..TopicProduceData::default()
    };
    ProduceRequest { acks: 1, timeout_ms: 1000, topic_data: vec![data], ..Default::default() }
}

fn offset_of(answer: &[u8]) -> i64 {
    let produced = ProduceResponse::decode(&mut Reader::new(answer), PRODUCE).unwrap();
    let part = &produced.responses[0].partition_responses[0];
    assert_eq!(part.error_code, ErrorCode::None.code());
    part.base_offset
}

/// Produces behind a fetch that waits, twice: both come after its answer, in their order.
async fn check(value_bytes: usize) {
    let broker = Broker::builder().in_memory().listen("127.0.0.1:0").start().await.unwrap();
    create(&broker.client(), "t").await;
    let mut wire = Wire::to(&TcpNet, &broker).await;
    wire.send(FETCH, &fetch()).await;
    for _ in 0..2 {
        wire.send(PRODUCE, &produce(value_bytes)).await;
    }
    let answer = wire.answer::<FetchRequest<'_>>(FETCH).await;
    let fetched = FetchResponse::decode(&mut Reader::new(&answer), FETCH).unwrap();
    assert_eq!(fetched.responses[0].partitions[0].high_watermark, 0, "{value_bytes} bytes");
    for offset in 0..2 {
        let answer = wire.answer::<ProduceRequest<'_>>(PRODUCE).await;
        assert_eq!(offset_of(&answer), offset, "{value_bytes} bytes");
    }
    let answer = wire.call(PRODUCE, &produce(value_bytes)).await;
    assert_eq!(offset_of(&answer), 2, "{value_bytes} bytes");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_sent_behind_a_request_that_waits_is_answered_after_it() {
    for value_bytes in [10, 16 << 10, 100_000, 700_000] {
        check(value_bytes).await;
    }
}
