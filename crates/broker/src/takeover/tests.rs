//! What is said of directories that are not as they should be.

use std::{
    io::IoSlice,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_config::ConfigFile;
use klamm_env::{
    Clock, Env, Random, disk,
    disk::Open,
    virt::{VirtualDisk, VirtualNet},
};
use klamm_quorum::kafka::KafkaLog;

use super::{Source, Takeover};

const METADATA: &[u8] = include_bytes!("../../../quorum/tests/golden/00000000000000000000.log");
const STATE: &[u8] = br#"{"leaderId":1,"leaderEpoch":1,"votedId":1,"data_version":1}"#;

/// Kafka's directories in memory.
struct Place {
    env: Env,
    source: Source,
}

impl Place {
    /// A node with partitions' directories that have nothing in them.
    fn new() -> Self {
        let random = Random::from_seed(1);
        let env = Env {
            clock: Clock::following_runtime(1_700_000_000_000),
            net: Arc::new(VirtualNet::new(random.clone())),
            disk: Arc::new(VirtualDisk::new(random.clone())),
            random,
        };
        let source = Source { log_dirs: vec![PathBuf::from("/kafka")], ..Source::default() };
        let place = Self { env, source };
        place.put("__cluster_metadata-0/00000000000000000000.log", METADATA);
        place.put("__cluster_metadata-0/quorum-state", STATE);
        let log = KafkaLog::read(&*place.env.disk, Path::new("/kafka")).expect("read");
        let dir = log.image.broker(1).expect("registered").directories[0];
        place.meta(&format!("version=1\nnode.id=1\ncluster.id=c\ndirectory.id={dir}\n"));
        for topic in log.image.topics() {
            for (index, _) in topic.partitions() {
                let text = format!("version: 0\ntopic_id: {}", topic.id);
                let name = format!("{}-{index}/partition.metadata", topic.name);
                place.put(&name, text.as_bytes());
            }
        }
        place.put(".kafka_cleanshutdown", b"{\"version\":0,\"brokerEpoch\":11}");
        place
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = Path::new("/kafka").join(name);
        let disk = &*self.env.disk;
        disk::create_dir_durably(disk, disk::parent(&path)).expect("made");
        let file = disk.open(&path, Open::Create).expect("opened");
        file.set_len(0).expect("cut");
        file.write_all_at(&[IoSlice::new(bytes)], 0).expect("written");
    }

    fn meta(&self, text: &str) {
        self.put("meta.properties", text.as_bytes());
    }

    fn configured(mut self, text: &str) -> Self {
        let text = format!("log.dirs=/kafka\n{text}");
        self.source.file = Some(ConfigFile::properties(text.as_bytes()).expect("parsed"));
        self.source.log_dirs.clear();
        self
    }

    /// Every line of the report of why not, what is lost, and what will happen, with a mark.
    fn look(&self) -> Vec<String> {
        let takeover = Takeover::look(&self.env, &self.source).expect("looked");
        let found = takeover.found();
        let mark = |mark: &str, lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| format!("{mark} {line}")).collect()
        };
        [
            mark("refused:", &found.refused),
            mark("lost:", &found.not_carried_over),
            mark("note:", &found.notes),
        ]
        .concat()
    }
}

/// Looks after a change of the directories and expects these lines to begin so, in any order.
fn check(change: impl FnOnce(Place) -> Place, expected: &[&str]) {
    let lines = change(Place::new()).look();
    for wanted in expected {
        assert!(lines.iter().any(|line| line.starts_with(wanted)), "no {wanted:?} in {lines:#?}");
    }
    let refused = expected.iter().any(|line| line.starts_with("refused"));
    let is = lines.iter().any(|line| line.starts_with("refused"));
    assert_eq!(is, refused, "{lines:#?}");
}

/// The same, after files were put.
fn check_files(files: &[(&str, &str)], expected: &[&str]) {
    let change = |place: Place| {
        files.iter().for_each(|(name, text)| place.put(name, text.as_bytes()));
        place
    };
    check(change, expected);
}

#[test]
fn what_is_whole_can_be_taken_over() {
    check(|place| place, &["lost: 2 access control entries are kept"]);
    let takeover = Place::new();
    let takeover = Takeover::look(&takeover.env, &takeover.source).expect("looked");
    let found = takeover.found();
    let topics: Vec<_> = found.topics.iter().map(|t| (&*t.name, t.partitions)).collect();
    assert_eq!(topics, [("assigned", 2), ("orders", 5)]);
    assert_eq!((found.node_id, &*found.cluster_id), (Some(1), "c"));
    assert_eq!((found.acls, found.quotas, found.scram_users.len()), (2, 2, 2));
    assert!(found.directories[0].clean);
}

