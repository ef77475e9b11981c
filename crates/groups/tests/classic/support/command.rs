//! A command of a script, and the request it stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use klamm_groups::{Context, EndTransaction, Request};
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use klamm_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use klamm_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use klamm_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use klamm_protocol::messages::{
    ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    OffsetCommitRequest, OffsetDeleteRequest, SyncGroupRequest, TxnOffsetCommitRequest,
};
use klamm_protocol::wire::{Message, Uuid};
use klamm_transactions::Guard;

use super::names::Names;

/// What a client remembers between its requests.
#[derive(Default, Clone)]
pub(crate) struct Client {
    pub(crate) member: String,
    pub(crate) generation: i32,
    pub(crate) protocol: String,
}

pub(crate) struct Command<'a> {
    pub(crate) text: &'a str,
    pub(crate) at_ms: i64,
    pub(crate) client: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    options: BTreeMap<&'a str, &'a str>,
}

impl<'a> Command<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut words = text.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let at_ms = word().parse().expect("a command begins with its time");
        let (client, verb, group) = (word(), word(), word());
        let options = words.map(|w| w.split_once('=').unwrap_or((w, ""))).collect();
        Self { text, at_ms, client, verb, group, options }
    }

    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.get(name).copied()
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str, otherwise: T) -> T {
        self.option(name).map_or(otherwise, |v| v.parse().ok().expect("a number"))
    }

    /// A group name; `''` is the empty one.
    pub(crate) fn group_id(&self) -> String {
        if self.group == "''" { String::new() } else { self.group.to_owned() }
    }

    pub(crate) fn context(&self) -> Context {
        let newest = match self.verb {
            "join" | "commit" => 9,
            "fetch" => 9,
            "sync" | "leave" | "list" => 5,
            "beat" => 4,
            "txn" => 5,
            "describe" => 6,
            "ask" | "show" | "want" | "view" => 1,
            "delete" => 2,
            _ => 0,
        };
        let version = self.number("v", newest);
        Context { client_id: self.client.into(), client_host: "/127.0.0.1".into(), version }
    }

    pub(crate) fn request(&self, client: &Client, names: &Names) -> Request {
        let group_id = self.group_id().into();
        let member_id = self.member(client, names).into();
        let group_instance_id = self.option("i").map(|i| i.to_owned().into());
        let generation_id = self.number("gen", client.generation);
        match self.verb {
            "join" => Request::Join(JoinGroupRequest {
                group_id,
                session_timeout_ms: self.number("s", 10_000),
                rebalance_timeout_ms: self.number("r", 20_000),
                member_id,
                group_instance_id,
                protocol_type: self.option("type").unwrap_or("consumer").to_owned().into(),
                protocols: self.protocols(names),
                ..JoinGroupRequest::default()
            }),
            "sync" => Request::Sync(SyncGroupRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                protocol_type: some(self.option("type").unwrap_or("consumer")),
                protocol_name: some(self.option("name").unwrap_or(&client.protocol)),
                assignments: self.assignments(names),
                ..SyncGroupRequest::default()
            }),
            "beat" => Request::Heartbeat(HeartbeatRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                ..HeartbeatRequest::default()
            }),
            "leave" => Request::Leave(LeaveGroupRequest {
                group_id,
                members: self.leaving(&member_id, names),
                member_id,
                ..LeaveGroupRequest::default()
            }),
            "commit" => Request::Commit(OffsetCommitRequest {
                group_id,
                generation_id_or_member_epoch: generation_id,
                member_id,
                group_instance_id,
                retention_time_ms: self.number("retention", -1),
                topics: self.committed(names),
                ..OffsetCommitRequest::default()
            }),
            "fetch" => Request::Fetch {
                group: self.fetched_group(member_id, generation_id, names),
                require_stable: self.option("stable").is_some(),
            },
            "forget" => Request::OffsetDelete(OffsetDeleteRequest {
                group_id,
                topics: self.forgotten(names),
            }),
            "ask" => Request::ConsumerHeartbeat(super::consumer::ask(self, client, names)),
            "show" => Request::ConsumerDescribe(list(self.group)),
            "stream" => Request::StreamsHeartbeat(super::streams::ask(self, client, names)),
            "see" => Request::StreamsDescribe(list(self.group)),
            "describe" => Request::Describe(list(self.group)),
            "delete" => Request::DeleteGroups(list(self.group)),
            "list" => Request::List {
                states: self.option("states").map(list).unwrap_or_default(),
                types: self.option("types").map(list).unwrap_or_default(),
            },
            _ => self.in_transaction(client, member_id, names),
        }
    }

    fn in_transaction(
        &self,
        client: &Client,
        member_id: Cow<'static, str>,
        names: &Names,
    ) -> Request {
        match self.verb {
            "txn" => Request::TxnCommit {
                request: TxnOffsetCommitRequest {
                    group_id: self.group_id().into(),
                    producer_id: self.number("pid", 1),
                    generation_id: self.number("gen", client.generation),
                    member_id,
                    group_instance_id: self.option("i").map(|i| i.to_owned().into()),
                    topics: self.committed(names).into_iter().map(in_transaction).collect(),
                    ..TxnOffsetCommitRequest::default()
                },
                guard: Guard::Ongoing,
            },
            "end" => Request::EndTransaction(EndTransaction {
                producer_id: self.number("pid", 1),
                epoch: 0,
                committed: self.option("commit").is_some(),
                coordinator_epoch: 0,
                version: 2,
            }),
            _ => super::share::request(self, client, names),
        }
    }

    /// `as` says who asks.
    fn fetched_group(
        &self,
        member_id: Cow<'static, str>,
        generation_id: i32,
        names: &Names,
    ) -> OffsetFetchRequestGroup<'static> {
        let says = self.option("as").is_some();
        OffsetFetchRequestGroup {
            group_id: self.group_id().into(),
            member_id: says.then_some(member_id),
            member_epoch: if says { generation_id } else { -1 },
            topics: self.fetched(names),
            ..OffsetFetchRequestGroup::default()
        }
    }

    /// `m=` is a short name or an id, `m=?` none; else the client's own.
    pub(crate) fn member(&self, client: &Client, names: &Names) -> String {
        match self.option("m") {
            None => client.member.clone(),
            Some("?") => String::new(),
            Some(short) => names.long(short),
        }
    }

    /// `p=range,rr` names protocols, `p=` none; `sub=t,u` is what a consumer says under each.
    fn protocols(&self, of: &Names) -> Vec<JoinGroupRequestProtocol<'static>> {
        let names = self.option("p").map_or(vec!["range".to_owned()], list);
        let metadata = |name: &str| match self.option("sub") {
            Some(topics) => {
                let named: Vec<_> = list(topics).iter().map(|t| of.topic_name(t)).collect();
                subscription(&named.join(","))
            }
            None => self.option("meta").unwrap_or(name).as_bytes().to_vec(),
        };
        let protocol = |name: String| JoinGroupRequestProtocol {
            metadata: metadata(&name).into(),
            name: name.into(),
            ..JoinGroupRequestProtocol::default()
        };
        names.into_iter().map(protocol).collect()
    }

    /// `assign=a1:x,b1:y`, or `assign=a1:t/0/1,b1:t/2` for partitions.
    fn assignments(&self, names: &Names) -> Vec<SyncGroupRequestAssignment<'static>> {
        let assigned = self.option("assign").map(list).unwrap_or_default();
        let part = |text: String| {
            let (short, part) = text.split_once(':').expect("member:part");
            SyncGroupRequestAssignment {
                member_id: names.long(short).into(),
                assignment: match part.split_once('/') {
                    Some((topic, partitions)) => {
                        super::consumer::assignment(&names.topic_name(topic), partitions).into()
                    }
                    None => part.as_bytes().to_vec().into(),
                },
                ..SyncGroupRequestAssignment::default()
            }
        };
        assigned.into_iter().map(part).collect()
    }

    /// `members=a1,/instance,b1/instance`; else the client's own.
    fn leaving(&self, member: &str, names: &Names) -> Vec<MemberIdentity<'static>> {
        let own = |member: &str| MemberIdentity {
            member_id: member.to_owned().into(),
            ..MemberIdentity::default()
        };
        let Some(members) = self.option("members") else { return vec![own(member)] };
        let identity = |text: String| match text.split_once('/') {
            None => own(&names.long(&text)),
            Some((short, instance)) => {
                MemberIdentity { group_instance_id: some(instance), ..own(&names.long(short)) }
            }
        };
        list(members).into_iter().map(identity).collect()
    }

    /// `t:0=5` or `t:0=5:text`, separated by commas.
    fn committed(&self, names: &Names) -> Vec<OffsetCommitRequestTopic<'static>> {
        let mut topics = Vec::new();
        for item in self.option("at").map(list).unwrap_or_default() {
            let (partition, rest) = item.split_once('=').expect("topic:partition=offset");
            let (topic, partition_index) = topic_partition(partition);
            let (offset, metadata) = match rest.split_once(':') {
                Some((offset, text)) => (offset, some(text)),
                None => (rest, None),
            };
            topics.push(OffsetCommitRequestTopic {
                topic_id: names.topic_id(&topic).unwrap_or(Uuid::from_u128(self.number("id", 0))),
                name: names.topic_name(&topic).into(),
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index,
                    committed_offset: offset.parse().expect("an offset"),
                    committed_leader_epoch: self.number("epoch", -1),
                    commit_timestamp: self.number("time", -1),
                    committed_metadata: metadata,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            });
        }
        topics
    }

    /// `at=t:0,t:1`; without it all.
    fn fetched(&self, names: &Names) -> Option<Vec<OffsetFetchRequestTopics<'static>>> {
        let topic = |item: String| {
            let (topic, partition) = topic_partition(&item);
            OffsetFetchRequestTopics {
                name: names.topic_name(&topic).into(),
                topic_id: Uuid::from_u128(self.number("id", 0)),
                partition_indexes: vec![partition],
                ..OffsetFetchRequestTopics::default()
            }
        };
        Some(list(self.option("at")?).into_iter().map(topic).collect())
    }

    fn forgotten(&self, names: &Names) -> Vec<OffsetDeleteRequestTopic<'static>> {
        let topic = |item: String| {
            let (topic, partition_index) = topic_partition(&item);
            let partitions = vec![OffsetDeleteRequestPartition { partition_index }];
            OffsetDeleteRequestTopic { name: names.topic_name(&topic).into(), partitions }
        };
        list(self.option("at").unwrap_or_default()).into_iter().map(topic).collect()
    }
}

