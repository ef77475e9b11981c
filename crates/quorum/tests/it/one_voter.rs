//! A quorum of one voter: it serves, it remembers, it survives.

use crate::support::{Node, create, join};
use klamm_metadata::Image;
use klamm_quorum::Quorum;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

fn topics(image: &Image) -> String {
    let names: Vec<String> =
        image.topics().map(|t| format!("{}:{}", t.name, t.partition_count())).collect();
    names.join(" ")
}

#[test]
fn serves_and_remembers() {
    block_on(async {
        let node = Node::new(1);
        let quorum = node.start().await.unwrap();
        let epoch = join(&quorum, 1, 1).await;
        // LeaderChange, the bootstrap records, the registration.
        assert_eq!(epoch, 8);
        assert_eq!(create(&quorum, "orders", 3).await, 0);
        assert_eq!(create(&quorum, "orders", 3).await, 36);
        let image = quorum.image();
        assert_eq!(topics(&image), "orders:3");
        let partition = image.topic("orders").unwrap().partition(2).unwrap();
        assert_eq!((partition.leader, &*partition.isr), (1, &[1][..]));
        assert_eq!(quorum.next_producer_ids(1, epoch).await.unwrap(), (0, 1000));
        assert_eq!(quorum.next_producer_ids(1, epoch).await.unwrap(), (1000, 1000));
        let before = (quorum.image(), quorum.applied_offset());
        quorum.shutdown().await;
        assert!(quorum.create_topics(crate::support::topic("late", 1)).await.is_err());

        let quorum = node.start().await.unwrap();
        quorum.ready().await.unwrap();
        assert_eq!(quorum.image(), before.0);
        // The LeaderChange of the new leadership.
        assert_eq!(quorum.applied_offset(), before.1 + 1);
        let status = quorum.status();
        assert_eq!((status.leader, status.leader_epoch), (Some(1), 2));
    });
}

#[test]
fn snapshots_take_the_place_of_the_log() {
    block_on(async {
        let mut node = Node::new(2);
        node.config.snapshot_bytes = 4_000;
        node.config.segment_bytes = 8_000;
        let quorum = node.start().await.unwrap();
        join(&quorum, 1, 1).await;
        for number in 0..300 {
            assert_eq!(create(&quorum, &format!("t{number}"), 2).await, 0);
        }
        let image = quorum.image();
        quorum.shutdown().await;
        let names: Vec<String> = names(&node);
        let checkpoints = names.iter().filter(|name| name.ends_with(".checkpoint")).count();
        let segments = names.iter().filter(|name| name.ends_with(".log")).count();
        assert_eq!(checkpoints, 2, "{names:?}");
        assert!(segments <= 4, "{names:?}");
        let quorum = node.start().await.unwrap();
        quorum.ready().await.unwrap();
        assert_eq!(quorum.image(), image);
        assert_eq!(create(&quorum, "t300", 1).await, 0);
    });
}

fn names(node: &Node) -> Vec<String> {
    use klamm_env::Disk;
    let dir = node.config.dir.join("__cluster_metadata-0");
    node.disk.list(&dir).expect("listed").into_iter().map(|entry| entry.name).collect()
}

/// Whatever was answered is there after a power cut at any moment, in a log that opens.
#[test]
fn what_was_answered_survives_power_cuts() {
    let seeds = std::env::var("KLAMM_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seeds.map_or(0..200, |seed: u64| seed..seed + 1) {
        let outcome = std::panic::catch_unwind(|| block_on(power_cuts(seed)));
        if let Err(panic) = outcome {
            println!("KLAMM_SEED={seed} cargo test -p klamm-quorum --test it power_cuts");
            std::panic::resume_unwind(panic);
        }
    }
}

