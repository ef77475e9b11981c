//! What clients are told. The texts are those that Apache Kafka 4.3.1 answers.

use klamm_metadata::{Refusal, decide};
use klamm_protocol::{
    messages::{
        AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationChangeRecord,
        CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
        IncrementalAlterConfigsRequest, UnregisterBrokerRequest, UpdateFeaturesRequest,
        alter_partition_request::{PartitionData, TopicData},
        create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        metadata_record::MetadataRecord,
        update_features_request::FeatureUpdateKey,
    },
    wire::Uuid,
};

use crate::support::{Controller, line};

/// `name [partitions=N] [rf=N] [assign=P:B,B;P:B] [key=value]`, in which `null` is no value.
fn parse(text: &str) -> CreatableTopic<'static> {
    let (name, rest) = text.split_once('|').unwrap_or((text, ""));
    let mut topic = CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    for (key, value) in rest.split_whitespace().filter_map(|word| word.split_once('=')) {
        match key {
            "partitions" => topic.num_partitions = value.parse().expect("a number"),
            "rf" => topic.replication_factor = value.parse().expect("a number"),
            "assign" => topic.assignments = value.split(';').map(assignment).collect(),
            key => topic.configs.push(CreatableTopicConfig {
                name: key.to_owned().into(),
                value: (value != "null").then(|| value.to_owned().into()),
                ..CreatableTopicConfig::default()
            }),
        }
    }
    topic
}

fn assignment(text: &str) -> CreatableReplicaAssignment<'static> {
    let (partition, brokers) = text.split_once(':').expect("partition:brokers");
    let ids = brokers.split(',').filter(|id| !id.is_empty());
    CreatableReplicaAssignment {
        partition_index: partition.parse().expect("a number"),
        broker_ids: ids.map(|id| id.parse().expect("a number")).collect(),
        ..CreatableReplicaAssignment::default()
    }
}

