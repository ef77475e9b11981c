//! Features that are turned off and on again (KIP-584): what the broker then shows and refuses.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

mod support;

use klamm::{
    Broker, Random, VirtualNet,
    client::{ConfigResource, NewTopic, OutgoingRecord, Producer, ProducerOptions, ResourceType},
};
use klamm_env::net;
use klamm_protocol::{
    ErrorCode,
    messages::{
        AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, ApiVersionsRequest,
        ApiVersionsResponse, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
        DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
        FindCoordinatorRequest, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
        ShareFetchRequest, ShareFetchResponse, ShareGroupDescribeRequest,
        ShareGroupDescribeResponse, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
        StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest,
        StreamsGroupHeartbeatResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
        describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup,
        share_fetch_request::{FetchPartition, FetchTopic},
        streams_group_heartbeat_request::Topology,
        update_features_request::FeatureUpdateKey,
    },
    wire::{Message, Uuid},
};

use support::Wire;

const SEED: u64 = 7;
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const MEMBER: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What clients ask of features.
impl Wire {
    /// `ok`, or why nothing was changed.
    async fn update(&mut self, feature: &'static str, level: i16, kind: i8) -> String {
        let update = FeatureUpdateKey {
            feature: feature.into(),
            max_version_level: level,
            upgrade_type: kind,
            ..FeatureUpdateKey::default()
        };
        let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
        let answer = self.call(2, &request).await;
        let response = UpdateFeaturesResponse::decode_exact(&answer, 2).unwrap();
        let text = response.error_message.unwrap_or("ok".into());
        text.rsplit_once("error: ").map_or(&*text, |(_, reason)| reason).to_owned()
    }

    /// The features that ApiVersions tells of: those supported, and `NAME=LEVEL` of those finalized.
    async fn features(&mut self) -> (Vec<String>, Vec<String>) {
        let request = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let answer = self.call(4, &request).await;
        let response = ApiVersionsResponse::decode_exact(&answer, 4).unwrap();
        let supported = response.supported_features.iter().map(|f| f.name.to_string()).collect();
        let finalized = response.finalized_features.iter();
        (supported, finalized.map(|f| format!("{}={}", f.name, f.max_version_level)).collect())
    }
}

macro_rules! error_of {
    ($wire:expr, $version:expr, $request:expr, $response:ident, $($field:tt)+) => {{
        let answer = $wire.call($version, &$request).await;
        let response = $response::decode_exact(&answer, $version).unwrap();
        let code = response.$($field)+.error_code;
        format!("{} {}", stringify!($response), ErrorCode::from_code(code).unwrap().name())
    }};
}

async fn share_calls(wire: &mut Wire) -> Vec<String> {
    let group = || "g".into();
    let member = || Some(MEMBER.into());
    let heartbeat = ShareGroupHeartbeatRequest {
        group_id: group(),
        member_id: MEMBER.into(),
        ..Default::default()
    };
    let describe = ShareGroupDescribeRequest { group_ids: vec![group()], ..Default::default() };
    let fetch = ShareFetchRequest {
        group_id: Some(group()),
        member_id: member(),
        share_session_epoch: 0,
        ..Default::default()
    };
    let acknowledge = ShareAcknowledgeRequest {
        group_id: Some(group()),
        member_id: member(),
        share_session_epoch: 1,
        ..Default::default()
    };
    let asked = DescribeShareGroupOffsetsRequestGroup {
        group_id: group(),
        topics: None,
        ..Default::default()
    };
    let offsets = DescribeShareGroupOffsetsRequest { groups: vec![asked], ..Default::default() };
    let alter = AlterShareGroupOffsetsRequest { group_id: group(), ..Default::default() };
    let delete = DeleteShareGroupOffsetsRequest { group_id: group(), ..Default::default() };
    vec![
        error_of!(wire, 1, heartbeat, ShareGroupHeartbeatResponse, into_static()),
        error_of!(wire, 1, describe, ShareGroupDescribeResponse, groups[0]),
        error_of!(wire, 2, fetch, ShareFetchResponse, into_static()),
        error_of!(wire, 2, acknowledge, ShareAcknowledgeResponse, into_static()),
        error_of!(wire, 0, offsets, DescribeShareGroupOffsetsResponse, groups[0]),
        error_of!(wire, 0, alter, AlterShareGroupOffsetsResponse, into_static()),
        error_of!(wire, 0, delete, DeleteShareGroupOffsetsResponse, into_static()),
    ]
}

async fn streams_calls(wire: &mut Wire) -> Vec<String> {
    let heartbeat = StreamsGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: MEMBER.into(),
        process_id: Some("p".into()),
        rebalance_timeout_ms: 1000,
        topology: Some(Topology::default()),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        ..Default::default()
    };
    let describe =
        StreamsGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    vec![
        error_of!(wire, 0, heartbeat, StreamsGroupHeartbeatResponse, into_static()),
        error_of!(wire, 0, describe, StreamsGroupDescribeResponse, groups[0]),
    ]
}

async fn consumer_calls(wire: &mut Wire) -> Vec<String> {
    let heartbeat = ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: MEMBER.into(),
        rebalance_timeout_ms: 1000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    let describe =
        ConsumerGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    vec![
        error_of!(wire, 1, heartbeat, ConsumerGroupHeartbeatResponse, into_static()),
        error_of!(wire, 1, describe, ConsumerGroupDescribeResponse, groups[0]),
    ]
}

async fn broker() -> (VirtualNet, Broker, Wire) {
    let net = VirtualNet::new(Random::from_seed(SEED));
    let broker = Broker::builder().virtual_network(&net).seed(SEED).in_memory();
    let broker = broker.start().await.unwrap();
    let wire = Wire::to(&net, &broker).await;
    (net, broker, wire)
}