async fn power_cuts(seed: u64) {
    let mut node = Node::new(seed);
    node.config.snapshot_bytes = 5_000;
    node.config.segment_bytes = 20_000;
    let mut answered: Vec<String> = Vec::new();
    let mut next = 0;
    for life in 0..6 {
        let quorum = node.start().await.expect("opened");
        join(&quorum, 1, life).await;
        check(&quorum, &answered, seed);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..node.random.below(30) {
            let (quorum, name) = (quorum.clone(), format!("t{next}"));
            next += 1;
            tasks.spawn(async move { (create(&quorum, &name, 1).await == 0).then_some(name) });
        }
        // The cut comes after some of the answers.
        for _ in 0..node.random.below(tasks.len() as u64 + 1) {
            answered.extend(tasks.join_next().await.and_then(Result::ok).flatten());
        }
        node.disk.crash();
        drop(quorum);
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let quorum = node.start().await.expect("opened");
    quorum.ready().await.expect("leads");
    check(&quorum, &answered, seed);
}

fn check(quorum: &Quorum, answered: &[String], seed: u64) {
    let image = quorum.image();
    for name in answered {
        assert!(image.topic(name).is_some(), "seed {seed}: {name} is lost");
    }
}

/// Two runs of one seed do the same.
#[test]
fn runs_repeat() {
    let run = || {
        block_on(async {
            let node = Node::new(7);
            let quorum = node.start().await.unwrap();
            join(&quorum, 1, 1).await;
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..20 {
                let quorum = quorum.clone();
                tasks.spawn(async move { create(&quorum, &format!("t{number}"), 3).await });
            }
            while tasks.join_next().await.is_some() {}
            let image = quorum.image();
            let ids: Vec<String> = image.topics().map(|t| format!("{}={}", t.name, t.id)).collect();
            (ids, quorum.applied_offset())
        })
    };
    assert_eq!(run(), run());
}

#[test]
fn goes_on_when_there_is_room_again() {
    use klamm_env::virt::DiskFault;
    block_on(async {
        let node = Node::new(3);
        let quorum = node.start().await.unwrap();
        join(&quorum, 1, 1).await;
        node.disk.set_fault(DiskFault::Full);
        let waiting = tokio::spawn({
            let quorum = quorum.clone();
            async move { create(&quorum, "later", 1).await }
        });
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert!(!waiting.is_finished());
        assert!(quorum.out_of_room().await.contains("storage space"));
        node.disk.set_fault(DiskFault::None);
        assert_eq!(waiting.await.unwrap(), 0);
        let again = quorum.out_of_room();
        let again = tokio::time::timeout(std::time::Duration::from_secs(5), again).await;
        assert!(again.is_err(), "{again:?}");
        assert_eq!(topics(&quorum.image()), "later:1");
    });
}

#[test]
fn a_broken_disk_stops_it_with_a_reason() {
    use klamm_env::virt::DiskFault;
    block_on(async {
        let node = Node::new(4);
        let quorum = node.start().await.unwrap();
        join(&quorum, 1, 1).await;
        node.disk.set_fault(DiskFault::Broken(node.config.dir.clone()));
        let error = quorum.create_topics(crate::support::topic("t", 1)).await.unwrap_err();
        assert!(error.to_string().contains("injected"), "{error}");
        assert!(quorum.stopped_for_good().await.contains("injected"));
    });
}

#[test]
fn updates_tell_what_changed() {
    block_on(async {
        let node = Node::new(5);
        let quorum = node.start().await.unwrap();
        let mut updates = quorum.updates();
        assert!(updates.next().await.unwrap().delta.is_empty());
        join(&quorum, 1, 1).await;
        let joined = updates.next().await.unwrap();
        assert!(joined.delta.features_changed && joined.delta.brokers_changed.contains(&1));
        create(&quorum, "a", 2).await;
        create(&quorum, "b", 1).await;
        let update = updates.next().await.unwrap();
        assert_eq!(update.delta.topics_created.len(), 2);
        assert_eq!(update.delta.partitions_changed.len(), 3);
        assert_eq!(update.offset, quorum.applied_offset());
        quorum.shutdown().await;
        assert!(updates.next().await.is_none());
    });
}

#[test]
fn silent_brokers_are_fenced() {
    block_on(async {
        let node = Node::new(6);
        let quorum = node.start().await.unwrap();
        join(&quorum, 1, 1).await;
        create(&quorum, "t", 1).await;
        let refused = quorum.register_broker(crate::support::registration(1, 2)).await.unwrap_err();
        assert_eq!(refused.code() as i16, 101);
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        let image = quorum.image();
        assert!(image.broker(1).unwrap().fenced);
        let partition = image.topic("t").unwrap().partition(0).unwrap();
        assert_eq!((partition.leader, &*partition.elr), (-1, &[1][..]));
        join(&quorum, 1, 1).await;
        assert_eq!(quorum.image().topic("t").unwrap().partition(0).unwrap().leader, 1);
    });
}
