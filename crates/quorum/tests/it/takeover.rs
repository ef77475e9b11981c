//! A metadata log of Apache Kafka's becomes ours, wherever that is interrupted.

use std::{io::IoSlice, path::Path};

use crate::support::{Node, create, join};
use klamm_env::{
    Disk, disk,
    disk::Open,
    virt::{DiskFault, VirtualDisk},
};
use klamm_metadata::Image;
use klamm_protocol::records::{BatchBuilder, BatchOptions, Batches, NewRecord};
use klamm_quorum::kafka::{self, KafkaLog, Owner};

const SNAPSHOT: &[u8] = include_bytes!("../golden/00000000000000000231-0000000001.checkpoint");
const SNAPSHOT_NAME: &str = "00000000000000000231-0000000001.checkpoint";
const LOG: &[u8] = include_bytes!("../golden/00000000000000000000.log");
const LOG_NAME: &str = "00000000000000000000.log";
const STATE: &[u8] = br#"{"leaderId":1,"leaderEpoch":4,"votedId":1,"data_version":1}"#;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

/// A node with these files of Kafka's, all durable.
fn kafkas(seed: u64, files: &[(&str, &[u8])]) -> Node {
    let node = Node::new(seed);
    let dir = node.config.dir.join("__cluster_metadata-0");
    disk::create_dir_durably(&node.disk, &dir).expect("made");
    for (name, bytes) in files {
        put(&node.disk, &dir.join(name), bytes);
    }
    node
}

fn put(disk: &VirtualDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, Open::Create).expect("opened");
    file.write_all_at(&[IoSlice::new(bytes)], 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir(disk::parent(path)).expect("synced");
}

fn whole(seed: u64) -> Node {
    kafkas(seed, &[(LOG_NAME, LOG), (SNAPSHOT_NAME, SNAPSHOT), ("quorum-state", STATE)])
}

fn read(node: &Node) -> KafkaLog {
    KafkaLog::read(&node.disk, &node.config.dir).expect("read")
}

/// Starts our quorum on what is there, and gives the image that it comes to.
async fn image_of(node: &Node) -> Image {
    let quorum = node.start().await.expect("opened");
    quorum.ready().await.expect("it leads");
    let image = Image::clone(&quorum.image());
    quorum.shutdown().await;
    image
}

#[test]
fn we_go_on_where_kafka_stopped() {
    block_on(async {
        let node = whole(1);
        let log = read(&node);
        assert_eq!(kafka::owner(&node.disk, &node.config.dir).unwrap(), Owner::Kafka);
        assert_eq!((&*log.voters, &*log.unread, &log.damage), (&[1][..], &[][..], &None));
        assert_eq!(log.image.topic("orders").unwrap().partition_count(), 5);
        let end = log.end_offset;
        assert!(end >= 231 && log.epoch >= 1, "{end} {}", log.epoch);
        let kept = log.adopt(&node.config.env, &node.config.dir, 1).unwrap().kept;
        assert_eq!(kafka::owner(&node.disk, &node.config.dir).unwrap(), Owner::Klamm);
        let copy = disk::read_file(&node.disk, &kept.join(LOG_NAME), 1 << 20).unwrap();
        assert_eq!(copy, LOG);

        let quorum = node.start().await.unwrap();
        quorum.ready().await.unwrap();
        assert_eq!(*quorum.image(), log.image);
        // Kafka's last epoch was noted beside the log; the next is ours. Its LeaderChange is all
        // that was written.
        let status = quorum.status();
        assert_eq!((status.leader, status.leader_epoch), (Some(1), 5));
        assert_eq!(quorum.applied_offset(), end);
        assert_eq!(join(&quorum, 1, 1).await, end + 1);
        assert_eq!(create(&quorum, "new", 3).await, 0);
        let image = quorum.image();
        quorum.shutdown().await;
        assert_eq!(image_of(&node).await, *image);
    });
}

