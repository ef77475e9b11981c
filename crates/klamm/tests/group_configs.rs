//! Settings of a group take effect at once, on groups of each protocol with server-side assignment.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

mod support;

use std::time::Duration;

use klamm::{
    Broker, Random, VirtualNet,
    client::{ConfigResource, NewTopic, ResourceType},
};
use klamm_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, FindCoordinatorRequest, ShareFetchRequest,
        ShareFetchResponse, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
        ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, StreamsGroupDescribeRequest,
        StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
        streams_group_heartbeat_request::{Subtopology, Topology},
    },
    wire::Message,
};

use support::Wire;

const SEED: u64 = 13;
const MEMBER: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A protocol; the name of a group of it is the protocol's.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Consumer,
    Share,
    Streams,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
        }
    }

    /// Joins with epoch 0, stays with the member's. Gives its epoch and how often it is to be heard,
    /// milliseconds.
    async fn beat(self, wire: &mut Wire, epoch: i32) -> (i32, i32) {
        let (error, epoch, interval_ms) = self.heard(wire, MEMBER, epoch).await;
        assert_eq!(error, 0, "{self:?}");
        (epoch, interval_ms)
    }

    /// Beats until the member is told of this interval, which is shorter while a group is made ready.
    /// Gives its epoch.
    async fn told(self, wire: &mut Wire, mut epoch: i32, wanted_ms: i32) -> i32 {
        let mut told_ms = 0;
        for _ in 0..10 {
            (epoch, told_ms) = self.beat(wire, epoch).await;
            if told_ms == wanted_ms {
                break;
            }
            assert!(told_ms < wanted_ms, "{self:?}: {told_ms}");
            tokio::time::sleep(Duration::from_millis(u64::from(told_ms.unsigned_abs()))).await;
        }
        assert_eq!(told_ms, wanted_ms, "{self:?}");
        epoch
    }

    /// The error of a heartbeat, the member's epoch and the interval.
    async fn heard(self, wire: &mut Wire, member: &'static str, epoch: i32) -> (i16, i32, i32) {
        let (group_id, member_id) = (self.name().into(), member.into());
        let joins = epoch == 0;
        match self {
            Self::Consumer => {
                let request = ConsumerGroupHeartbeatRequest {
                    group_id,
                    member_id,
                    member_epoch: epoch,
                    rebalance_timeout_ms: if joins { 10_000 } else { -1 },
                    subscribed_topic_names: joins.then(|| vec!["t".into()]),
                    topic_partitions: joins.then(Vec::new),
                    ..Default::default()
                };
                let answer = wire.call(1, &request).await;
                let response = ConsumerGroupHeartbeatResponse::decode_exact(&answer, 1).unwrap();
                (response.error_code, response.member_epoch, response.heartbeat_interval_ms)
            }
            Self::Share => {
                let request = ShareGroupHeartbeatRequest {
                    group_id,
                    member_id,
                    member_epoch: epoch,
                    subscribed_topic_names: joins.then(|| vec!["t".into()]),
                    ..Default::default()
                };
                let answer = wire.call(1, &request).await;
                let response = ShareGroupHeartbeatResponse::decode_exact(&answer, 1).unwrap();
                (response.error_code, response.member_epoch, response.heartbeat_interval_ms)
            }
            Self::Streams => {
                let subtopology = Subtopology {
                    subtopology_id: "0".into(),
                    source_topics: vec!["t".into()],
                    ..Default::default()
                };
                let subtopologies = vec![subtopology];
                let topology = Topology { epoch: 0, subtopologies, ..Default::default() };
                let request = StreamsGroupHeartbeatRequest {
                    group_id,
                    member_id,
                    member_epoch: epoch,
                    process_id: joins.then(|| "p".into()),
                    rebalance_timeout_ms: if joins { 10_000 } else { -1 },
                    topology: joins.then_some(topology),
                    active_tasks: joins.then(Vec::new),
                    standby_tasks: joins.then(Vec::new),
                    warmup_tasks: joins.then(Vec::new),
                    ..Default::default()
                };
                let answer = wire.call(0, &request).await;
                let response = StreamsGroupHeartbeatResponse::decode_exact(&answer, 0).unwrap();
                (response.error_code, response.member_epoch, response.heartbeat_interval_ms)
            }
        }
    }

    async fn members(self, wire: &mut Wire) -> usize {
        let names = vec![self.name().into()];
        match self {
            Self::Consumer => {
                let request =
                    ConsumerGroupDescribeRequest { group_ids: names, ..Default::default() };
                let answer = wire.call(1, &request).await;
                let told = ConsumerGroupDescribeResponse::decode_exact(&answer, 1).unwrap();
                told.groups[0].members.len()
            }
            Self::Share => {
                let request = ShareGroupDescribeRequest { group_ids: names, ..Default::default() };
                let answer = wire.call(1, &request).await;
                let told = ShareGroupDescribeResponse::decode_exact(&answer, 1).unwrap();
                told.groups[0].members.len()
            }
            Self::Streams => {
                let request =
                    StreamsGroupDescribeRequest { group_ids: names, ..Default::default() };
                let answer = wire.call(0, &request).await;
                let told = StreamsGroupDescribeResponse::decode_exact(&answer, 0).unwrap();
                told.groups[0].members.len()
            }
        }
    }

    /// Sets a setting of the group; the protocol is part of its name.
    async fn set(self, broker: &Broker, setting: &str, value: i32) {
        let group = ConfigResource { kind: ResourceType::Group, name: self.name().to_owned() };
        let change = (format!("{}.{setting}", self.name()), Some(value.to_string()));
        broker.client().alter_config(&group, &[change], false).await.unwrap();
    }
}

