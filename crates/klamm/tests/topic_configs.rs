//! The effect of every topic config, through a real broker on a disk in memory: what is seen of a
//! topic without it, and with it.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use klamm::{
    Broker, Random, VirtualNet,
    client::{
        Client, ClientError, FetchOptions, Fetcher, Isolation, NewTopic, OffsetSpec,
        OutgoingRecord, Producer, ProducerOptions, Record, TopicPartition,
    },
};
use klamm_config::{Effect, Scope, keys};
use klamm_env::{Disk, disk::Open};

const TOPIC: &str = "t";

/// A key, its value, what else is set in both topics, what is looked at, and what is seen without
/// the key and with it.
struct Row {
    key: &'static str,
    value: &'static str,
    base: &'static [(&'static str, &'static str)],
    look: Look,
    seen: Seen,
}

/// What is done with a topic, and what of it is looked at.
#[derive(Clone, Copy)]
enum Look {
    /// Whether records that were superseded go.
    Compaction,
    /// The same, once most of the log is clean.
    CompactionOfLittle,
    /// Whether a tombstone is there ten seconds after it was compacted.
    Tombstone,
    /// The codec of the first batch on disk.
    Codec,
    /// Bytes of the first segment.
    Size,
    /// Whether files that left the log are there a second later.
    DeletedFiles,
    /// Records that a power failure leaves, two seconds after they were sent.
    AfterPowerLoss,
    /// Bytes of the offset index of the first segment.
    Index,
    /// What becomes of a record of 1000 bytes.
    Large,
    /// What becomes of a record with a time ten minutes from now.
    Future,
    /// What becomes of a record of an hour ago.
    Past,
    /// Whose time a record has.
    Time,
    /// What becomes of a record without further ado.
    Send,
    /// The log start offset, ten seconds after 50 records were sent in as many batches.
    Start,
    /// Segments after 4 MiB were sent at once.
    Segments,
    /// Segments after a record a second for ten seconds.
    SegmentsByTime,
    /// What the creation of the topic is answered with.
    Creation,
}

enum Seen {
    Are(&'static str, &'static str),
    Less,
    More,
}

const SMALL: (&str, &str) = ("internal.segment.bytes", "1000");
const COMPACT: (&str, &str) = ("cleanup.policy", "compact");

const fn row(
    key: &'static str,
    value: &'static str,
    base: &'static [(&'static str, &'static str)],
    look: Look,
    seen: Seen,
) -> Row {
    Row { key, value, base, look, seen }
}

/// The rows, in the order of the keys.
const ROWS: &[Row] = &[
    row("cleanup.policy", "compact", &[SMALL], Look::Compaction, Seen::Are("all", "fewer")),
    row(
        "compression.gzip.level",
        "9",
        &[("compression.type", "gzip"), ("compression.gzip.level", "1")],
        Look::Size,
        Seen::Less,
    ),
    row("compression.lz4.level", "12", &[("compression.type", "lz4")], Look::Size, Seen::Less),
    row("compression.type", "zstd", &[], Look::Codec, Seen::Are("0", "4")),
    row("compression.zstd.level", "19", &[("compression.type", "zstd")], Look::Size, Seen::Less),
    row(
        "delete.retention.ms",
        "1000",
        &[SMALL, COMPACT],
        Look::Tombstone,
        Seen::Are("there", "gone"),
    ),
    row(
        "file.delete.delay.ms",
        "0",
        &[SMALL, ("retention.bytes", "1")],
        Look::DeletedFiles,
        Seen::Are("there", "gone"),
    ),
    row("flush.messages", "1", &[], Look::AfterPowerLoss, Seen::Are("fewer", "all")),
    row("flush.ms", "100", &[], Look::AfterPowerLoss, Seen::Are("fewer", "all")),
    row("index.interval.bytes", "0", &[SMALL], Look::Index, Seen::More),
    row("internal.segment.bytes", "1048576", &[], Look::Segments, Seen::More),
    row(
        "max.compaction.lag.ms",
        "2000",
        &[COMPACT, ("min.cleanable.dirty.ratio", "1")],
        Look::Compaction,
        Seen::Are("all", "fewer"),
    ),
    row("max.message.bytes", "500", &[], Look::Large, Seen::Are("sent", "MessageTooLarge")),
    row(
        "message.timestamp.after.max.ms",
        "1000",
        &[],
        Look::Future,
        Seen::Are("sent", "InvalidTimestamp"),
    ),
    row(
        "message.timestamp.before.max.ms",
        "1000",
        &[],
        Look::Past,
        Seen::Are("sent", "InvalidTimestamp"),
    ),
    row(
        "message.timestamp.type",
        "LogAppendTime",
        &[],
        Look::Time,
        Seen::Are("its producer's", "the broker's"),
    ),
    row(
        "min.cleanable.dirty.ratio",
        "0.99",
        &[SMALL, COMPACT, ("min.cleanable.dirty.ratio", "0.1")],
        Look::CompactionOfLittle,
        Seen::Are("fewer", "all"),
    ),
    row(
        "min.compaction.lag.ms",
        "3600000",
        &[SMALL, COMPACT],
        Look::Compaction,
        Seen::Are("fewer", "all"),
    ),
    row("min.insync.replicas", "2", &[], Look::Send, Seen::Are("sent", "NotEnoughReplicas")),
    row("preallocate", "true", &[("segment.bytes", "1048576")], Look::Size, Seen::More),
    row(
        "remote.storage.enable",
        "true",
        &[],
        Look::Creation,
        Seen::Are(
            "created",
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured \
             with remote log storage.",
        ),
    ),
    row("retention.bytes", "2000", &[SMALL], Look::Start, Seen::More),
    row("retention.ms", "5000", &[SMALL], Look::Start, Seen::More),
    row("segment.bytes", "1048576", &[], Look::Segments, Seen::More),
    row(
        "segment.index.bytes",
        "120",
        &[("index.interval.bytes", "0"), ("internal.segment.bytes", "100000000")],
        Look::Segments,
        Seen::More,
    ),
    row("segment.jitter.ms", "10000", &[("segment.ms", "10000")], Look::SegmentsByTime, Seen::More),
    row("segment.ms", "3000", &[], Look::SegmentsByTime, Seen::More),
];