fn create(controller: &mut Controller, topics: &[&str]) -> String {
    let topics = topics.iter().map(|text| parse(text)).collect();
    let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
    let response =
        controller.run(|image, context| Ok(decide::create_topics(image, context, &request)));
    let results = response.expect("decided").topics;
    let lines = results.iter().map(|r| line(r.error_code, r.error_message.as_deref()));
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check_create(topic: &str, expected: &str) {
    let mut controller = Controller::with_brokers(1, 1..2);
    assert_eq!(create(&mut controller, &["orders", "a.b"]), "ok\nok");
    assert_eq!(create(&mut controller, &[topic]), expected);
}

#[test]
fn topics_are_created_or_refused() {
    check_create("t", "ok");
    check_create("t|partitions=-1 rf=-1", "ok");
    check_create("t|partitions=-1 rf=-1 assign=1:1;0:1", "ok");
    check_create(".", "InvalidTopicException Topic name is invalid: '.' is not allowed");
    check_create("..", "InvalidTopicException Topic name is invalid: '..' is not allowed");
    check_create(
        "",
        "InvalidTopicException Topic name is invalid: the empty string is not allowed",
    );
    check_create(
        "x y",
        "InvalidTopicException Topic name is invalid: 'x y' contains one or more characters other \
         than ASCII alphanumerics, '.', '_' and '-'",
    );
    check_create("a_b", "InvalidTopicException Topic 'a_b' collides with existing topic: a.b");
    check_create("orders", "TopicAlreadyExists Topic 'orders' already exists.");
    check_create(
        "__cluster_metadata",
        "InvalidRequest Creation of internal topic __cluster_metadata is prohibited.",
    );
    let factor = "InvalidReplicationFactor Replication factor must be larger than 0, or -1 to use \
                  the default value.";
    check_create("t|rf=0", factor);
    check_create("t|rf=-2", factor);
    check_create(
        "t|rf=2",
        "InvalidReplicationFactor Unable to replicate the partition 2 time(s): The target \
         replication factor of 2 cannot be reached because only 1 broker(s) are registered or some \
         brokers have all their log directories cordoned.",
    );
    let count = "InvalidPartitions Number of partitions was set to an invalid non-positive value.";
    check_create("t|partitions=0", count);
    check_create("t|partitions=-2", count);
    check_create(
        "t|partitions=10001",
        "PolicyViolation Excessively large number of partitions per request.",
    );
    check_create(
        "t|a=null b=1 c=null",
        "InvalidConfig Null value not supported for topic configs: a,c",
    );
    check_create("t|no.such=1", "InvalidConfig Unknown topic config name: no.such");
}

#[test]
fn assignments_are_checked() {
    check_create(
        "t|partitions=-1 rf=-1 assign=0:7",
        "InvalidReplicaAssignment The manual partition assignment includes broker 7, but no such \
         broker is registered.",
    );
    check_create(
        "t|partitions=-1 rf=-1 assign=0:1,1",
        "InvalidReplicaAssignment The manual partition assignment includes the broker 1 more than \
         once.",
    );
    check_create(
        "t|partitions=-1 rf=-1 assign=1:1",
        "InvalidReplicaAssignment partitions should be a consecutive 0-based integer sequence",
    );
    check_create(
        "t|partitions=-1 rf=-1 assign=0:",
        "InvalidReplicaAssignment The manual partition assignment includes an empty replica list.",
    );
    check_create(
        "t|partitions=3 rf=-1 assign=0:1",
        "InvalidRequest A manual partition assignment was specified, but numPartitions was not set \
         to -1.",
    );
    check_create(
        "t|partitions=-1 assign=0:1",
        "InvalidRequest A manual partition assignment was specified, but replication factor was \
         not set to -1.",
    );
}

#[test]
fn a_name_twice_is_refused_once() {
    let mut controller = Controller::with_brokers(1, 1..2);
    let lines = create(&mut controller, &["a", "b", "a"]);
    assert_eq!(lines, "ok\nInvalidRequest Duplicate topic name.");
    assert!(controller.image.topic("a").is_none() && controller.image.topic("b").is_some());
}

#[test]
fn validation_alone_changes_nothing() {
    let mut controller = Controller::with_brokers(1, 1..2);
    let before = controller.image.clone();
    let request = CreateTopicsRequest {
        topics: vec![parse("t|partitions=3 a=1")],
        validate_only: true,
        ..CreateTopicsRequest::default()
    };
    let response =
        controller.run(|image, context| Ok(decide::create_topics(image, context, &request)));
    let result = &response.unwrap().topics[0];
    assert_eq!((result.error_code, result.num_partitions, result.replication_factor), (0, 3, 1));
    assert_eq!(result.configs.as_ref().unwrap()[0].name, "a");
    assert_eq!(controller.image, before);
}

#[test]
fn replicas_are_spread_over_racks() {
    for seed in 0..50 {
        let mut controller = Controller::with_brokers(seed, 0..6);
        assert_eq!(create(&mut controller, &["t|partitions=12 rf=3"]), "ok", "seed {seed}");
        let topic = controller.image.topic("t").unwrap();
        let mut leaders = [0; 6];
        let mut held = [0; 6];
        for (_, partition) in topic.partitions() {
            let mut racks: Vec<_> = partition.replicas.iter().map(|id| id % 3).collect();
            racks.sort_unstable();
            assert_eq!(racks, [0, 1, 2], "seed {seed}");
            leaders[partition.leader as usize] += 1;
            partition.replicas.iter().for_each(|id| held[*id as usize] += 1);
        }
        assert_eq!(leaders, [2; 6], "seed {seed}");
        assert_eq!(held, [6; 6], "seed {seed}");
    }
}

#[test]
fn a_fenced_broker_follows_but_does_not_lead() {
    for seed in 0..20 {
        let mut controller = Controller::with_brokers(seed, 0..3);
        controller.heartbeat(1, true, false).unwrap();
        assert_eq!(create(&mut controller, &["t|partitions=9 rf=3"]), "ok");
        for (_, partition) in controller.image.topic("t").unwrap().partitions() {
            assert_ne!(partition.replicas[0], 1, "seed {seed}");
            assert!(partition.replicas.contains(&1) && !partition.isr.contains(&1));
        }
    }
}

#[track_caller]
fn check_delete(names: &[&str], ids: &[(&str, Option<&str>)], expected: &str) {
    let mut controller = Controller::with_brokers(1, 1..2);
    assert_eq!(create(&mut controller, &["a|x=1", "b"]), "ok\nok");
    let id = |name: &str| controller.image.topic(name).map_or(Uuid::ONE, |topic| topic.id);
    let states = ids.iter().map(|(of, name)| DeleteTopicState {
        topic_id: if of.is_empty() { Uuid::ZERO } else { id(of) },
        name: name.map(|name| name.to_owned().into()),
        ..DeleteTopicState::default()
    });
    let request = DeleteTopicsRequest {
        topics: states.collect(),
        topic_names: names.iter().map(|name| (*name).to_owned().into()).collect(),
        ..DeleteTopicsRequest::default()
    };
    let response = controller.run(|image, context| decide::delete_topics(image, context, &request));
    let results = response.expect("decided").responses;
    let lines = results.iter().map(|r| line(r.error_code, r.error_message.as_deref()));
    let left: Vec<&str> = controller.image.topics().map(|topic| &*topic.name).collect();
    let lines = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(format!("{lines}\nleft: {}", left.join(" ")), expected);
    assert_eq!(controller.image.configured().count(), 1 + usize::from(left.contains(&"a")));
}

#[test]
fn topics_are_deleted_by_name_and_id() {
    check_delete(&["a"], &[], "ok\nleft: b");
    check_delete(&[], &[("a", None), ("b", None)], "ok\nok\nleft: ");
    check_delete(
        &["nope"],
        &[],
        "UnknownTopicOrPartition This server does not host this topic-partition.\nleft: a b",
    );
    check_delete(
        &[],
        &[("nope", None)],
        "UnknownTopicId This server does not host this topic ID.\nleft: a b",
    );
    check_delete(&["a", "a"], &[], "InvalidRequest Duplicate topic name.\nleft: a b");
    check_delete(&[], &[("a", None), ("a", None)], "InvalidRequest Duplicate topic id.\nleft: a b");
    check_delete(
        &[],
        &[("a", Some("a"))],
        "InvalidRequest You may not specify both topic name and topic id.\nleft: a b",
    );
    check_delete(
        &[],
        &[("", None)],
        "InvalidRequest Neither topic name nor id were specified.\nleft: a b",
    );
    check_delete(
        &[],
        &[("", Some("a")), ("a", None)],
        "InvalidRequest The provided topic name maps to an ID that was already supplied.\nok\n\
         left: b",
    );
}

#[track_caller]
fn check_grow(name: &str, count: i32, assign: Option<&[&[i32]]>, expected: &str) {
    let mut controller = Controller::with_brokers(1, 1..3);
    assert_eq!(create(&mut controller, &["t|partitions=5"]), "ok");
    let assignments = assign.map(|all| {
        let one = |ids: &&[i32]| CreatePartitionsAssignment {
            broker_ids: ids.to_vec(),
            ..CreatePartitionsAssignment::default()
        };
        all.iter().map(one).collect()
    });
    let topic = CreatePartitionsTopic {
        name: name.to_owned().into(),
        count,
        assignments,
        ..CreatePartitionsTopic::default()
    };
    let request =
        CreatePartitionsRequest { topics: vec![topic], ..CreatePartitionsRequest::default() };
    let response =
        controller.run(|image, context| Ok(decide::create_partitions(image, context, &request)));
    let result = &response.expect("decided").results[0];
    assert_eq!(line(result.error_code, result.error_message.as_deref()), expected);
    let after = controller.image.topic("t").expect("there").partition_count() as i32;
    assert_eq!(after, if expected == "ok" { count } else { 5 });
}

#[test]
fn partitions_are_added_or_refused() {
    check_grow("t", 7, None, "ok");
    check_grow("t", 6, Some(&[&[2]]), "ok");
    check_grow(
        "nope",
        3,
        None,
        "UnknownTopicOrPartition This server does not host this topic-partition.",
    );
    check_grow("t", 5, None, "InvalidPartitions Topic already has 5 partition(s).");
    check_grow(
        "t",
        2,
        None,
        "InvalidPartitions The topic t currently has 5 partition(s); 2 would not be an increase.",
    );
    check_grow(
        "t",
        7,
        Some(&[&[1]]),
        "InvalidReplicaAssignment Attempted to add 2 additional partition(s), but only 1 \
         assignment(s) were specified.",
    );
    check_grow(
        "t",
        6,
        Some(&[&[1, 2]]),
        "InvalidReplicaAssignment The manual partition assignment includes a partition with 2 \
         replica(s), but this is not consistent with previous partitions, which have 1 replica(s).",
    );
}

#[track_caller]
fn check_alter(kind: i8, name: &str, key: &str, value: Option<&str>, expected: &str) {
    let mut controller = Controller::with_brokers(1, 1..2);
    assert_eq!(create(&mut controller, &["t"]), "ok");
    let config = AlterableConfig {
        name: key.to_owned().into(),
        config_operation: i8::from(value.is_none()),
        value: value.map(|value| value.to_owned().into()),
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
    let response = controller
        .run(|image, context| Ok(decide::incremental_alter_configs(image, context, &request)));
    let result = &response.expect("decided").responses[0];
    assert_eq!(line(result.error_code, result.error_message.as_deref()), expected);
}

#[test]
fn configurations_are_altered_or_refused() {
    check_alter(2, "t", "a", Some("1"), "ok");
    check_alter(32, "any group", "a", Some("1"), "ok");
    check_alter(
        2,
        "nope",
        "a",
        Some("1"),
        "UnknownTopicOrPartition The topic 'nope' does not exist.",
    );
    check_alter(
        4,
        "1",
        "min.insync.replicas",
        Some("2"),
        "InvalidConfig Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
    );
    check_alter(
        4,
        "",
        "min.insync.replicas",
        None,
        "InvalidConfig Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
    );
    check_alter(4, "", "min.insync.replicas", Some("2"), "ok");
    check_alter(8, "1", "no.such", Some("INFO"), "InvalidConfig Logger no.such does not exist!");
}

#[track_caller]
fn check_feature(name: &str, level: i16, kind: i8, expected: &str) {
    let mut controller = Controller::with_brokers(1, 1..2);
    let update = FeatureUpdateKey {
        feature: name.to_owned().into(),
        max_version_level: level,
        upgrade_type: kind,
        ..FeatureUpdateKey::default()
    };
    let request =
        UpdateFeaturesRequest { feature_updates: vec![update], ..UpdateFeaturesRequest::default() };
    let response =
        controller.run(|image, context| decide::update_features(image, context, &request));
    let shown = response.map_or_else(
        |refusal| {
            refusal.message.rsplit_once("error: ").map_or_else(String::new, |t| t.1.to_owned())
        },
        |_| format!("{}", controller.image.features().level(name)),
    );
    assert_eq!(shown, expected);
}

#[test]
fn features_go_up_and_down() {
    check_feature("group.version", 1, 1, "1");
    check_feature("group.version", 0, 2, "0");
    check_feature("eligible.leader.replicas.version", 0, 2, "0");
    check_feature(
        "group.version",
        9,
        1,
        "Invalid update version 9 for feature group.version. Local controller 1 only supports \
         versions 0-1",
    );
    check_feature(
        "no.such",
        1,
        1,
        "Invalid update version 1 for feature no.such. Local controller 1 does not support this \
         feature.",
    );
    check_feature(
        "metadata.version",
        29,
        2,
        "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested \
         downgrade because it might delete metadata information.",
    );
    check_feature(
        "metadata.version",
        29,
        3,
        "Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata downgrade is not \
         supported in this version.",
    );
    check_feature(
        "no.such",
        0,
        2,
        "Invalid update version 0 for feature no.such. Feature no.such not found.",
    );
    check_feature("transaction.version", 1, 2, "1");
    check_feature("kraft.version", 1, 1, "1");
}

#[test]
fn leaders_move_with_their_brokers() {
    let mut controller = Controller::with_brokers(1, 1..3);
    assert_eq!(create(&mut controller, &["t|partitions=-1 rf=-1 assign=0:1,2"]), "ok");
    assert_eq!(controller.show("t"), "0: 1/0 isr=[1, 2] elr=[] last=[]");
    controller.heartbeat(1, true, false).unwrap();
    assert_eq!(controller.show("t"), "0: 2/1 isr=[2] elr=[] last=[]");
    controller.heartbeat(2, true, false).unwrap();
    assert_eq!(controller.show("t"), "0: -1/2 isr=[] elr=[2] last=[]");
    // Broker 1 does not have all committed records: it waits for 2.
    controller.heartbeat(1, false, false).unwrap();
    assert_eq!(controller.show("t"), "0: -1/2 isr=[] elr=[2] last=[]");
    controller.heartbeat(2, false, false).unwrap();
    assert_eq!(controller.show("t"), "0: 2/3 isr=[2] elr=[] last=[]");
}

#[test]
fn a_node_that_stops_cleanly_comes_back_clean() {
    let mut controller = Controller::with_brokers(1, 1..2);
    assert_eq!(create(&mut controller, &["t"]), "ok");
    assert!(!controller.heartbeat(1, false, true).unwrap());
    assert_eq!(controller.show("t"), "0: -1/1 isr=[] elr=[1] last=[]");
    assert!(controller.heartbeat(1, false, true).unwrap());
    controller.join(1, 1);
    assert_eq!(controller.show("t"), "0: 1/2 isr=[1] elr=[] last=[]");
}

#[test]
fn a_node_that_was_killed_recovers() {
    let mut controller = Controller::with_brokers(1, 1..2);
    assert_eq!(create(&mut controller, &["t"]), "ok");
    controller.register(1, 2).unwrap();
    assert_eq!(controller.show("t"), "0: -1/1 isr=[] elr=[] last=[1]");
    controller.heartbeat(1, false, false).unwrap();
    assert_eq!(controller.show("t"), "0: 1/2 isr=[1] elr=[] last=[] recovering");
    assert_eq!(alter_partition(&mut controller, 2, &[1]), Ok((0, vec![1])));
    assert_eq!(controller.show("t"), "0: 1/2 isr=[1] elr=[] last=[]");
}

/// Broker 1 says who is in sync in partition 0 of `t`; gives the error and the ISR.
fn alter_partition(
    controller: &mut Controller,
    epoch: i32,
    isr: &[i32],
) -> Result<(i16, Vec<i32>), Refusal> {
    let topic = controller.image.topic("t").expect("there");
    let partition = PartitionData {
        leader_epoch: epoch,
        new_isr: isr.to_vec(),
        partition_epoch: topic.partition(0).expect("there").partition_epoch,
        ..PartitionData::default()
    };
    let topics =
        vec![TopicData { topic_id: topic.id, partitions: vec![partition], ..TopicData::default() }];
    let broker_epoch = controller.image.broker(1).expect("there").epoch;
    let request = AlterPartitionRequest {
        broker_id: 1,
        broker_epoch,
        topics,
        ..AlterPartitionRequest::default()
    };
    let response =
        controller.run(|image, context| decide::alter_partition(image, context, &request))?;
    let answer = &response.topics[0].partitions[0];
    Ok((answer.error_code, answer.isr.clone()))
}

#[test]
fn the_leader_says_who_is_in_sync() {
    let mut controller = Controller::with_brokers(1, 1..4);
    assert_eq!(create(&mut controller, &["t|partitions=-1 rf=-1 assign=0:1,2"]), "ok");
    assert_eq!(alter_partition(&mut controller, 0, &[1]), Ok((0, vec![1])));
    assert_eq!(alter_partition(&mut controller, 0, &[1, 2]), Ok((0, vec![1, 2])));
    // INVALID_REQUEST, FENCED_LEADER_EPOCH comes below, NOT_CONTROLLER, INELIGIBLE_REPLICA.
    assert_eq!(alter_partition(&mut controller, 0, &[1, 3]), Ok((42, vec![])));
    assert_eq!(alter_partition(&mut controller, 0, &[]), Ok((42, vec![])));
    assert_eq!(alter_partition(&mut controller, 5, &[1]), Ok((41, vec![])));
    controller.heartbeat(2, true, false).unwrap();
    assert_eq!(alter_partition(&mut controller, 0, &[1, 2]), Ok((107, vec![])));
    assert_eq!(alter_partition(&mut controller, -1, &[1]), Ok((74, vec![])));
}

#[test]
fn brokers_are_unregistered() {
    let mut controller = Controller::with_brokers(1, 1..3);
    assert_eq!(create(&mut controller, &["t|partitions=-1 rf=-1 assign=0:1,2"]), "ok");
    let mut unregister = |id| {
        let request =
            UnregisterBrokerRequest { broker_id: id, ..UnregisterBrokerRequest::default() };
        controller.run(|image, context| decide::unregister_broker(image, context, &request))
    };
    let refusal = unregister(9).unwrap_err();
    assert_eq!(
        line(refusal.number(), Some(&refusal.message)),
        "BrokerIdNotRegistered Broker ID 9 is not currently registered"
    );
    unregister(1).unwrap();
    assert_eq!(controller.image.brokers().count(), 1);
    assert_eq!(controller.show("t"), "0: 2/1 isr=[2] elr=[] last=[]");
}

#[test]
fn a_lost_directory_takes_leaderships_with_it() {
    let mut controller = Controller::with_brokers(1, 1..3);
    assert_eq!(create(&mut controller, &["t|partitions=-1 rf=-1 assign=0:1,2"]), "ok");
    assert_eq!(create(&mut controller, &["u|partitions=-1 rf=-1 assign=0:1"]), "ok");
    let broker = controller.image.broker(1).expect("there");
    let (epoch, lost, left) = (broker.epoch, broker.directories[0], Uuid::from_u128(77 << 64));
    controller.write(vec![MetadataRecord::BrokerRegistrationChange(
        BrokerRegistrationChangeRecord {
            broker_id: 1,
            broker_epoch: epoch,
            log_dirs: vec![lost, left],
            ..BrokerRegistrationChangeRecord::default()
        },
    )]);
    let request = BrokerHeartbeatRequest {
        broker_id: 1,
        broker_epoch: epoch,
        current_metadata_offset: i64::MAX,
        offline_log_dirs: vec![lost],
        ..BrokerHeartbeatRequest::default()
    };
    for _ in 0..2 {
        controller
            .run(|image, context| decide::broker_heartbeat(image, context, &request))
            .unwrap();
        assert_eq!(controller.image.broker(1).expect("there").directories, [left]);
        assert_eq!(controller.show("t"), "0: 2/1 isr=[2] elr=[] last=[]");
        assert_eq!(controller.show("u"), "0: -1/1 isr=[] elr=[1] last=[]");
    }
    // It comes back with the directory, after a stop that was not clean.
    controller.join(1, 2);
    assert_eq!(controller.show("t"), "0: 2/1 isr=[2] elr=[] last=[]");
    assert_eq!(controller.show("u"), "0: 1/2 isr=[1] elr=[] last=[] recovering");
}