async fn broker() -> (Broker, Wire) {
    broker_with(&[]).await
}

async fn broker_with(configs: &[(&str, &str)]) -> (Broker, Wire) {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let broker = Broker::builder().virtual_network(&net).seed(SEED).in_memory();
    let broker = configs.iter().fold(broker, |broker, (key, value)| broker.config(*key, *value));
    let broker = broker.start().await.unwrap();
    let new = NewTopic { partitions: Some(1), ..NewTopic::new("t") };
    broker.client().create_topics(&[new], false).await.unwrap();
    let mut wire = Wire::to(&net, &broker).await;
    let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    wire.call(4, &find).await;
    (broker, wire)
}

/// A member is told of another interval with its next heartbeat; it is missed after the session
/// that is in force, and not before.
async fn check(kind: Kind) {
    let (broker, mut wire) = broker().await;
    let epoch = kind.told(&mut wire, 0, 5_000).await;
    kind.set(&broker, "heartbeat.interval.ms", 7_000).await;
    let epoch = kind.told(&mut wire, epoch, 7_000).await;
    kind.set(&broker, "session.timeout.ms", 58_000).await;
    kind.beat(&mut wire, epoch).await;
    tokio::time::sleep(Duration::from_secs(57)).await;
    assert_eq!(kind.members(&mut wire).await, 1, "{kind:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(kind.members(&mut wire).await, 0, "{kind:?}");
    kind.set(&broker, "session.timeout.ms", 46_000).await;
    kind.beat(&mut wire, 0).await;
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert_eq!(kind.members(&mut wire).await, 1, "{kind:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(kind.members(&mut wire).await, 0, "{kind:?}");
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn intervals_and_sessions_are_those_of_the_group() {
    check(Kind::Consumer).await;
    check(Kind::Share).await;
    check(Kind::Streams).await;
}

#[tokio::test(start_paused = true)]
async fn records_are_held_as_long_as_the_group_says() {
    let (broker, mut wire) = broker().await;
    let request = ShareFetchRequest {
        group_id: Some(Kind::Share.name().into()),
        member_id: Some(MEMBER.into()),
        ..Default::default()
    };
    for lock_ms in [30_000, 16_000, 60_000] {
        if lock_ms != 30_000 {
            Kind::Share.set(&broker, "record.lock.duration.ms", lock_ms).await;
        }
        let answer = wire.call(2, &request).await;
        let response = ShareFetchResponse::decode_exact(&answer, 2).unwrap();
        assert_eq!((response.error_code, response.acquisition_lock_timeout_ms), (0, lock_ms));
    }
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_group_takes_nobody_in() {
    let sizes = ["group.consumer.max.size", "group.share.max.size", "group.streams.max.size"];
    let (broker, mut wire) = broker_with(&sizes.map(|key| (key, "1"))).await;
    for kind in [Kind::Consumer, Kind::Share, Kind::Streams] {
        let (epoch, _) = kind.beat(&mut wire, 0).await;
        let refused = kind.heard(&mut wire, "BAAAAAAAAAAAAAAAAAAAAA", 0).await.0;
        assert_eq!(refused, ErrorCode::GroupMaxSizeReached.code(), "{kind:?}");
        kind.beat(&mut wire, epoch).await;
    }
    broker.stop().await.unwrap();
}
