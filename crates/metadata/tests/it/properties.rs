//! What holds for every history: replaying it gives the same image, and so does a snapshot taken
//! anywhere in it.

use klamm_metadata::{Delta, Entropy, Image, decide};
use klamm_protocol::messages::{
    AllocateProducerIdsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    IncrementalAlterConfigsRequest,
    create_partitions_request::CreatePartitionsTopic,
    create_topics_request::CreatableTopic,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    metadata_record::MetadataRecord,
};

use crate::support::Controller;

/// One random command, sensible or not.
fn step(controller: &mut Controller) {
    let choice = controller.numbers.below(8);
    let broker = controller.numbers.below(5) as i32;
    let name = format!("t.{}", controller.numbers.below(12)).replacen(
        '.',
        ["", ".", "_"][controller.numbers.below(3)],
        1,
    );
    match choice {
        0 | 1 => create(controller, &name),
        2 => delete(controller, &name),
        3 => grow(controller, &name),
        4 => configure(controller, &name),
        5 => {
            let incarnation = controller.numbers.next();
            drop(controller.register(broker, incarnation));
        }
        6 => {
            let (fence, stop) =
                (controller.numbers.below(2) == 0, controller.numbers.below(4) == 0);
            drop(controller.heartbeat(broker, fence, stop));
        }
        _ => {
            let epoch = controller.image.broker(broker).map_or(-1, |broker| broker.epoch);
            let request = AllocateProducerIdsRequest {
                broker_id: broker,
                broker_epoch: epoch,
                ..AllocateProducerIdsRequest::default()
            };
            drop(controller.run(|image, _| decide::allocate_producer_ids(image, &request)));
        }
    }
}

fn create(controller: &mut Controller, name: &str) {
    let topic = CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: controller.numbers.below(4) as i32,
        replication_factor: controller.numbers.below(4) as i16,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    drop(controller.run(|image, context| Ok(decide::create_topics(image, context, &request))));
}

fn delete(controller: &mut Controller, name: &str) {
    let topic_names = vec![name.to_owned().into()];
    let request = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
    drop(controller.run(|image, context| decide::delete_topics(image, context, &request)));
}

fn grow(controller: &mut Controller, name: &str) {
    let topic = CreatePartitionsTopic {
        name: name.to_owned().into(),
        count: controller.numbers.below(6) as i32,
        assignments: None,
        ..CreatePartitionsTopic::default()
    };
    let request =
        CreatePartitionsRequest { topics: vec![topic], ..CreatePartitionsRequest::default() };
    drop(controller.run(|image, context| Ok(decide::create_partitions(image, context, &request))));
}

fn configure(controller: &mut Controller, name: &str) {
    let (kind, name) = [(2, name), (4, ""), (4, "1"), (32, "g")][controller.numbers.below(4)];
    let operation = controller.numbers.below(2) as i8;
    let config = AlterableConfig {
        name: format!("k{}", controller.numbers.below(3)).into(),
        config_operation: operation,
        value: Some(controller.numbers.below(3).to_string().into()),
        ..AlterableConfig::default()
    };
    let resource = AlterConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned().into(),
        configs: vec![config],
        ..AlterConfigsResource::default()
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource],
        ..IncrementalAlterConfigsRequest::default()
    };
    drop(
        controller
            .run(|image, context| Ok(decide::incremental_alter_configs(image, context, &request))),
    );
}

fn replay(image: &mut Image, records: &[MetadataRecord<'static>]) {
    for record in records {
        // Through the bytes, as from a log.
        let bytes = klamm_metadata::encode(record, image.features());
        let read = klamm_metadata::decode(&bytes).expect("readable").expect("known");
        image.apply(&read);
    }
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("KLAMM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..100,
    }
}

#[test]
fn replay_and_snapshots_agree() {
    for seed in seeds() {
        let mut controller = Controller::with_brokers(seed, 0..3);
        for _ in 0..150 {
            step(&mut controller);
        }
        let again = format!("KLAMM_SEED={seed} cargo test -p klamm-metadata --test it replay");
        let mut replayed = Image::default();
        replay(&mut replayed, &controller.records[..1]);
        replay(&mut replayed, &controller.records[1..]);
        assert!(replayed == controller.image, "replay differs: {again}");
        let at = controller.numbers.below(controller.records.len()) + 1;
        let mut early = Image::default();
        replay(&mut early, &controller.records[..at]);
        let mut restored = Image::default();
        replay(&mut restored, &early.snapshot());
        assert!(restored == early, "a snapshot at {at} differs: {again}");
        replay(&mut restored, &controller.records[at..]);
        assert!(restored == controller.image, "a snapshot at {at} diverges: {again}");
    }
}

#[test]
fn deltas_name_what_differs() {
    for seed in seeds() {
        let mut controller = Controller::with_brokers(seed, 0..3);
        let again = format!("KLAMM_SEED={seed} cargo test -p klamm-metadata --test it deltas");
        for _ in 0..20 {
            let (before, from) = (controller.image.clone(), controller.records.len());
            (0..6).for_each(|_| step(&mut controller));
            let mut noted = Delta::default();
            let mut image = before.clone();
            for record in &controller.records[from..] {
                noted.note(&image, record);
                image.apply(record);
            }
            let exact = Delta::between(&before, &controller.image);
            assert_eq!(noted.topics_created, exact.topics_created, "{again}");
            assert_eq!(noted.topics_deleted, exact.topics_deleted, "{again}");
            assert!(noted.partitions_changed.is_superset(&exact.partitions_changed), "{again}");
            assert!(noted.configs_changed.is_superset(&exact.configs_changed), "{again}");
            assert!(noted.brokers_changed.is_superset(&exact.brokers_changed), "{again}");
        }
    }
}

/// ISR and ELR stay what they are meant to be, whatever happens to brokers.
#[test]
fn leaders_are_in_sync() {
    for seed in seeds() {
        let mut controller = Controller::with_brokers(seed, 0..3);
        for number in 0..200 {
            step(&mut controller);
            for topic in controller.image.topics() {
                for (partition, state) in topic.partitions() {
                    let what = format!(
                        "seed {seed}, step {number}: {}-{partition}: {state:?}",
                        topic.name
                    );
                    assert!(state.leader < 0 || state.isr.contains(&state.leader), "{what}");
                    assert!(state.isr.iter().all(|id| !state.elr.contains(id)), "{what}");
                    assert!(state.isr.iter().all(|id| state.replicas.contains(id)), "{what}");
                    assert!(state.isr.is_empty() || state.elr.is_empty(), "{what}");
                    let known = [&*state.isr, &*state.elr, &*state.last_known_elr].concat();
                    assert!(!known.is_empty(), "{what}");
                    assert_eq!(state.directories.len(), state.replicas.len(), "{what}");
                }
            }
        }
    }
}

#[test]
fn transactions_are_seen_whole_or_not_at_all() {
    let mut image = Controller::with_brokers(1, 0..1).image;
    let before = image.clone();
    let mut controller = Controller::with_brokers(2, 0..2);
    create(&mut controller, "t");
    image.apply(&MetadataRecord::BeginTransaction(Default::default()));
    controller.records.iter().for_each(|record| image.apply(record));
    assert!(image.is_in_transaction());
    assert_eq!(*image.visible(), before);
    assert_eq!(image.snapshot(), before.snapshot());
    let mut aborted = image.clone();
    aborted.apply(&MetadataRecord::AbortTransaction(Default::default()));
    assert_eq!(aborted, before);
    image.apply(&MetadataRecord::EndTransaction(Default::default()));
    assert_eq!(image.brokers().count(), 2);
    assert!(!image.is_in_transaction());
}
