//! What clients of 0.9 to 2.0 ask for, request by request, and no client of today does.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

mod support;

use std::time::Duration;

use klamm::{
    Broker, Random, VirtualNet,
    client::{
        Client, Compression, CompressionType, NewTopic, OutgoingRecord, Producer, ProducerOptions,
    },
};
use klamm_protocol::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
        OffsetFetchResponse,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
    },
    records::{Batches, DecompressionLimit},
    wire::Message,
};

use support::Wire;

const SEED: u64 = 5;
const LIMIT: DecompressionLimit = DecompressionLimit(1 << 20);

/// What clients of that age ask.
impl Wire {
    /// What is found at `offset` by a fetch that takes so many bytes.
    async fn fetch(&mut self, version: i16, topic: &str, offset: i64, bytes_max: i32) -> String {
        let partition = FetchPartition {
            fetch_offset: offset,
            partition_max_bytes: bytes_max,
            ..FetchPartition::default()
        };
        let topic = FetchTopic {
            topic: topic.to_owned().into(),
            partitions: vec![partition],
            ..FetchTopic::default()
        };
        let request =
            FetchRequest { replica_id: -1, topics: vec![topic], ..FetchRequest::default() };
        let answer = self.call(version, &request).await;
        let response = FetchResponse::decode_exact(&answer, version).unwrap();
        show(&response.responses[0].partitions[0])
    }
}

/// The error; or the format and the records of each entry, and what is there of a cut one.
fn show(part: &PartitionData<'_>) -> String {
    if part.error_code != 0 {
        return ErrorCode::from_code(part.error_code).unwrap().name().to_owned();
    }
    let bytes = part.records.bytes();
    let mut shown = Vec::new();
    let mut entries = Batches::new(bytes);
    for entry in &mut entries {
        let view = entry.unwrap().view().unwrap();
        view.check_crc().unwrap();
        for record in &view.records(LIMIT).unwrap() {
            shown.push(format!("v{}:{}", view.magic(), record.unwrap().offset));
        }
    }
    if entries.truncated_bytes() > 0 {
        shown.push(format!("cut v{}", bytes[entries.position() + 16]));
    }
    shown.join(" ")
}

async fn produce(client: &Client, topic: &str, compression: Compression, sizes: &[usize]) {
    let options = ProducerOptions { compression, ..ProducerOptions::default() };
    let mut producer = Producer::new(client.clone(), options);
    for size in sizes {
        producer.send(topic, OutgoingRecord::value(vec![b'x'; *size])).await.unwrap();
    }
    producer.flush().await.unwrap();
}

async fn create(client: &Client, topic: &str, compression_type: &str) {
    let configs = [("compression.type".to_owned(), compression_type.to_owned())].into();
    let new = NewTopic { partitions: Some(1), configs, ..NewTopic::new(topic) };
    for (_, result) in client.create_topics(&[new], false).await.unwrap() {
        result.unwrap();
    }
}

/// A broker with three batches: two large records, four small ones, one compressed with zstd.
async fn broker() -> (Broker, Wire) {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let broker = Broker::builder().virtual_network(&net).seed(SEED).in_memory();
    let broker = broker.start().await.unwrap();
    let client = broker.client();
    create(&client, "t", "producer").await;
    produce(&client, "t", Compression::NONE, &[1000, 1000]).await;
    produce(&client, "t", Compression::NONE, &[1; 4]).await;
    produce(&client, "t", Compression::of(CompressionType::Zstd), &[1]).await;
    create(&client, "zstd", "zstd").await;
    produce(&client, "zstd", Compression::NONE, &[1]).await;
    let old = Wire::to(&net, &broker).await;
    (broker, old)
}

/// Each line: version, topic, offset and limit of a fetch, and what it finds.
async fn check(table: &str) {
    let (broker, mut old) = broker().await;
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (asked, want) = line.split_once(" => ").unwrap();
        let words: Vec<&str> = asked.split_whitespace().collect();
        let (version, offset) = (words[0].parse().unwrap(), words[2].parse().unwrap());
        let found = old.fetch(version, words[1], offset, words[3].parse().unwrap()).await;
        assert_eq!(found, want, "{line}");
    }
    broker.stop().await.unwrap();
}

