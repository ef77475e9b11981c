//! The embedded broker and the client together, on a virtual network in virtual time.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use klamm::{
    Broker, LinkFaults, Random, VirtualNet,
    client::{
        Acks, Client, Compression, CompressionType, FetchOptions, Fetcher, GroupConsumer,
        GroupOptions, Isolation, NewTopic, OffsetSpec, OutgoingRecord, Producer, ProducerOptions,
        Record, Reset, TopicPartition,
    },
};

const SEED: u64 = 11;

async fn broker() -> (VirtualNet, Broker) {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let broker = Broker::builder().virtual_network(&net).seed(SEED).start().await.unwrap();
    (net, broker)
}

async fn create(client: &Client, topic: &str, partitions: i32) {
    let new = NewTopic { partitions: Some(partitions), ..NewTopic::new(topic) };
    for (_, result) in client.create_topics(&[new], false).await.unwrap() {
        result.unwrap();
    }
}

/// Every record of a topic.
async fn read_all(client: &Client, topic: &str, partitions: i32) -> Vec<Record> {
    let mut fetcher = Fetcher::new(client.clone(), FetchOptions::default());
    fetcher.assign((0..partitions).map(|p| (TopicPartition::new(topic, p), Some(0))).collect());
    let mut records = Vec::new();
    while !fetcher.is_at_end() {
        records.extend(fetcher.poll().await.unwrap());
    }
    records
}

