//! Compaction through a real broker on a disk in memory: what one damaged log means for the others,
//! what the settings of brokers do at once and after a restart, and what limits and retention do.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use klamm::{
    Broker, Random, VirtualNet,
    client::{
        Client, ConfigResource, FetchOptions, Fetcher, Isolation, NewTopic, OffsetSpec,
        OutgoingRecord, Producer, ProducerOptions, ResourceType, TopicPartition,
    },
};
use klamm_env::Disk;
use tokio::time::Instant;

const SEED: u64 = 21;

async fn broker() -> Broker {
    let net = VirtualNet::new(Random::from_seed(SEED));
    Broker::builder().virtual_network(&net).seed(SEED).start().await.unwrap()
}

async fn create(client: &Client, topic: &str) {
    let configs = [("cleanup.policy", "compact"), ("internal.segment.bytes", "1000")];
    let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let new = NewTopic { partitions: Some(1), configs, ..NewTopic::new(topic) };
    for (_, result) in client.create_topics(&[new], false).await.unwrap() {
        result.unwrap();
    }
}

/// Sends records of three keys, each in a batch of its own.
async fn send(client: &Client, topic: &str, count: usize) {
    for n in 0..count {
        let mut producer = Producer::new(client.clone(), ProducerOptions::default());
        let record = OutgoingRecord::keyed(format!("k{}", n % 3), format!("{n:050}"));
        producer.send(topic, record).await.unwrap();
        producer.flush().await.unwrap();
    }
}

async fn count(client: &Client, topic: &str) -> usize {
    let mut fetcher = Fetcher::new(client.clone(), FetchOptions::default());
    let first = first_offset(client, topic).await;
    fetcher.assign(BTreeMap::from([(TopicPartition::new(topic, 0), Some(first))]));
    let (mut count, mut keys) = (0, BTreeSet::new());
    while !fetcher.is_at_end() {
        for record in fetcher.poll().await.unwrap() {
            count += 1;
            keys.insert(record.key);
        }
    }
    assert_eq!(keys.len(), 3, "every key is there");
    count
}

/// Waits until superseded records of a topic have gone.
async fn compacted(client: &Client, topic: &str) {
    let wait = async {
        while count(client, topic).await > 25 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}

async fn set(client: &Client, name: &str, key: &str, value: Option<&str>) {
    let resource = ConfigResource { kind: ResourceType::Broker, name: name.to_owned() };
    let change = (key.to_owned(), value.map(str::to_owned));
    client.alter_config(&resource, &[change], false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_does_not_keep_others_from_being_compacted() {
    let broker = broker().await;
    let client = broker.client();
    for topic in ["bad", "good"] {
        create(&client, topic).await;
        send(&client, topic, 50).await;
    }
    let log = Path::new("/klamm-data/bad-0/00000000000000000000.log");
    broker.disk().unwrap().flip_bit(log, 100).unwrap();
    compacted(&client, "good").await;
    let disk = broker.disk().unwrap();
    let size = |topic: &str| -> u64 {
        let files = disk.list(Path::new(&format!("/klamm-data/{topic}-0"))).unwrap();
        files.iter().filter(|file| file.name.ends_with(".log")).map(|file| file.len).sum()
    };
    let (good, bad) = (size("good"), size("bad"));
    assert!(
        3 * good < 2 * bad,
        "the damaged log is left as it is: {bad} bytes, the other has {good}"
    );
    // It takes part in everything else.
    send(&client, "bad", 5).await;
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn settings_of_brokers_take_effect_at_once_and_survive_a_restart() {
    let broker = broker().await;
    let client = broker.client();
    // So long that nothing is compacted, but for the change.
    set(&client, "", "log.cleaner.backoff.ms", Some("100000000")).await;
    create(&client, "t").await;
    send(&client, "t", 50).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(count(&client, "t").await, 50, "the cleaner rests");
    set(&client, "1", "log.cleaner.backoff.ms", Some("100")).await;
    compacted(&client, "t").await;
    let broker = broker.crash().start().await.unwrap();
    let client = broker.client();
    send(&client, "t", 50).await;
    compacted(&client, "t").await;
    set(&client, "1", "log.cleaner.backoff.ms", None).await;
    broker.stop().await.unwrap();
}

/// Of the records that were superseded those go, and of the others those that are old.
#[tokio::test(start_paused = true)]
async fn a_log_is_compacted_and_shortened() {
    let broker = broker().await;
    let client = broker.client();
    create(&client, "t").await;
    send(&client, "t", 50).await;
    compacted(&client, "t").await;
    let both = [("cleanup.policy", "compact,delete"), ("retention.ms", "600000")];
    let both: Vec<_> = both.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).into();
    let topic = ConfigResource { kind: ResourceType::Topic, name: "t".to_owned() };
    client.alter_config(&topic, &both, false).await.unwrap();
    send(&client, "t", 50).await;
    compacted(&client, "t").await;
    // Longer than what is kept, and than the pause between two looks at it.
    tokio::time::sleep(Duration::from_secs(1000)).await;
    // Begins a segment, so that all before it can go.
    send(&client, "t", 25).await;
    let gone = async {
        while first_offset(&client, "t").await < 90 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1000), gone).await.unwrap();
    assert!(count(&client, "t").await <= 35, "what is young is there");
    broker.stop().await.unwrap();
}

async fn first_offset(client: &Client, topic: &str) -> i64 {
    let of = BTreeMap::from([(TopicPartition::new(topic, 0), OffsetSpec::Earliest)]);
    let found = client.list_offsets(&of, Isolation::ReadUncommitted).await.unwrap();
    found.into_values().next().unwrap().offset.unwrap()
}

/// How long it takes until a log of some size is compacted.
async fn compaction_takes(settings: &[(&str, &str)]) -> Duration {
    let broker = broker().await;
    let client = broker.client();
    for (key, value) in settings {
        set(&client, "", key, Some(value)).await;
    }
    create(&client, "t").await;
    send(&client, "t", 200).await;
    let begun = Instant::now();
    compacted(&client, "t").await;
    let took = begun.elapsed();
    broker.stop().await.unwrap();
    took
}

#[tokio::test(start_paused = true)]
async fn compaction_takes_its_time_if_it_is_told_to() {
    let quick = compaction_takes(&[]).await;
    let slow = compaction_takes(&[("log.cleaner.io.max.bytes.per.second", "2000")]).await;
    assert!(slow > quick + Duration::from_secs(10), "{slow:?}, and {quick:?} without a limit");
}
