//! What becomes of a log directory that fills (`klamm.disk.policy`), on a disk in memory, in virtual
//! time.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use klamm::{
    Broker, Random, VirtualDisk, VirtualNet,
    client::{
        Client, ConfigResource, FetchOptions, Fetcher, Isolation, NewTopic, OffsetSpec,
        OutgoingRecord, Producer, ProducerOptions, ResourceType, TopicPartition,
    },
};

const SEED: u64 = 12;
const DIR: &str = "/data";

struct World {
    _net: VirtualNet,
    _broker: Broker,
    disk: VirtualDisk,
    client: Client,
}

impl World {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let net = VirtualNet::new(Random::from_seed(SEED));
        let disk = VirtualDisk::new(Random::from_seed(SEED));
        let mut builder = Broker::builder().virtual_network(&net).disk(&disk).seed(SEED);
        builder = builder.config("log.dirs", DIR).config("metadata.log.dir", "/meta");
        builder = builder.config("klamm.disk.check.interval.ms", "1000");
        builder = builder.config("offsets.topic.num.partitions", "1");
        for (key, value) in settings {
            builder = builder.config(format!("klamm.disk.{key}"), *value);
        }
        let broker = builder.start().await.unwrap();
        let client = broker.client();
        Self { _net: net, _broker: broker, disk, client }
    }

    async fn create(&self, topic: &str, configs: &[(&str, &str)]) {
        let mut all = BTreeMap::from([
            ("internal.segment.bytes".to_owned(), "2000".to_owned()),
            ("file.delete.delay.ms".to_owned(), "0".to_owned()),
        ]);
        all.extend(configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let new = NewTopic { partitions: Some(1), configs: all, ..NewTopic::new(topic) };
        let (_, result) = self.client.create_topics(&[new], false).await.unwrap().remove(0);
        result.unwrap();
    }

    /// Sends so many records, each in a batch of about 200 bytes; says what became of the last.
    async fn send(&self, topic: &str, count: usize) -> String {
        let mut producer = Producer::new(self.client.clone(), ProducerOptions::default());
        for number in 0..count {
            let record = OutgoingRecord::keyed(format!("{number}"), "v".repeat(100));
            producer.send(topic, record).await.unwrap();
            match tokio::time::timeout(Duration::from_secs(3), producer.flush()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "no answer but to try again".to_owned(),
            }
        }
        "sent".to_owned()
    }

    /// Makes the volume so large that what is used is this part of it.
    fn fill_to(&self, percent: u64) {
        let used = self.disk.used_below(Path::new(DIR));
        // Rounded down, so that the part is reached.
        self.disk.set_volume(Path::new(DIR), Some(used * 100 / percent));
    }

    async fn start_of(&self, topic: &str) -> i64 {
        let wanted = BTreeMap::from([(TopicPartition::new(topic, 0), OffsetSpec::Earliest)]);
        let listed = self.client.list_offsets(&wanted, Isolation::ReadUncommitted).await.unwrap();
        listed.into_values().next().unwrap().offset.unwrap()
    }

    async fn read(&self, topic: &str) -> usize {
        let mut fetcher = Fetcher::new(self.client.clone(), FetchOptions::default());
        let start = self.start_of(topic).await;
        fetcher.assign(BTreeMap::from([(TopicPartition::new(topic, 0), Some(start))]));
        let mut count = 0;
        while !fetcher.is_at_end() {
            count += fetcher.poll().await.unwrap().len();
        }
        count
    }

    async fn set(&self, key: &str, value: &str) {
        let resource = ConfigResource { kind: ResourceType::Broker, name: String::new() };
        let change = [(format!("klamm.disk.{key}"), Some(value.to_owned()))];
        self.client.alter_config(&resource, &change, false).await.unwrap();
    }
}

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

const REFUSED: &str = "no answer but to try again";