#[test]
fn a_crash_at_any_step_leaves_the_old_or_the_new() {
    let mut steps = 0;
    let mut done = false;
    while !done {
        block_on(async {
            let node = whole(100 + steps);
            let before = read(&node);
            node.disk.set_fault(DiskFault::Dying(steps));
            done = before.adopt(&node.config.env, &node.config.dir, 1).is_ok();
            node.disk.set_fault(DiskFault::None);
            node.disk.crash();
            match kafka::owner(&node.disk, &node.config.dir).unwrap() {
                Owner::Kafka => {
                    let again = read(&node);
                    assert_eq!(again.image, before.image, "after {steps} steps");
                    assert_eq!((again.end_offset, again.epoch), (before.end_offset, before.epoch));
                    again.adopt(&node.config.env, &node.config.dir, 1).unwrap();
                }
                owner => assert_eq!(owner, Owner::Klamm, "after {steps} steps"),
            }
            assert_eq!(image_of(&node).await, before.image, "after {steps} steps");
        });
        steps += 1;
    }
    assert!(steps > 10, "{steps} steps");
}

#[test]
fn the_log_alone_is_enough_and_so_is_a_damaged_snapshot_beside_it() {
    let expected = read(&whole(2)).image;
    let node = kafkas(3, &[(LOG_NAME, LOG), ("quorum-state", STATE)]);
    assert_eq!(read(&node).image, expected);
    let node = kafkas(
        4,
        &[
            (LOG_NAME, LOG),
            (SNAPSHOT_NAME, &SNAPSHOT[..SNAPSHOT.len() - 1]),
            ("quorum-state", STATE),
        ],
    );
    let log = read(&node);
    assert_eq!((log.image, log.damaged_snapshots.len()), (expected, 1));
}

#[test]
fn a_torn_end_is_cut_and_damage_before_it_is_told() {
    block_on(async {
        let torn = &LOG[..LOG.len() - 3];
        let node = kafkas(5, &[(LOG_NAME, torn), ("quorum-state", STATE)]);
        let log = read(&node);
        let damage = log.damage.clone().expect("torn");
        assert!(damage.is_torn_end, "{damage:?}");
        log.adopt(&node.config.env, &node.config.dir, 1).unwrap();
        assert_eq!(image_of(&node).await, log.image);

        let mut damaged = LOG.to_vec();
        damaged[100] ^= 1;
        let node = kafkas(6, &[(LOG_NAME, &damaged), ("quorum-state", STATE)]);
        assert!(!read(&node).damage.expect("damaged").is_torn_end);
    });
}

#[test]
fn what_cannot_be_read_is_named() {
    let end = Batches::new(LOG).last().unwrap().unwrap().batch().unwrap().next_offset();
    let mut batch = BatchBuilder::new(BatchOptions {
        base_offset: end,
        partition_leader_epoch: 1,
        ..BatchOptions::default()
    });
    // Frame version 1, record type 120, version 0.
    let value = Some(&[1, 120, 0][..]);
    batch.append(&NewRecord { timestamp: 0, key: None, value, headers: &[] }).unwrap();
    let bytes = [LOG, &batch.build().unwrap()].concat();
    let log = read(&kafkas(7, &[(LOG_NAME, &bytes), ("quorum-state", STATE)]));
    assert_eq!(log.unread.len(), 1);
    assert_eq!(log.unread[0].offset, end);
    assert!(log.unread[0].error.contains("120"), "{:?}", log.unread);
}

#[test]
fn what_is_not_kafkas_is_told_from_what_is() {
    let owner = |files: &[(&str, &[u8])]| {
        let node = kafkas(8, files);
        kafka::owner(&node.disk, &node.config.dir).unwrap()
    };
    assert_eq!(owner(&[]), Owner::Nobody);
    assert_eq!(
        owner(&[("00000000000000000000-0000000000.checkpoint", SNAPSHOT)]),
        Owner::Formatted
    );
    assert_eq!(owner(&[(LOG_NAME, LOG), ("quorum-state", STATE)]), Owner::Kafka);
    assert_eq!(owner(&[(LOG_NAME, LOG), ("raft-state", b"")]), Owner::Klamm);
}
