//! Several log directories: replicas that move between them, directories that take no new
//! partitions, directories that fail. On a disk in memory, in virtual time.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use klamm::{
    Broker, BrokerBuilder, DiskFault, Random, VirtualDisk, VirtualNet,
    client::{
        Client, ClientError, ConfigResource, FetchOptions, Fetcher, LogDirDescription, NewTopic,
        OutgoingRecord, Producer, ProducerOptions, ResourceType, TopicPartition,
    },
};
use klamm_env::Disk;
use tokio::time::Instant;

const SEED: u64 = 11;
const NODE: i32 = 1;
const DIRS: [&str; 2] = ["/a", "/b"];
/// The longest that a state is waited for, virtual time.
const BOUND: Duration = Duration::from_secs(60);

struct World {
    broker: Broker,
    client: Client,
}

impl World {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let net = VirtualNet::new(Random::from_seed(SEED));
        let disk = VirtualDisk::new(Random::from_seed(SEED));
        let mut builder = Broker::builder().virtual_network(&net).disk(&disk).seed(SEED);
        builder = builder.config("log.dirs", DIRS.join(","));
        builder = builder.config("metadata.log.dir", "/meta");
        for (key, value) in settings {
            builder = builder.config(*key, *value);
        }
        Self::start(builder).await
    }

    async fn start(builder: BrokerBuilder) -> Self {
        let broker = builder.start().await.unwrap();
        let client = broker.client();
        Self { broker, client }
    }

    fn disk(&self) -> &VirtualDisk {
        self.broker.disk().unwrap()
    }

    async fn create(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let configs: BTreeMap<String, String> = configs.iter().map(owned).collect();
        let new = NewTopic { partitions: Some(partitions), configs, ..NewTopic::new(topic) };
        let (_, result) = self.client.create_topics(&[new], false).await.unwrap().remove(0);
        result.unwrap();
    }

    async fn send(&self, topic: &str, numbers: std::ops::Range<usize>) {
        let mut producer = Producer::new(self.client.clone(), ProducerOptions::default());
        for number in numbers {
            let record = OutgoingRecord::keyed("k", format!("{number:050}"));
            producer.send(topic, record).await.unwrap();
            producer.flush().await.unwrap();
        }
    }

    /// All records of a partition, by their numbers.
    async fn read(&self, topic: &str, partition: i32) -> Vec<usize> {
        let mut fetcher = Fetcher::new(self.client.clone(), FetchOptions::default());
        fetcher.assign(BTreeMap::from([(TopicPartition::new(topic, partition), Some(0))]));
        let mut numbers = Vec::new();
        while !fetcher.is_at_end() {
            let records = fetcher.poll().await.unwrap();
            let number =
                |value: &[u8]| -> usize { std::str::from_utf8(value).unwrap().parse().unwrap() };
            numbers.extend(records.iter().map(|r| number(r.value.as_deref().unwrap())));
        }
        numbers
    }

    async fn dirs(&self) -> Vec<LogDirDescription> {
        self.client.describe_log_dirs(NODE).await.unwrap()
    }

    /// `DIR[*]` of a partition, in the order of the directories; `*` is a replica on its way.
    async fn places(&self, topic: &str, partition: i32) -> String {
        let wanted = TopicPartition::new(topic, partition);
        let mut places = Vec::new();
        for dir in self.dirs().await {
            for replica in dir.replicas.iter().filter(|replica| replica.partition == wanted) {
                places.push(format!("{}{}", dir.path, if replica.is_future { "*" } else { "" }));
            }
        }
        places.join(" ")
    }

    async fn wait_for_place(&self, topic: &str, partition: i32, place: &str) {
        let end = Instant::now() + BOUND;
        while self.places(topic, partition).await != place {
            assert!(Instant::now() < end, "{}", self.places(topic, partition).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn move_to(&self, topic: &str, partition: i32, dir: &str) -> Result<(), ClientError> {
        self.client.move_replica(NODE, &TopicPartition::new(topic, partition), dir).await
    }

    async fn set(&self, key: &str, value: &str) {
        let resource = ConfigResource { kind: ResourceType::Broker, name: NODE.to_string() };
        let change = [(key.to_owned(), Some(value.to_owned()))];
        self.client.alter_config(&resource, &change, false).await.unwrap();
    }

    /// Names in a directory that begin so.
    fn names(&self, dir: &str, prefix: &str) -> Vec<String> {
        let entries = self.disk().list(Path::new(dir)).unwrap().into_iter();
        entries.map(|entry| entry.name).filter(|name| name.starts_with(prefix)).collect()
    }
}

/// The other one.
fn other(dir: &str) -> &'static str {
    if dir == DIRS[0] { DIRS[1] } else { DIRS[0] }
}

fn code(result: Result<(), ClientError>) -> String {
    result.err().and_then(|error| error.code()).map_or("NONE", |code| code.name()).to_owned()
}

const SMALL: (&str, &str) = ("internal.segment.bytes", "1000");

#[tokio::test(start_paused = true)]
async fn a_replica_moves_while_it_is_written_and_read() {
    let world = World::new(&[]).await;
    world.set("replica.alter.log.dirs.io.max.bytes.per.second", "5000").await;
    world.create("t", 1, &[SMALL, ("file.delete.delay.ms", "100")]).await;
    world.send("t", 0..200).await;
    let from = world.places("t", 0).await;
    let to = other(&from);
    world.move_to("t", 0, to).await.unwrap();
    let both = if from.as_str() < to { format!("{from} {to}*") } else { format!("{to}* {from}") };
    assert_eq!(world.places("t", 0).await, both);
    world.send("t", 200..300).await;
    assert_eq!(world.read("t", 0).await, (0..300).collect::<Vec<_>>());
    world.wait_for_place("t", 0, to).await;
    world.send("t", 300..310).await;
    assert_eq!(world.read("t", 0).await, (0..310).collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.names(&from, "t-0"), Vec::<String>::new());
    assert_eq!(world.names(to, "t-0"), ["t-0"]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_moved_is_there_after_a_stop_and_after_a_power_loss() {
    let world = World::new(&[]).await;
    world.create("t", 1, &[SMALL, ("flush.messages", "1")]).await;
    world.send("t", 0..100).await;
    let from = world.places("t", 0).await;
    world.move_to("t", 0, other(&from)).await.unwrap();
    world.wait_for_place("t", 0, other(&from)).await;
    world.send("t", 100..120).await;
    let world = World::start(world.broker.crash()).await;
    assert_eq!(world.places("t", 0).await, other(&from));
    assert_eq!(world.read("t", 0).await, (0..120).collect::<Vec<_>>());
    // And back.
    world.move_to("t", 0, &from).await.unwrap();
    world.wait_for_place("t", 0, &from).await;
    let world = World::start(world.broker.crash()).await;
    assert_eq!(world.read("t", 0).await, (0..120).collect::<Vec<_>>());
    assert_eq!(world.places("t", 0).await, from);
}

/// The disk dies after so many more writes while a replica moves, then power is lost.
async fn check_death(steps: u64) -> String {
    let world = World::new(&[]).await;
    world.create("t", 1, &[SMALL, ("flush.messages", "1")]).await;
    world.send("t", 0..40).await;
    let from = world.places("t", 0).await;
    let disk = world.disk().clone();
    disk.set_fault(DiskFault::Dying(steps));
    drop(world.move_to("t", 0, other(&from)).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let left = disk.fault();
    disk.set_fault(DiskFault::None);
    let world = World::start(world.broker.crash()).await;
    assert_eq!(world.read("t", 0).await, (0..40).collect::<Vec<_>>(), "after {steps} steps");
    world.send("t", 40..45).await;
    assert_eq!(world.read("t", 0).await, (0..45).collect::<Vec<_>>(), "after {steps} steps");
    let place = world.places("t", 0).await;
    match left {
        DiskFault::Dying(left) if left > 0 => "survived".to_owned(),
        _ => if place.contains(&from) { "old" } else { "new" }.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_leaves_the_old_or_the_new() {
    let mut seen = BTreeMap::<String, u32>::new();
    for steps in (0..).step_by(3) {
        let what = check_death(steps).await;
        let is_over = what == "survived" || steps > 3000;
        *seen.entry(what).or_default() += 1;
        if is_over {
            break;
        }
    }
    assert!(seen.contains_key("old") && seen.contains_key("survived"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_move_that_a_stop_interrupts_goes_on() {
    let world = World::new(&[]).await;
    world.set("replica.alter.log.dirs.io.max.bytes.per.second", "500").await;
    world.create("t", 1, &[SMALL]).await;
    world.send("t", 0..100).await;
    let from = world.places("t", 0).await;
    world.move_to("t", 0, other(&from)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.names(other(&from), "t-0").len(), 1);
    let disk = world.disk().clone();
    world.broker.stop().await.unwrap();
    let net = VirtualNet::new(Random::from_seed(SEED));
    let builder = Broker::builder().virtual_network(&net).disk(&disk).seed(SEED);
    let builder = builder.config("log.dirs", DIRS.join(",")).config("metadata.log.dir", "/meta");
    let world = World::start(builder).await;
    world.wait_for_place("t", 0, other(&from)).await;
    assert_eq!(world.read("t", 0).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_move_ends_with_one_to_where_the_replica_is() {
    let world = World::new(&[]).await;
    world.set("replica.alter.log.dirs.io.max.bytes.per.second", "100").await;
    world.create("t", 1, &[SMALL]).await;
    world.send("t", 0..100).await;
    let from = world.places("t", 0).await;
    world.move_to("t", 0, other(&from)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.move_to("t", 0, &from).await.unwrap();
    world.wait_for_place("t", 0, &from).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.names(other(&from), "t-0"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_moved_is_refused() {
    let world = World::new(&[]).await;
    world.create("t", 1, &[]).await;
    assert_eq!(code(world.move_to("t", 0, "/nowhere").await), "LOG_DIR_NOT_FOUND");
    assert_eq!(code(world.move_to("t", 7, "/b").await), "REPLICA_NOT_AVAILABLE");
    world.set("cordoned.log.dirs", "/b").await;
    assert_eq!(code(world.move_to("t", 0, "/b").await), "INVALID_REPLICA_ASSIGNMENT");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_not_there_yet_goes_where_it_was_told() {
    let world = World::new(&[]).await;
    for dir in ["/b", "/a", "/b"] {
        let topic = format!("to{}", dir.replace('/', "-"));
        if world.names(dir, &topic).is_empty() {
            drop(world.move_to(&topic, 0, dir).await);
            world.create(&topic, 1, &[]).await;
        }
        assert_eq!(world.places(&topic, 0).await, dir);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_directory_gets_no_new_partitions() {
    let world = World::new(&[]).await;
    world.create("spread", 4, &[]).await;
    assert_eq!(world.names("/a", "spread").len(), 2);
    world.set("cordoned.log.dirs", "/a").await;
    world.create("t", 4, &[]).await;
    assert_eq!(world.names("/b", "t-").len(), 4);
    let cordoned = |dirs: Vec<LogDirDescription>| {
        dirs.into_iter().filter(|dir| dir.is_cordoned).map(|dir| dir.path).collect::<Vec<_>>()
    };
    assert_eq!(cordoned(world.dirs().await), ["/a"]);
    world.set("cordoned.log.dirs", "").await;
    assert_eq!(cordoned(world.dirs().await), Vec::<String>::new());
    // The controller gives nothing to a broker that takes nothing.
    world.set("cordoned.log.dirs", "*").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let created = world.client.create_topics(&[NewTopic::new("none")], false).await.unwrap();
    let result = created.into_iter().next().unwrap().1;
    assert_eq!(code(result.map(drop)), "INVALID_REPLICATION_FACTOR");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_fails_goes_offline_alone() {
    let world = World::new(&[]).await;
    world.create("t", 2, &[]).await;
    world.send("t", 0..20).await;
    let lost = i32::from(world.places("t", 1).await == "/b");
    world.disk().set_fault(DiskFault::Broken("/b".into()));
    // The next checkpoint finds out.
    tokio::time::sleep(Duration::from_secs(70)).await;
    let dirs = world.dirs().await;
    let errors: Vec<_> = dirs.iter().map(|dir| (dir.path.as_str(), dir.error_code)).collect();
    assert_eq!(errors, [("/a", 0), ("/b", 56)]);
    let cluster = world.client.metadata(Some(&["t"])).await.unwrap();
    let topic = cluster.topics.values().next().unwrap();
    let (gone, there) = (&topic.partitions[&lost], &topic.partitions[&(1 - lost)]);
    assert_eq!((gone.leader, gone.offline.clone()), (-1, vec![NODE]));
    assert_eq!((there.leader, there.offline.clone()), (NODE, vec![]));
    assert_eq!(code(world.move_to("t", 1 - lost, "/b").await), "KAFKA_STORAGE_ERROR");
    let before = world.read("t", 1 - lost).await.len();
    world.create("elsewhere", 2, &[]).await;
    assert_eq!(world.names("/a", "elsewhere").len(), 2);
    world.send("elsewhere", 0..5).await;
    // A start with the directory back repairs it.
    world.disk().set_fault(DiskFault::None);
    let world = World::start(world.broker.crash()).await;
    let cluster = world.client.metadata(Some(&["t"])).await.unwrap();
    let topic = cluster.topics.values().next().unwrap();
    assert!(topic.partitions.values().all(|part| part.leader == NODE && part.offline.is_empty()));
    assert!(world.read("t", 1 - lost).await.len() <= before);
    world.send("t", 20..30).await;
}
