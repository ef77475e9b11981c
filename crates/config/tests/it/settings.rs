//! Typed settings of a broker and of a topic, from the key to the field.

use klamm_config::{
    BrokerSettings, Compression, Dynamic, Map, SecurityProtocol, TimestampType, TopicConfig,
};

use crate::{broker, map};

/// A topic's configuration from static broker keys, changes for all brokers, and its own keys.
fn check(statics: &[&str], dynamic: &[&str], own: &[&str]) -> TopicConfig {
    let config = broker(&map(statics.iter().copied())).expect("the configuration holds");
    let dynamic = map(dynamic.iter().copied());
    let none = Map::new();
    let effective = config.effective(Dynamic { default: &dynamic, broker: &none });
    TopicConfig::resolve(&effective, &map(own.iter().copied())).expect("the configuration holds")
}

fn settings(statics: &[&str]) -> BrokerSettings {
    let config = broker(&map(statics.iter().copied())).expect("the configuration holds");
    BrokerSettings::of(&config.effective(Dynamic::NONE)).expect("the configuration holds")
}

#[test]
fn retention_comes_from_the_strongest_key() {
    let ms = |statics: &[&str], dynamic: &[&str], own: &[&str]| {
        check(statics, dynamic, own).retention_ms
    };
    assert_eq!(ms(&[], &[], &[]), 7 * 24 * 3_600_000);
    assert_eq!(ms(&["log.retention.hours=2"], &[], &[]), 7_200_000);
    assert_eq!(ms(&["log.retention.hours=2", "log.retention.minutes=3"], &[], &[]), 180_000);
    assert_eq!(ms(&["log.retention.minutes=3", "log.retention.ms=4"], &[], &[]), 4);
    assert_eq!(ms(&["log.retention.minutes=3"], &["log.retention.ms=5"], &[]), 5);
    assert_eq!(ms(&["log.retention.ms=4"], &["log.retention.ms=5"], &["retention.ms=6"]), 6);
    assert_eq!(ms(&["log.retention.hours=-1"], &[], &[]), -1);
}

#[test]
fn topic_fields_read_their_keys() {
    let own = [
        "cleanup.policy=compact,delete",
        "compression.type=zstd",
        "compression.zstd.level=7",
        "message.timestamp.type=LogAppendTime",
        "internal.segment.bytes=100",
        "leader.replication.throttled.replicas=1:2,3:4",
        "retention.ms=50",
    ];
    let topic = check(&["log.roll.hours=2", "log.flush.scheduler.interval.ms=9"], &[], &own);
    assert!(topic.cleanup_policy.compact && topic.cleanup_policy.delete);
    assert_eq!(topic.compression, Compression::Zstd(7));
    assert_eq!(topic.message_timestamp_type, TimestampType::LogAppendTime);
    assert_eq!((topic.segment_bytes, topic.segment_ms, topic.flush_ms), (100, 7_200_000, 9));
    assert_eq!(topic.leader_throttled_replicas, ["1:2", "3:4"]);
    assert_eq!((topic.remote.local_retention_ms, topic.remote.local_retention_bytes), (50, -1));
}

#[test]
fn a_node_without_a_file_listens_on_loopback() {
    let settings = settings(&[]);
    let listener = &settings.network.advertised_listeners[0];
    assert_eq!((listener.host.as_str(), listener.port), ("localhost", 9092));
    assert_eq!(settings.log.log_dirs, ["klamm-data"]);
    assert_eq!(settings.quorum.metadata_log_dir, "klamm-data");
    assert!(settings.node.is_broker && settings.node.is_controller);
    assert_eq!(settings.requests.queued_max_request_bytes, None);
}

#[test]
fn listeners_are_parsed() {
    let settings = settings(&[
        "listeners=ext://[::1]:9094,CONTROLLER://:9093",
        "advertised.listeners=EXT://example.org:1",
        "listener.security.protocol.map=EXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name=ext",
        "controller.quorum.voters=1@localhost:9093",
        "listener.name.ext.max.connections=7",
        "max.connections.per.ip.overrides=127.0.0.1:2, ::1:3",
    ]);
    let network = settings.network;
    let ext = &network.listeners[0];
    assert_eq!((ext.name.as_str(), ext.host.as_str(), ext.port), ("EXT", "::1", 9094));
    assert_eq!((ext.protocol, ext.controller), (SecurityProtocol::SaslSsl, false));
    assert!(network.listeners[1].controller);
    assert_eq!(network.advertised_listeners[0].host, "example.org");
    assert_eq!(network.inter_broker_listener_name, "EXT");
    assert_eq!(network.max_connections_by_listener.get("EXT"), Some(&7));
    assert_eq!(network.max_connections_per_ip_overrides.get("::1"), Some(&3));
    assert_eq!(settings.quorum.voters[0].at.port, 9093);
}
