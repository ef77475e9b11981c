//! A broker on the directories of an Apache Kafka: not by the way, but when it is taken over.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::{fs, path::Path};

use klamm::client::{ConfigResource, NewTopic};
use klamm_broker::takeover::{Source, Takeover};
use klamm_env::Env;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../quorum/tests/golden");
const STATE: &str = r#"{"leaderId":1,"leaderEpoch":1,"votedId":1,"data_version":1}"#;
/// The directory that the broker of the golden log had registered.
const DIRECTORY: &str = "directory.id";

fn kafkas(dir: &Path) {
    let metadata = dir.join("__cluster_metadata-0");
    fs::create_dir(&metadata).unwrap();
    for name in ["00000000000000000000.log", "00000000000000000231-0000000001.checkpoint"] {
        fs::copy(Path::new(GOLDEN).join(name), metadata.join(name)).unwrap();
    }
    fs::write(metadata.join("quorum-state"), STATE).unwrap();
    let id = refused_directory(dir);
    fs::write(dir.join("meta.properties"), properties(&id)).unwrap();
}

fn properties(id: &str) -> String {
    format!("version=1\nnode.id=1\ncluster.id=taken-over-cluster\n{DIRECTORY}={id}\n")
}

/// The report names the directory that it misses.
fn refused_directory(dir: &Path) -> String {
    fs::write(dir.join("meta.properties"), properties("AAAAAAAAAAAAAAAAAAAAZQ")).unwrap();
    let takeover = Takeover::look(&Env::real(), &source(dir)).unwrap();
    let line = takeover.found().refused.iter().find(|line| line.contains("with the id")).unwrap();
    let (_, rest) = line.split_once("with the id ").unwrap();
    rest.split(',').next().unwrap().to_owned()
}

fn source(dir: &Path) -> Source {
    Source { log_dirs: vec![dir.to_owned()], ..Source::default() }
}

async fn start(dir: &Path) -> Result<klamm::Broker, klamm::StartError> {
    klamm::Broker::builder().data_dir(dir).listen("127.0.0.1:0").start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_goes_on_where_kafka_stopped() {
    let dir = tempfile::tempdir().unwrap();
    kafkas(dir.path());
    let refused = start(dir.path()).await.unwrap_err().to_string();
    assert!(refused.contains("was written by Apache Kafka"), "{refused}");

    let takeover = Takeover::look(&Env::real(), &source(dir.path())).unwrap();
    assert!(takeover.found().refused.is_empty(), "{:?}", takeover.found().refused);
    takeover.apply(&Env::real()).unwrap();

    let broker = start(dir.path()).await.unwrap();
    assert_eq!(broker.cluster_id(), "taken-over-cluster");
    let client = broker.client();
    let cluster = client.metadata(None).await.unwrap();
    let orders = cluster.topics.get("orders").unwrap();
    assert_eq!(orders.partitions.len(), 5);
    assert!(orders.partitions.values().all(|partition| partition.leader == 1));
    let configs = client.describe_config(&ConfigResource::topic("orders"), false).await.unwrap();
    let policy = configs.iter().find(|entry| entry.name == "cleanup.policy").unwrap();
    assert_eq!(policy.value.as_deref(), Some("compact,delete"));
    for (_, result) in client.create_topics(&[NewTopic::new("new")], false).await.unwrap() {
        result.unwrap();
    }
    broker.stop().await.unwrap();

    let broker = start(dir.path()).await.unwrap();
    let cluster = broker.client().metadata(None).await.unwrap();
    let names: Vec<&str> = cluster.topics.keys().map(|name| &**name).collect();
    assert_eq!(names, ["assigned", "new", "orders"]);
    broker.stop().await.unwrap();
}