struct World {
    broker: Broker,
    client: Client,
}

impl World {
    async fn new(seed: u64) -> Self {
        let net = VirtualNet::new(Random::from_seed(seed));
        let mut builder = Broker::builder().virtual_network(&net).seed(seed);
        for (key, value) in [
            ("log.cleaner.backoff.ms", "100"),
            ("log.retention.check.interval.ms", "100"),
            ("log.initial.task.delay.ms", "0"),
        ] {
            builder = builder.config(key, value);
        }
        let broker = builder.start().await.unwrap();
        let client = broker.client();
        Self { broker, client }
    }

    async fn create(&self, configs: BTreeMap<String, String>) -> Result<(), ClientError> {
        let new = NewTopic { partitions: Some(1), configs, ..NewTopic::new(TOPIC) };
        let (_, result) = self.client.create_topics(&[new], false).await.unwrap().remove(0);
        result
    }

    /// Sends a record in a batch of its own; says what became of it.
    async fn send(&self, record: OutgoingRecord) -> String {
        let mut producer = Producer::new(self.client.clone(), ProducerOptions::default());
        let sent = match producer.send(TOPIC, record).await {
            Ok(()) => tokio::time::timeout(Duration::from_secs(20), producer.flush()).await,
            Err(error) => Ok(Err(error)),
        };
        match sent {
            Ok(Ok(())) => "sent".to_owned(),
            Ok(Err(error)) => {
                error.code().map_or_else(|| error.to_string(), |code| format!("{code:?}"))
            }
            Err(_) => "NotEnoughReplicas".to_owned(),
        }
    }

    async fn send_all(&self, records: impl IntoIterator<Item = OutgoingRecord>) {
        for record in records {
            assert_eq!(self.send(record).await, "sent");
        }
    }

    async fn read(&self) -> Vec<Record> {
        let mut fetcher = Fetcher::new(self.client.clone(), FetchOptions::default());
        fetcher.assign(BTreeMap::from([(TopicPartition::new(TOPIC, 0), Some(0))]));
        let mut records = Vec::new();
        while !fetcher.is_at_end() {
            records.extend(fetcher.poll().await.unwrap());
        }
        records
    }

    fn dir() -> PathBuf {
        Path::new("/klamm-data").join(format!("{TOPIC}-0"))
    }

    /// Names and sizes of the partition's files that end so.
    fn files(&self, suffix: &str) -> Vec<(String, u64)> {
        let disk = self.broker.disk().unwrap();
        let entries = disk.list(&Self::dir()).unwrap().into_iter();
        entries.filter(|e| e.name.ends_with(suffix)).map(|e| (e.name, e.len)).collect()
    }