fn number(record: &Record) -> u32 {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

/// Sends 2000 numbers and reads them: each is there once, each partition in order.
async fn check(options: ProducerOptions, faults: LinkFaults) {
    let (net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 3).await;
    net.set_faults(faults);
    let mut producer = Producer::new(client.clone(), options);
    for n in 0..2000_u32 {
        let record = match n % 2 {
            0 => OutgoingRecord::value(n.to_string()),
            _ => OutgoingRecord::keyed((n % 5).to_string(), n.to_string()),
        };
        producer.send("t", record).await.unwrap();
    }
    producer.flush().await.unwrap();
    let delivered: i32 = producer.deliveries().iter().map(|delivery| delivery.records).sum();
    assert_eq!(delivered, 2000);
    let records = read_all(&client, "t", 3).await;
    let distinct: BTreeSet<u32> = records.iter().map(number).collect();
    assert_eq!((records.len(), distinct.len()), (2000, 2000), "seed {SEED}");
    let mut last = BTreeMap::new();
    for record in &records {
        let before = last.insert(record.partition, (record.offset, number(record)));
        let is_next = before.is_none_or(|(o, n)| record.offset == o + 1 && number(record) > n);
        assert!(is_next, "{record:?} after {before:?}, seed {SEED}");
    }
    net.set_faults(LinkFaults::default());
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn records_arrive_once_and_in_order() {
    check(ProducerOptions::default(), LinkFaults::default()).await;
    let small = ProducerOptions { batch_bytes: 500, ..ProducerOptions::default() };
    check(small.clone(), LinkFaults::default()).await;
    for codec in [CompressionType::Gzip, CompressionType::Snappy, CompressionType::Zstd] {
        let compression = Compression::of(codec);
        check(ProducerOptions { compression, ..small.clone() }, LinkFaults::default()).await;
    }
    check(ProducerOptions { acks: Acks::Leader, ..small }, LinkFaults::default()).await;
}

/// Requests are sent again when links break; sequence numbers keep them from being written twice.
#[tokio::test(start_paused = true)]
async fn broken_links_write_nothing_twice() {
    let small = ProducerOptions { batch_bytes: 500, ..ProducerOptions::default() };
    let faults = LinkFaults { delay_us_max: 2000, break_ppm: 5000, chop: true };
    check(small, faults).await;
}

/// Polls until half of the partitions are this member's; nothing that was committed comes again.
async fn settle(member: &mut GroupConsumer) {
    let settled = tokio::time::timeout(Duration::from_secs(60), async {
        while member.positions().len() != 2 {
            assert_eq!(member.poll().await.unwrap(), []);
        }
    });
    settled.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn members_share_a_topic_and_go_on_where_they_stopped() {
    let (_net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 4).await;
    let mut producer = Producer::new(client.clone(), ProducerOptions::default());
    for n in 0..100_u32 {
        let partition = i32::try_from(n % 4).unwrap();
        let record = OutgoingRecord::value(n.to_string());
        let record = OutgoingRecord { partition: Some(partition), ..record };
        producer.send("t", record).await.unwrap();
    }
    producer.flush().await.unwrap();
    let options = || GroupOptions {
        fetch: FetchOptions { reset: Reset::Earliest, ..FetchOptions::default() },
        ..GroupOptions::new("g", vec!["t".to_owned()])
    };
    let mut first = GroupConsumer::new(client.clone(), options());
    let mut read = Vec::new();
    while read.len() < 100 {
        read.extend(first.poll().await.unwrap());
    }
    assert_eq!(first.positions().len(), 4);

    // The first hears of the second by a heartbeat, and commits before it gives partitions up.
    let mut second = GroupConsumer::new(client.clone(), options());
    tokio::join!(settle(&mut first), settle(&mut second));
    let members = client.describe_group("g").await.unwrap().members;
    assert_eq!(members.iter().map(|member| member.partitions.len()).collect::<Vec<_>>(), [2, 2]);

    first.close().await.unwrap();
    second.close().await.unwrap();
    let committed = client.committed("g").await.unwrap();
    assert_eq!(committed.values().map(|committed| committed.offset).sum::<i64>(), 100);
    client.delete_group("g").await.unwrap();
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn positions_that_are_gone_are_reset() {
    let (_net, broker) = broker().await;
    let client = broker.client();
    create(&client, "t", 1).await;
    let mut producer = Producer::new(client.clone(), ProducerOptions::default());
    producer.send("t", OutgoingRecord::value("1")).await.unwrap();
    producer.flush().await.unwrap();
    let at = TopicPartition::new("t", 0);
    let options = FetchOptions { reset: Reset::Earliest, ..FetchOptions::default() };
    let mut fetcher = Fetcher::new(client.clone(), options);
    fetcher.assign(BTreeMap::from([(at.clone(), Some(1000))]));
    let mut records = Vec::new();
    while records.is_empty() {
        records.extend(fetcher.poll().await.unwrap());
    }
    assert_eq!(records[0].offset, 0);
    let strict = FetchOptions { reset: Reset::Fail, ..FetchOptions::default() };
    let mut fetcher = Fetcher::new(client.clone(), strict);
    fetcher.assign(BTreeMap::from([(at.clone(), Some(1000))]));
    let error = fetcher.poll().await.unwrap_err().to_string();
    assert!(error.contains("OFFSET_OUT_OF_RANGE"), "{error}");
    let late = BTreeMap::from([(at.clone(), OffsetSpec::AtTime(i64::MAX))]);
    let listed = client.list_offsets(&late, Isolation::ReadUncommitted).await.unwrap();
    assert_eq!(listed[&at].offset, None);
    broker.stop().await.unwrap();
}

/// What was flushed to the disk outlives a power failure.
#[tokio::test(start_paused = true)]
async fn synced_records_outlive_a_crash() {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let builder = Broker::builder().virtual_network(&net).seed(SEED);
    let broker = builder.config("log.flush.interval.messages", "1").start().await.unwrap();
    let client = broker.client();
    create(&client, "t", 1).await;
    let mut producer = Producer::new(client, ProducerOptions::default());
    producer.send("t", OutgoingRecord::value("kept")).await.unwrap();
    producer.flush().await.unwrap();
    let broker = broker.crash().start().await.unwrap();
    let records = read_all(&broker.client(), "t", 1).await;
    let values: Vec<_> = records.iter().map(|record| record.value.as_deref().unwrap()).collect();
    assert_eq!(values, [&b"kept"[..]]);
    broker.stop().await.unwrap();
}
