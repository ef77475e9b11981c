//! What Apache Kafka 4.3.1 wrote: its log, its snapshot and its bootstrap snapshot.
//!
//! The files in `golden/` are those of a node on which topics were created, extended and deleted,
//! and configurations of every kind, quotas, ACLs, SCRAM credentials and producer ids were set.

use klamm_metadata::{Image, QuotaEntity, Resource, ResourceKind};
use klamm_protocol::records::{Batches, DecompressionLimit};
use klamm_quorum::Checkpoint;

const SNAPSHOT: &[u8] = include_bytes!("../golden/00000000000000000231-0000000001.checkpoint");
const BOOTSTRAP: &[u8] = include_bytes!("../golden/bootstrap.checkpoint");
const LOG: &[u8] = include_bytes!("../golden/00000000000000000000.log");

fn read(bytes: &[u8]) -> Image {
    let mut image = Image::default();
    Checkpoint::decode(bytes, |record| image.apply(record)).expect("a whole snapshot");
    image
}

#[test]
fn kafkas_snapshot_applies() {
    let image = read(SNAPSHOT);
    assert_eq!(image.features().metadata_version(), 30);
    let broker = image.broker(1).unwrap();
    assert_eq!((broker.epoch, broker.rack.as_deref(), broker.fenced), (11, Some("r1"), false));
    assert_eq!(broker.endpoint("PLAINTEXT").unwrap().port, 21_092);
    assert_eq!(image.controllers().count(), 1);
    let topics: Vec<_> = image.topics().map(|t| (&*t.name, t.partition_count())).collect();
    assert_eq!(topics, [("assigned", 2), ("orders", 5)]);
    let partition = image.topic("orders").unwrap().partition(4).unwrap();
    assert_eq!((partition.leader, partition.directory_of(1)), (1, broker.directories[0]));
    let value = |resource, name| image.config_value(&resource, name);
    assert_eq!(value(Resource::topic("orders"), "cleanup.policy"), Some("compact,delete"));
    assert_eq!(value(Resource::topic("orders"), "retention.ms"), None);
    assert_eq!(value(Resource::broker(1), "log.cleaner.threads"), Some("2"));
    assert_eq!(value(Resource::all_brokers(), "message.max.bytes"), Some("200000"));
    let group = Resource::new(ResourceKind::Group, "grp");
    assert_eq!(value(group, "consumer.session.timeout.ms"), Some("50000"));
    let everybody = QuotaEntity(vec![("user".to_owned(), None)]);
    let quota = image.quotas().find(|(entity, _)| **entity == everybody).unwrap().1;
    assert_eq!(quota.get("consumer_byte_rate"), Some(&2048.0));
    assert_eq!((image.quotas().count(), image.acls().count(), image.scram().count()), (2, 2, 2));
    assert_eq!(image.producer_id_next(), 1000);
}

#[test]
fn kafkas_log_replays_into_kafkas_snapshot() {
    let name = Checkpoint::from_file_name("00000000000000000231-0000000001.checkpoint").unwrap();
    let mut image = Image::default();
    for entry in Batches::new(LOG) {
        let view = entry.unwrap().batch().unwrap();
        if view.is_control() || view.base_offset() >= name.end_offset {
            continue;
        }
        for record in &view.records(DecompressionLimit(1 << 20)).unwrap() {
            let value = record.unwrap().value.unwrap();
            image.apply(&klamm_metadata::decode(value).unwrap().unwrap());
        }
    }
    assert_eq!(image, read(SNAPSHOT));
}

#[test]
fn our_snapshot_of_kafkas_says_the_same() {
    let image = read(SNAPSHOT);
    let ours = Checkpoint { end_offset: 7, epoch: 1 }.encode(&image, 1, 2).unwrap();
    assert_eq!(read(&ours), image);
    // The same records in another order: the same number of bytes.
    assert_eq!(ours.len(), SNAPSHOT.len());
}

#[test]
fn kafkas_bootstrap_is_ours() {
    let mut ours = Image::default();
    let settings = klamm_metadata::Settings::default();
    let records = klamm_metadata::decide::initial_features(&settings);
    records.iter().for_each(|record| ours.apply(record));
    assert_eq!(read(BOOTSTRAP).features(), ours.features());
}

#[test]
fn damage_is_told() {
    for at in 0..SNAPSHOT.len() {
        assert!(Checkpoint::decode(&SNAPSHOT[..at], |_| {}).is_err(), "cut at {at}");
        let mut damaged = SNAPSHOT.to_vec();
        damaged[at] ^= 0x10;
        // Base offset and leader epoch are outside of the checksum; nothing reads them.
        drop(Checkpoint::decode(&damaged, |_| {}));
    }
}