#[test]
fn directories_of_another_kind_are_refused() {
    check_files(
        &[("meta.properties", "version=0\nbroker.id=1\ncluster.id=c\n")],
        &["refused: /kafka is of a Kafka that used ZooKeeper"],
    );
    check_files(
        &[("meta.properties", "version=2\n")],
        &["refused: /kafka: meta.properties is of version 2"],
    );
    check_files(
        &[("__cluster_metadata-0/raft-state", "")],
        &["refused: /kafka is Klamm's already"],
    );
    check(
        |mut place| {
            place.source.log_dirs.push(PathBuf::from("/elsewhere"));
            place
        },
        &["refused: /elsewhere: there is no such directory"],
    );
    check(
        |mut place| {
            place.source.metadata_log_dir = Some(PathBuf::from("/elsewhere"));
            place
        },
        &["refused: /elsewhere has no metadata log"],
    );
}

#[test]
fn who_is_not_alone_is_refused() {
    // The directories of another node: the metadata knows of node 1.
    check_files(
        &[("meta.properties", "version=1\nnode.id=2\ncluster.id=c\n")],
        &[
            "refused: the controller is a process of its own, node 1",
            "refused: other brokers are registered: nodes 1",
            "refused: 7 partitions have replicas elsewhere: assigned-0 on 1; ",
        ],
    );
    check_files(
        &[("meta.properties", "version=1\nnode.id=1\ncluster.id=c\ndirectory.id=other\n")],
        &["refused: the log directory with the id "],
    );
}

#[test]
fn a_running_broker_is_left_alone() {
    let place = Place::new();
    let lock = place.env.disk.lock(Path::new("/kafka/.lock")).expect("locked");
    let lines = place.look();
    assert!(lines[0].starts_with("refused: /kafka is in use by another process"), "{lines:?}");
    drop(lock);
    assert!(!place.look().iter().any(|line| line.starts_with("refused")));
}

#[test]
fn directories_beside_the_partitions_are_told() {
    let id = "AAAAAAAAAAAAAAAAAAAACg";
    check_files(
        &[
            ("gone-0.0123456789abcdef0123456789abcdef-delete/x", ""),
            ("orders-0.0123456789abcdef0123456789abcdef-future/x", ""),
            ("orders-7/partition.metadata", &format!("version: 0\ntopic_id: {id}")),
            ("orders-0/partition.metadata", &format!("version: 0\ntopic_id: {id}")),
        ],
        &[
            "note: /kafka/gone-0.0123456789abcdef0123456789abcdef-delete: the deletion",
            "note: /kafka/orders-0.0123456789abcdef0123456789abcdef-future: a move",
            "note: /kafka/orders-7 is not in the cluster's metadata: it is set aside",
            "note: /kafka/orders-0 is of a former topic of that name: it is set aside",
            "note: orders-0 has no directory: it begins empty",
        ],
    );
}

#[test]
fn the_configuration_is_judged() {
    check(|place| place.configured("node.id=1\n"), &[]);
    check(
        |place| place.configured("node.id=3\n"),
        &["refused: the configuration is of node.id 3, the directories are of node.id 1"],
    );
    check(
        |place| {
            place.configured("node.id=1\nlisteners=SSL://:9092\ninter.broker.listener.name=SSL\n")
        },
        &["refused: listener SSL is SSL"],
    );
    let place = Place::new().configured("node.id=1\nno.such=1\nmetric.reporters=x\n");
    let takeover = Takeover::look(&place.env, &place.source).expect("looked");
    let settings = &takeover.found().settings;
    let of = |key: &str| settings.iter().find(|s| s.key == key).map(|s| (s.line, s.honoured));
    assert_eq!(of("node.id"), Some((2, true)));
    assert_eq!(of("no.such"), Some((3, false)));
    assert_eq!(of("metric.reporters"), Some((4, false)));
}

#[test]
fn looking_changes_nothing_and_a_partition_without_an_id_gets_one() {
    let place = Place::new();
    let disk = &*place.env.disk;
    let file = Path::new("/kafka/orders-0/partition.metadata");
    let id = disk::read_file(disk, file, 4096).expect("read");
    disk.remove_file(file).expect("removed");
    let names = || disk.list(Path::new("/kafka")).expect("listed");
    let before = names();
    let takeover = Takeover::look(&place.env, &place.source).expect("looked");
    assert_eq!(names(), before);
    assert!(!disk.exists(file));
    let kept = takeover.apply(&place.env).expect("taken over");
    assert_eq!(disk::read_file(disk, file, 4096).expect("read"), id);
    assert!(disk.exists(&kept.join("quorum-state")));
    let lines = place.look();
    assert_eq!(
        lines,
        ["refused: /kafka is Klamm's already: `klamm serve` with the same \
                        configuration runs it"]
    );
}