    fn first_segment(&self) -> Vec<u8> {
        let disk = self.broker.disk().unwrap();
        let file = disk.open(&Self::dir().join("00000000000000000000.log"), Open::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    async fn start_offset(&self) -> i64 {
        let wanted = BTreeMap::from([(TopicPartition::new(TOPIC, 0), OffsetSpec::Earliest)]);
        let listed = self.client.list_offsets(&wanted, Isolation::ReadUncommitted).await.unwrap();
        listed.into_values().next().unwrap().offset.unwrap()
    }
}

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Fifty records, their keys over and over.
fn keyed(count: usize) -> impl Iterator<Item = OutgoingRecord> {
    (0..count).map(|n| OutgoingRecord::keyed(format!("k{}", n % 3), format!("{n:050}")))
}

fn text(size: usize) -> String {
    (0..size as u64).map(|n| char::from(b'a' + (n * n / 7 % 23) as u8)).collect()
}

async fn compaction(world: &World) -> String {
    world.send_all(keyed(50)).await;
    pause(3).await;
    // Closes the segment, if it is only old.
    world.send_all(keyed(1)).await;
    pause(3).await;
    if world.read().await.len() < 40 { "fewer" } else { "all" }.to_owned()
}

async fn tombstone(world: &World) -> String {
    let tombstone = OutgoingRecord { key: Some("gone".into()), ..OutgoingRecord::default() };
    world.send_all([OutgoingRecord::keyed("gone", "value"), tombstone]).await;
    for _ in 0..4 {
        world.send_all(keyed(60)).await;
        pause(3).await;
    }
    let records = world.read().await;
    let found = records.iter().any(|record| record.key.as_deref() == Some(&b"gone"[..]));
    if found { "there" } else { "gone" }.to_owned()
}

/// Most of the log cannot be compacted further; then a little comes to it.
async fn compaction_of_little(world: &World) -> String {
    world.send_all((0..300).map(|n| OutgoingRecord::keyed(format!("once-{n}"), "v"))).await;
    pause(3).await;
    world.send_all(keyed(60)).await;
    pause(3).await;
    let again = world.read().await.iter().filter(|r| r.key.as_deref() == Some(&b"k0"[..])).count();
    if again < 15 { "fewer" } else { "all" }.to_owned()
}

async fn power_loss(world: World) -> String {
    world.send_all(keyed(50)).await;
    pause(2).await;
    let broker = world.broker.crash().start().await.unwrap();
    let world = World { client: broker.client(), broker };
    if world.read().await.len() == 50 { "all" } else { "fewer" }.to_owned()
}

async fn send_at(world: &World, before_now_ms: i64) -> String {
    // What the clock of a virtual broker shows at the start.
    let timestamp = Some(1_700_000_000_000 - before_now_ms);
    world.send(OutgoingRecord { timestamp, ..OutgoingRecord::value("v") }).await
}

async fn look(world: World, look: Look) -> String {
    match look {
        Look::Compaction => compaction(&world).await,
        Look::CompactionOfLittle => compaction_of_little(&world).await,
        Look::Tombstone => tombstone(&world).await,
        Look::Codec => {
            world.send_all([OutgoingRecord::value(text(500))]).await;
            (world.first_segment()[22] & 7).to_string()
        }
        Look::Size => {
            world.send_all([OutgoingRecord::value(text(100_000))]).await;
            world.first_segment().len().to_string()
        }
        Look::DeletedFiles => {
            world.send_all(keyed(50)).await;
            pause(1).await;
            if world.files(".deleted").is_empty() { "gone" } else { "there" }.to_owned()
        }
        Look::AfterPowerLoss => power_loss(world).await,
        Look::Index => {
            world.send_all(keyed(50)).await;
            pause(1).await;
            world.files("0.index")[0].1.to_string()
        }
        Look::Large => world.send(OutgoingRecord::value(text(1000))).await,
        Look::Future => send_at(&world, -600_000).await,
        Look::Past => send_at(&world, 3_600_000).await,
        Look::Time => {
            send_at(&world, 1000).await;
            let is_append_time = world.read().await[0].is_append_time;
            if is_append_time { "the broker's" } else { "its producer's" }.to_owned()
        }
        Look::Send => world.send(OutgoingRecord::value("v")).await,
        Look::Start => {
            world.send_all(keyed(50)).await;
            pause(10).await;
            world.start_offset().await.to_string()
        }
        Look::Segments => {
            world.send_all((0..40).map(|_| OutgoingRecord::value(text(100_000)))).await;
            world.files(".log").len().to_string()
        }
        Look::SegmentsByTime => {
            for record in keyed(10) {
                world.send_all([record]).await;
                pause(1).await;
            }
            world.files(".log").len().to_string()
        }
        Look::Creation => "created".to_owned(),
    }
}

/// What is seen of a topic with these configs.
async fn see(row: &Row, configs: &[(&str, &str)]) -> String {
    let world = World::new(3).await;
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    match world.create(configs.iter().map(owned).collect()).await {
        Ok(()) => look(world, row.look).await,
        Err(ClientError::Refused { message, .. }) => message.unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

/// What is not as it should be.
async fn check(row: &Row) -> Option<String> {
    let without = see(row, row.base).await;
    let mut configs = row.base.to_vec();
    configs.push((row.key, row.value));
    let with = see(row, &configs).await;
    let number = |text: &str| text.parse::<i64>().unwrap_or(-1);
    let is_right = match row.seen {
        Seen::Are(a, b) => (without.as_str(), with.as_str()) == (a, b),
        Seen::Less => number(&with) < number(&without),
        Seen::More => number(&with) > number(&without),
    };
    (!is_right).then(|| format!("{}: without it {without}, with it {with}", row.key))
}

#[tokio::test(start_paused = true)]
async fn every_topic_config_has_its_effect() {
    let mut wrong = Vec::new();
    for row in ROWS {
        wrong.extend(check(row).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every key of topics has a row, or says in the documentation why it has no effect.
#[test]
fn every_topic_config_has_a_row() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.key).collect();
    for key in keys::all(Scope::Topic) {
        let is_without = matches!(key.effect, Effect::Accepted(_));
        assert!(is_without || rows.contains(key.name), "{} has no row", key.name);
    }
}