fn in_transaction(
    topic: OffsetCommitRequestTopic<'static>,
) -> TxnOffsetCommitRequestTopic<'static> {
    let partition = |p: OffsetCommitRequestPartition<'static>| TxnOffsetCommitRequestPartition {
        partition_index: p.partition_index,
        committed_offset: p.committed_offset,
        committed_leader_epoch: p.committed_leader_epoch,
        committed_metadata: p.committed_metadata,
        ..TxnOffsetCommitRequestPartition::default()
    };
    TxnOffsetCommitRequestTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..TxnOffsetCommitRequestTopic::default()
    }
}

pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn some(text: &str) -> Option<Cow<'static, str>> {
    if text == "null" { None } else { Some(text.to_owned().into()) }
}

pub(crate) fn topic_partition(text: &str) -> (String, i32) {
    let (topic, partition) = text.split_once(':').expect("topic:partition");
    (topic.to_owned(), partition.parse().expect("a partition"))
}

/// The metadata of a consumer that subscribes to topics.
pub(crate) fn subscription(topics: &str) -> Vec<u8> {
    let topics = list(topics).into_iter().map(Into::into).collect();
    let fields = ConsumerProtocolSubscription { topics, ..Default::default() }.to_bytes(1);
    [&1i16.to_be_bytes()[..], &fields].concat()
}