/// Up to version 2 the first batch is cut, so that the client hears of its limit; from version 3 on
/// it is whole (KIP-74).
#[tokio::test(start_paused = true)]
async fn a_limit_below_the_first_batch() {
    check(
        "
        0 t 0 500 => cut v0
        1 t 0 500 => cut v0
        2 t 0 500 => cut v1
        2 t 4 50 => cut v1
        3 t 0 500 => v1:0 v1:1
        4 t 0 500 => v2:0 v2:1
        0 t 0 2100 => v0:0 v0:1
        ",
    )
    .await;
}

/// Old messages are larger than the records of new batches.
#[tokio::test(start_paused = true)]
async fn what_is_converted_keeps_to_the_limit() {
    check(
        "
        1 t 0 2200 => v0:0 v0:1 v0:2 v0:3 v0:4 v0:5
        2 t 0 2200 => v1:0 v1:1
        2 t 1 2200 => v1:1 v1:2 v1:3 v1:4 v1:5
        2 t 2 110 => v1:2 v1:3 v1:4 v1:5
        ",
    )
    .await;
}

/// Batches are sent as they are from version 4 on, as Kafka does: clients that do not know the codec
/// say so.
#[tokio::test(start_paused = true)]
async fn zstd_is_for_those_who_know_it() {
    check(
        "
        0 t 6 5000 => UNSUPPORTED_COMPRESSION_TYPE
        3 t 6 5000 => UNSUPPORTED_COMPRESSION_TYPE
        3 t 5 5000 => v1:5
        9 t 6 5000 => v2:6
        2 zstd 0 5000 => UNSUPPORTED_COMPRESSION_TYPE
        9 zstd 0 5000 => v2:0
        ",
    )
    .await;
}

/// Commits offset 7 of a partition for a time of its own (-1: the broker's).
async fn commit(old: &mut Wire, version: i16, partition: i32, retention_ms: i64) {
    let partition = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: 7,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        retention_time_ms: retention_ms,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let answer = old.call(version, &request).await;
    let response = OffsetCommitResponse::decode_exact(&answer, version).unwrap();
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}

async fn committed(old: &mut Wire, version: i16) -> Vec<i64> {
    let topic = OffsetFetchRequestTopic {
        name: "t".into(),
        partition_indexes: vec![0, 1, 2],
        ..OffsetFetchRequestTopic::default()
    };
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![topic]),
        ..OffsetFetchRequest::default()
    };
    let answer = old.call(version, &request).await;
    let response = OffsetFetchResponse::decode_exact(&answer, version).unwrap();
    let partitions = &response.topics[0].partitions;
    assert!(partitions.iter().all(|partition| partition.error_code == 0), "{response:?}");
    partitions.iter().map(|partition| partition.committed_offset).collect()
}

/// Versions 2 to 4 say how long the broker keeps an offset. Version 0, which once meant ZooKeeper,
/// is kept with the others.
#[tokio::test(start_paused = true)]
async fn offsets_live_as_long_as_their_commit_says() {
    let (broker, mut old) = broker().await;
    broker.client().create_partitions("t", 3, false).await.unwrap();
    // Finds the coordinator, which is made by that.
    assert!(broker.client().committed("g").await.unwrap().is_empty());
    commit(&mut old, 2, 0, 60_000).await;
    commit(&mut old, 4, 1, -1).await;
    commit(&mut old, 0, 2, -1).await;
    for version in [0, 1, 5] {
        assert_eq!(committed(&mut old, version).await, [7, 7, 7]);
    }
    let gone = tokio::time::timeout(Duration::from_secs(3600), async {
        while committed(&mut old, 1).await[0] != -1 {
            tokio::time::advance(Duration::from_secs(60)).await;
        }
    });
    gone.await.unwrap();
    assert_eq!(committed(&mut old, 0).await, [-1, 7, 7]);
    broker.stop().await.unwrap();
}