#[tokio::test(start_paused = true)]
async fn producing_is_refused_and_all_else_goes_on() {
    let world = World::new(&[("policy", "restrict")]).await;
    world.create("t", &[]).await;
    assert_eq!(world.send("t", 300).await, "sent");
    let offsets = BTreeMap::from([(TopicPartition::new("t", 0), 7)]);
    world.client.commit_offsets("g", &offsets).await.unwrap();
    world.fill_to(97);
    pause(2).await;
    assert_eq!(world.send("t", 1).await, REFUSED);
    assert_eq!(world.read("t").await, 300);
    // There is a little room yet.
    world.client.commit_offsets("g", &offsets).await.unwrap();
    world.create("new", &[]).await;
    assert_eq!(world.send("t", 1).await, REFUSED);
    // Less than what it began at, and not below what it ends at.
    world.fill_to(94);
    pause(2).await;
    assert_eq!(world.send("t", 1).await, REFUSED);
    world.fill_to(50);
    pause(2).await;
    assert_eq!(world.send("t", 1).await, "sent");
    assert_eq!(world.start_of("t").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_change_at_run_time() {
    let world = World::new(&[]).await;
    world.create("t", &[]).await;
    assert_eq!(world.send("t", 300).await, "sent");
    world.fill_to(97);
    pause(2).await;
    assert_eq!(world.send("t", 1).await, "sent");
    world.set("policy", "restrict").await;
    pause(2).await;
    assert_eq!(world.send("t", 1).await, REFUSED);
    world.set("policy", "none").await;
    pause(2).await;
    assert_eq!(world.send("t", 1).await, "sent");
}

#[tokio::test(start_paused = true)]
async fn the_oldest_share_goes() {
    let world = World::new(&[("policy", "delete-oldest"), ("delete.share.percent", "30")]).await;
    world.create("old", &[]).await;
    assert_eq!(world.send("old", 100).await, "sent");
    pause(5).await;
    world.create("young", &[]).await;
    assert_eq!(world.send("young", 100).await, "sent");
    world.fill_to(86);
    pause(2).await;
    let start = world.start_of("old").await;
    assert!((50..70).contains(&start), "{start}");
    assert_eq!(world.start_of("young").await, 0);
    assert_eq!(world.read("old").await, 100 - usize::try_from(start).unwrap());
    // It is below the threshold now: nothing more goes.
    pause(5).await;
    assert_eq!(world.start_of("old").await, start);
    assert_eq!(world.send("old", 1).await, "sent");
}

#[tokio::test(start_paused = true)]
async fn partitions_lose_in_proportion() {
    let world = World::new(&[("policy", "delete-proportional"), ("delete.percent", "75")]).await;
    world.create("large", &[]).await;
    world.create("small", &[]).await;
    world.create("compacted", &[("cleanup.policy", "compact")]).await;
    assert_eq!(world.send("large", 300).await, "sent");
    assert_eq!(world.send("small", 100).await, "sent");
    assert_eq!(world.send("compacted", 50).await, "sent");
    world.fill_to(95);
    pause(5).await;
    let (large, small) = (world.start_of("large").await, world.start_of("small").await);
    assert!(small > 0 && (2 * small..5 * small).contains(&large), "{large} and {small}");
    assert_eq!(world.start_of("compacted").await, 0);
    assert_eq!(world.read("compacted").await, 50);
}

#[tokio::test(start_paused = true)]
async fn floors_keep_what_is_young_and_what_is_little() {
    for floor in [("delete.min.age.ms", "3600000"), ("delete.min.bytes", "1000000")] {
        let world = World::new(&[("policy", "delete-proportional"), floor]).await;
        world.create("t", &[]).await;
        assert_eq!(world.send("t", 100).await, "sent");
        world.fill_to(95);
        pause(5).await;
        assert_eq!(world.start_of("t").await, 0, "{floor:?}");
        assert_eq!(world.send("t", 1).await, "sent");
    }
}

#[tokio::test(start_paused = true)]
async fn stages_follow_each_other() {
    let world = World::new(&[("policy", "staged")]).await;
    // Retention does not look by itself: its interval is five minutes.
    world.create("expired", &[("retention.ms", "1000")]).await;
    world.create("t", &[]).await;
    assert_eq!(world.send("expired", 50).await, "sent");
    assert_eq!(world.send("t", 100).await, "sent");
    pause(5).await;
    world.fill_to(74);
    pause(5).await;
    assert_eq!((world.start_of("expired").await, world.start_of("t").await), (0, 0));
    world.fill_to(76);
    pause(2).await;
    assert!(world.start_of("expired").await >= 40);
    assert_eq!(world.start_of("t").await, 0);
    world.fill_to(90);
    pause(2).await;
    let start = world.start_of("t").await;
    assert!((1..30).contains(&start), "{start}");
    assert_eq!(world.send("t", 1).await, "sent");
}