/// Turns a feature off and on again. Off, every call is refused, and the feature is supported but
/// not finalized; on, none is.
async fn check(feature: &'static str, calls: AsyncCalls) {
    let (_net, broker, mut wire) = broker().await;
    let (supported, finalized) = wire.features().await;
    assert!(finalized.contains(&format!("{feature}=1")), "{finalized:?}");
    assert_eq!(wire.update(feature, 0, SAFE_DOWNGRADE).await, "ok");
    let without: Vec<_> = finalized.iter().filter(|f| !f.starts_with(feature)).cloned().collect();
    assert_eq!(wire.features().await, (supported.clone(), without));
    for answer in calls(&mut wire).await {
        assert!(answer.ends_with(" UNSUPPORTED_VERSION"), "{feature} off: {answer}");
    }
    assert_eq!(wire.update(feature, 1, UPGRADE).await, "ok");
    assert_eq!(wire.features().await, (supported, finalized));
    for answer in calls(&mut wire).await {
        assert!(!answer.ends_with(" UNSUPPORTED_VERSION"), "{feature} on: {answer}");
    }
    broker.stop().await.unwrap();
}

type AsyncCalls = for<'w> fn(&'w mut Wire) -> net::BoxFuture<'w, Vec<String>>;

#[tokio::test(start_paused = true)]
async fn groups_are_refused_while_their_feature_is_off() {
    check("share.version", |wire| Box::pin(share_calls(wire))).await;
    check("streams.version", |wire| Box::pin(streams_calls(wire))).await;
    check("group.version", |wire| Box::pin(consumer_calls(wire))).await;
}

#[tokio::test(start_paused = true)]
async fn transactions_have_three_levels() {
    let (_net, broker, mut wire) = broker().await;
    for (level, kind) in [(1, SAFE_DOWNGRADE), (0, SAFE_DOWNGRADE), (1, UPGRADE), (2, UPGRADE)] {
        assert_eq!(wire.update("transaction.version", level, kind).await, "ok");
        let finalized = wire.features().await.1;
        let shown = finalized.contains(&format!("transaction.version={level}"));
        assert_eq!(shown, level > 0, "{finalized:?}");
    }
    let refused = wire.update("transaction.version", 1, UPGRADE).await;
    assert!(refused.contains("Can't downgrade the version of this feature without"), "{refused}");
    let refused = wire.update("transaction.version", 3, UPGRADE).await;
    assert!(refused.ends_with("Local controller 1 only supports versions 0-2"), "{refused}");
    broker.stop().await.unwrap();
}

/// What a member of a share group is given with a new session.
async fn share_fetch(wire: &mut Wire, topic: Uuid) -> Vec<(i64, i64, i16)> {
    let partitions = vec![FetchPartition::default()];
    let request = ShareFetchRequest {
        group_id: Some("g".into()),
        member_id: Some(MEMBER.into()),
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_records: 100,
        batch_size: 100,
        topics: vec![FetchTopic { topic_id: topic, partitions, ..Default::default() }],
        ..Default::default()
    };
    let answer = wire.call(2, &request).await;
    let response = ShareFetchResponse::decode_exact(&answer, 2).unwrap();
    assert_eq!(response.error_code, 0);
    let parts = response.responses.iter().flat_map(|topic| &topic.partitions);
    let acquired = parts.flat_map(|part| &part.acquired_records);
    acquired.map(|of| (of.first_offset, of.last_offset, of.delivery_count)).collect()
}

/// The topic of the only partition that a member is assigned.
async fn share_join(wire: &mut Wire) -> Uuid {
    let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    wire.call(4, &find).await;
    let (mut epoch, mut beats) = (0, 0);
    loop {
        let request = ShareGroupHeartbeatRequest {
            group_id: "g".into(),
            member_id: MEMBER.into(),
            member_epoch: epoch,
            subscribed_topic_names: (epoch == 0).then(|| vec!["t".into()]),
            ..Default::default()
        };
        let answer = wire.call(1, &request).await;
        let response = ShareGroupHeartbeatResponse::decode_exact(&answer, 1).unwrap();
        let assigned = response.assignment.unwrap_or_default().topic_partitions;
        if let Some(topic) = assigned.first() {
            return topic.topic_id;
        }
        beats += 1;
        assert!(beats < 100, "nothing is assigned: {}", response.error_code);
        if response.error_code == 0 {
            epoch = response.member_epoch;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// What a member holds when share groups are turned off is given out again when they are on.
#[tokio::test(start_paused = true)]
async fn what_was_held_is_given_out_again() {
    let (_net, broker, mut wire) = broker().await;
    let client = broker.client();
    let new = NewTopic { partitions: Some(1), ..NewTopic::new("t") };
    client.create_topics(&[new], false).await.unwrap();
    let group = ConfigResource { kind: ResourceType::Group, name: "g".to_owned() };
    let earliest = ("share.auto.offset.reset".to_owned(), Some("earliest".to_owned()));
    client.alter_config(&group, &[earliest], false).await.unwrap();
    let mut producer = Producer::new(client, ProducerOptions::default());
    for n in 0..5_u32 {
        producer.send("t", OutgoingRecord::value(n.to_string())).await.unwrap();
    }
    producer.flush().await.unwrap();
    let topic = share_join(&mut wire).await;
    assert_eq!(share_fetch(&mut wire, topic).await, [(0, 4, 1)]);
    assert_eq!(wire.update("share.version", 0, SAFE_DOWNGRADE).await, "ok");
    assert_eq!(wire.update("share.version", 1, UPGRADE).await, "ok");
    assert_eq!(share_fetch(&mut wire, topic).await, [(0, 4, 1)]);
    broker.stop().await.unwrap();
}
