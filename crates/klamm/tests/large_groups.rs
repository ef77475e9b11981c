//! A thousand members join one group of the consumer protocol (KIP-848) over TCP, and share a
//! thousand partitions.

#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

mod support;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use klamm::{
    Broker,
    client::{Client, NewTopic},
};
use klamm_env::net::TcpNet;
use klamm_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, FindCoordinatorRequest,
        consumer_group_describe_response::Assignment,
        consumer_group_heartbeat_request::TopicPartitions,
    },
    wire::{Message, Reader, Uuid},
};
use tokio::time::Instant;

use support::Wire;

const MEMBERS: usize = 1000;
const PARTITIONS: i32 = 1000;
/// Each has the heartbeats of a share of the members.
const CONNECTIONS: usize = 50;
const TOPIC: &str = "many";
const GROUP: &str = "large";
/// The goal is 5 s on a machine that does nothing else. Most of it is waiting: for the next
/// assignment (`group.consumer.assignment.interval.ms`), and for the heartbeats in which members
/// hear that they have to give up partitions.
const BOUND: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
const HEARTBEAT_MS: &str = "500";

/// A member as a client has it: it gives up and takes up at once what it is told to.
struct Member {
    id: String,
    epoch: i32,
    owned: BTreeSet<i32>,
    topic: Uuid,
    /// When its next heartbeat is due.
    due: Instant,
}

impl Member {
    fn new(number: usize) -> Self {
        let id = Uuid::from_u128(number as u128 + 1).to_string();
        Self { id, epoch: 0, owned: BTreeSet::new(), topic: Uuid::ZERO, due: Instant::now() }
    }

    fn beat(&self, tells: bool) -> ConsumerGroupHeartbeatRequest<'static> {
        let joins = self.epoch == 0;
        let owned = TopicPartitions {
            topic_id: self.topic,
            partitions: self.owned.iter().copied().collect(),
            ..TopicPartitions::default()
        };
        let owned = if self.owned.is_empty() { Vec::new() } else { vec![owned] };
        ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.id.clone().into(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if joins { 60_000 } else { -1 },
            subscribed_topic_names: joins.then(|| vec![TOPIC.into()]),
            topic_partitions: (joins || tells).then_some(owned),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// Whether other partitions are assigned now.
    fn hear(&mut self, answer: &ConsumerGroupHeartbeatResponse<'_>) -> bool {
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
        self.epoch = answer.member_epoch;
        self.due = Instant::now() + Duration::from_millis(answer.heartbeat_interval_ms as u64);
        let Some(assignment) = &answer.assignment else { return false };
        let topics = &assignment.topic_partitions;
        self.topic = topics.first().map_or(self.topic, |topic| topic.topic_id);
        let told = topics.iter().flat_map(|topic| &topic.partitions).copied().collect();
        let is_new = self.owned != told;
        self.owned = told;
        is_new
    }
}

/// Sends the heartbeats of some members until it is stopped. `settled` counts the members that have
/// their share.
async fn live(mut connection: Wire, mut members: Vec<Member>, settled: Arc<AtomicUsize>) {
    loop {
        for member in &mut members {
            let mut tells = false;
            while tells || member.due <= Instant::now() {
                let had_share = member.owned.len() == 1;
                let body = connection.call(1, &member.beat(tells)).await;
                let answer =
                    ConsumerGroupHeartbeatResponse::decode(&mut Reader::new(&body), 1).unwrap();
                tells = member.hear(&answer);
                match (had_share, member.owned.len() == 1) {
                    (false, true) => drop(settled.fetch_add(1, Relaxed)),
                    (true, false) => drop(settled.fetch_sub(1, Relaxed)),
                    _ => {}
                }
            }
        }
        let next = members.iter().map(|member| member.due).min().unwrap();
        tokio::time::sleep_until(next).await;
    }
}

/// The partitions that members have, if the group is stable.
async fn described(connection: &mut Wire) -> Option<Vec<i32>> {
    let group_ids = vec![GROUP.into()];
    let request = ConsumerGroupDescribeRequest { group_ids, ..Default::default() };
    let body = connection.call(0, &request).await;
    let answer = ConsumerGroupDescribeResponse::decode(&mut Reader::new(&body), 0).unwrap();
    let group = &answer.groups[0];
    assert_eq!(group.error_code, ErrorCode::None.code());
    let partitions = |assignment: &Assignment<'_>| {
        assignment.topic_partitions.iter().flat_map(|t| t.partitions.clone()).collect::<Vec<_>>()
    };
    let owned = group.members.iter().flat_map(|member| partitions(&member.assignment));
    (group.group_state == "Stable" && group.members.len() == MEMBERS).then(|| owned.collect())
}

/// Waits until the group has a coordinator that answers.
async fn find_coordinator(connection: &mut Wire) {
    let request = FindCoordinatorRequest { key: GROUP.into(), ..Default::default() };
    let leave = ConsumerGroupHeartbeatRequest {
        group_id: GROUP.into(),
        member_id: "nobody".into(),
        member_epoch: -1,
        ..Default::default()
    };
    loop {
        connection.call(2, &request).await;
        let body = connection.call(1, &leave).await;
        let answer = ConsumerGroupHeartbeatResponse::decode(&mut Reader::new(&body), 1).unwrap();
        if answer.error_code == ErrorCode::GroupIdNotFound.code() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn create(client: &Client) {
    let new = NewTopic { partitions: Some(PARTITIONS), ..NewTopic::new(TOPIC) };
    for (_, result) in client.create_topics(&[new], false).await.unwrap() {
        result.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_members_join() {
    let broker = Broker::builder().in_memory().listen("127.0.0.1:0");
    let broker = broker.config("group.consumer.min.heartbeat.interval.ms", HEARTBEAT_MS);
    let broker = broker.config("group.consumer.heartbeat.interval.ms", HEARTBEAT_MS);
    let broker = broker.start().await.unwrap();
    create(&broker.client()).await;
    let mut observer = Wire::to(&TcpNet, &broker).await;
    tokio::time::timeout(BOUND, find_coordinator(&mut observer)).await.unwrap();
    let settled = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..CONNECTIONS {
        let members = (first..MEMBERS).step_by(CONNECTIONS).map(Member::new).collect();
        let connection = Wire::to(&TcpNet, &broker).await;
        tasks.spawn(live(connection, members, settled.clone()));
    }
    let owned = tokio::time::timeout(BOUND, async {
        loop {
            tokio::time::sleep(PAUSE).await;
            if settled.load(Relaxed) == MEMBERS
                && let Some(owned) = described(&mut observer).await
            {
                return owned;
            }
            assert!(tasks.try_join_next().is_none(), "a member has ended");
        }
    });
    let mut owned = owned.await.unwrap();
    eprintln!("{MEMBERS} members are stable after {:.2} s", begun.elapsed().as_secs_f64());
    owned.sort_unstable();
    assert_eq!(owned, (0..PARTITIONS).collect::<Vec<_>>());
    tasks.shutdown().await;
    // Nothing is kept that a clean stop would have to sync.
    drop(broker.crash());
}
