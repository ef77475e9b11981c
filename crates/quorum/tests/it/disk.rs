//! A quorum on the real file system: how long things take, and what is left on disk.

use crate::support::{create, defaults, join};
use klamm_env::Env;
use klamm_quorum::{NoPeers, Quorum, QuorumConfig};

async fn start(dir: &std::path::Path) -> Quorum {
    let config =
        QuorumConfig::single(Env::real(), dir.to_owned(), 1, crate::support::CLUSTER.to_owned());
    Quorum::start(config, defaults(), Box::new(NoPeers)).await.expect("opened")
}

/// One after the other, each synced before it is answered; and at once, sharing syncs.
#[tokio::test(flavor = "multi_thread")]
async fn creates_many_topics() {
    let count = std::env::var("KLAMM_TOPICS").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    let dir = tempfile::tempdir().unwrap();
    let quorum = start(dir.path()).await;
    join(&quorum, 1, 1).await;
    let began = tokio::time::Instant::now();
    for number in 0..count {
        assert_eq!(create(&quorum, &format!("single-{number}"), 1).await, 0);
    }
    let single = began.elapsed();
    let began = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        let quorum = quorum.clone();
        tasks.spawn(async move { create(&quorum, &format!("many-{number}"), 1).await });
    }
    while let Some(code) = tasks.join_next().await {
        assert_eq!(code.unwrap(), 0);
    }
    println!("{count} topics: one by one {single:?}, at once {:?}", began.elapsed());
    let image = quorum.image();
    assert_eq!(image.topic_count(), 2 * count);
    quorum.shutdown().await;

    let began = tokio::time::Instant::now();
    let quorum = start(dir.path()).await;
    quorum.ready().await.unwrap();
    println!("start with {} topics: {:?}", 2 * count, began.elapsed());
    assert_eq!(quorum.image(), image);
    quorum.shutdown().await;
}

/// Leaves a log and snapshots for Kafka's own tools to read, in the directory that is named.
#[tokio::test]
async fn writes_for_kafkas_tools() {
    let Some(dir) = std::env::var_os("KLAMM_METADATA_DIR").map(std::path::PathBuf::from) else {
        return;
    };
    let mut config = QuorumConfig::single(Env::real(), dir, 1, crate::support::CLUSTER.to_owned());
    config.snapshot_bytes = 1_000;
    let quorum = Quorum::start(config, defaults(), Box::new(NoPeers)).await.unwrap();
    let epoch = join(&quorum, 1, 1).await;
    for number in 0..10 {
        assert_eq!(create(&quorum, &format!("topic-{number}"), 3).await, 0);
    }
    quorum.next_producer_ids(1, epoch).await.unwrap();
    quorum.shutdown().await;
}
