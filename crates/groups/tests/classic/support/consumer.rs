//! What scripts say of consumer groups: topics, heartbeats, and all that comes of them in a line.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::messages::consumer_group_current_member_assignment_value as current;
use klamm_protocol::messages::consumer_group_describe_response as describe;
use klamm_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use klamm_protocol::messages::consumer_protocol_assignment::TopicPartition;
use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::metadata_record::MetadataRecord;
use klamm_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerProtocolAssignment,
    PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use klamm_protocol::wire::{Message, Reader, Uuid};

use super::command::{Client, Command, list, topic_partition};
use super::names::Names;
use super::show::error;

/// `t=4,u=2`; without a number 0.
pub(crate) fn counts(text: &str) -> Vec<(String, i32)> {
    let item = |item: String| match item.split_once('=') {
        Some((topic, count)) => (topic.to_owned(), count.parse().expect("a number")),
        None => (item, 0),
    };
    list(text).into_iter().map(item).collect()
}

/// The topics of a script's cluster.
#[derive(Default)]
pub(crate) struct Topics {
    image: Arc<Image>,
    count: u128,
}

impl Topics {
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image)
    }

    /// `topics new t=4`, `topics grow t=6`, `topics drop t`. Returns the names, and whether they
    /// are new.
    pub(crate) fn change(
        &mut self,
        command: &Command<'_>,
        names: &mut Names,
    ) -> (Vec<String>, bool) {
        let mut image = (*self.image).clone();
        let mut changed = Vec::new();
        for (topic, count) in counts(command.group) {
            let known = image.topic(&topic).map(|t| (t.id, t.partition_count()));
            let (id, from) = known.unwrap_or_else(|| {
                self.count += 1;
                (Uuid::from_u128(self.count << 64), 0)
            });
            if command.verb == "drop" {
                let gone = RemoveTopicRecord { topic_id: id, ..<_>::default() };
                image.apply(&MetadataRecord::RemoveTopic(gone));
            } else {
                let name = topic.clone().into();
                let record = TopicRecord { topic_id: id, name, ..<_>::default() };
                image.apply(&MetadataRecord::Topic(record));
                for partition_id in i32::try_from(from).expect("few")..count {
                    let record = PartitionRecord { partition_id, topic_id: id, ..<_>::default() };
                    image.apply(&MetadataRecord::Partition(record));
                }
                names.learn_topic(&topic, id);
            }
            changed.push(topic);
        }
        self.image = Arc::new(image);
        (changed, command.verb == "new")
    }
}

/// `a ask g topics=t,u has=t:0,t:1`: without `epoch=` a client asks with the one it was told last,
/// and with 0, and all that a first request needs, if it was told none.
pub(crate) fn ask(
    command: &Command<'_>,
    client: &Client,
    names: &Names,
) -> ConsumerGroupHeartbeatRequest<'static> {
    let epoch = command.number("epoch", client.generation.max(0));
    let is_first = epoch == 0;
    let topics = command.option("topics").map(|topics| list(topics).into_iter().map(Into::into));
    let text = |name: &str| command.option(name).map(|text| text.to_owned().into());
    let mut has: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for item in command.option("has").map(list).unwrap_or_default() {
        let (topic, partition) = topic_partition(&item);
        has.entry(names.topic_id(&topic).unwrap_or_default()).or_default().push(partition);
    }
    let has = has.into_iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id,
        partitions,
        ..<_>::default()
    });
    let member = match command.member(client, names) {
        own if own.is_empty() && command.option("m").is_none() => format!("{}-id", command.client),
        id => id,
    };
    ConsumerGroupHeartbeatRequest {
        group_id: command.group_id().into(),
        member_id: member.into(),
        member_epoch: epoch,
        instance_id: text("i"),
        rack_id: text("rack"),
        rebalance_timeout_ms: command.number("r", if is_first { 20_000 } else { -1 }),
        subscribed_topic_names: topics.map(Iterator::collect),
        subscribed_topic_regex: text("regex"),
        server_assignor: text("assignor"),
        topic_partitions: (is_first || command.option("has").is_some()).then(|| has.collect()),
        ..<_>::default()
    }
}

pub(crate) fn partitions<'a>(
    topics: impl Iterator<Item = (Uuid, &'a [i32])>,
    names: &Names,
) -> String {
    let topic = |(id, list): (Uuid, &[i32])| {
        let mut list = list.to_vec();
        list.sort_unstable();
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        format!("{}:{}", names.topic(id), list.join(","))
    };
    let mut topics: Vec<_> = topics.filter(|(_, list)| !list.is_empty()).map(topic).collect();
    topics.sort();
    format!("[{}]", topics.join(" "))
}

/// Partitions as a leader of the classic protocol assigns them.
pub(crate) fn assignment(topic: &str, partitions: &str) -> Vec<u8> {
    let topic = TopicPartition {
        topic: topic.to_owned().into(),
        partitions: partitions.split('/').map(|p| p.parse().expect("a partition")).collect(),
    };
    let assigned_partitions = vec![topic];
    let fields = ConsumerProtocolAssignment { assigned_partitions, user_data: None }.to_bytes(1);
    [&1i16.to_be_bytes()[..], &fields].concat()
}

/// The same in one line; none if it is no such assignment.
pub(crate) fn assigned(bytes: &[u8]) -> Option<String> {
    let (version, fields) = bytes.split_first_chunk::<2>()?;
    let version = i16::from_be_bytes(*version);
    let mut reader = Reader::new(fields);
    let read = (0..=3)
        .contains(&version)
        .then(|| ConsumerProtocolAssignment::decode(&mut reader, version));
    let read = read?.ok()?;
    let topic = |t: &TopicPartition<'_>| {
        let list: Vec<_> = t.partitions.iter().map(ToString::to_string).collect();
        format!("{}:{}", t.topic, list.join(","))
    };
    let topics: Vec<_> = read.assigned_partitions.iter().map(topic).collect();
    Some(format!("<{}>", topics.join(" ")))
}

/// A heartbeat's response in one line.
pub(crate) fn heard(r: &ConsumerGroupHeartbeatResponse<'_>, names: &Names) -> String {
    if r.error_code != 0 {
        return format!("ask {}", error(r.error_code));
    }
    let member = names.short(r.member_id.as_deref().unwrap_or_default());
    let assigned = r.assignment.as_ref().map(|assignment| {
        let topics = assignment.topic_partitions.iter();
        partitions(topics.map(|t| (t.topic_id, &t.partitions[..])), names)
    });
    format!("ask ok {member} epoch={} {}", r.member_epoch, assigned.unwrap_or_default())
        .trim_end()
        .to_owned()
}

/// A group in one line.
pub(crate) fn described(g: &describe::DescribedGroup<'_>, names: &Names) -> String {
    if g.error_code != 0 {
        let message = g.error_message.as_deref().unwrap_or_default();
        return format!("show {} {} '{message}'", error(g.error_code), g.group_id);
    }
    let assigned = |assignment: &describe::Assignment<'_>| {
        let topics = assignment.topic_partitions.iter();
        partitions(topics.map(|t| (t.topic_id, &t.partitions[..])), names)
    };
    let member = |m: &describe::Member<'_>| {
        let instance = m.instance_id.as_ref().map(|i| format!("/{i}")).unwrap_or_default();
        let regex = m.subscribed_topic_regex.as_deref().filter(|r| !r.is_empty());
        let regex = regex.map(|r| format!(" {r}")).unwrap_or_default();
        let kind = ["classic", "consumer"][usize::try_from(m.member_type).expect("a type")];
        let mut topics: Vec<_> = m.subscribed_topic_names.iter().map(ToString::to_string).collect();
        topics.sort();
        format!(
            "{}{instance}@{} {kind} {}{regex} {} of {}",
            names.short(&m.member_id),
            m.member_epoch,
            topics.join(","),
            assigned(&m.assignment),
            assigned(&m.target_assignment)
        )
    };
    let mut members: Vec<_> = g.members.iter().map(member).collect();
    members.sort();
    let (id, state, assignor) = (&g.group_id, &g.group_state, &g.assignor_name);
    let (epoch, target, members) = (g.group_epoch, g.assignment_epoch, members.join(", "));
    format!("show ok {id} {state} {target}/{epoch} {assignor} {{{members}}}")
}

/// A record in one line.
pub(crate) fn record(
    key: &CoordinatorRecordKey<'_>,
    value: Option<&[u8]>,
    names: &Names,
) -> String {
    use CoordinatorRecordKey as Key;
    let what = match key {
        Key::ConsumerGroupMetadata(k) => format!("{} group", k.group_id),
        Key::ConsumerGroupPartitionMetadata(k) => format!("{} partitions", k.group_id),
        Key::ConsumerGroupMemberMetadata(k) => {
            format!("{} {} says", k.group_id, names.short(&k.member_id))
        }
        Key::ConsumerGroupTargetAssignmentMetadata(k) => format!("{} target", k.group_id),
        Key::ConsumerGroupTargetAssignmentMember(k) => {
            format!("{} {} target", k.group_id, names.short(&k.member_id))
        }
        Key::ConsumerGroupCurrentMemberAssignment(k) => {
            format!("{} {} has", k.group_id, names.short(&k.member_id))
        }
        Key::ConsumerGroupRegularExpression(k) => {
            format!("{} regex {}", k.group_id, k.regular_expression)
        }
        other => super::share::key(other, names),
    };
    let Some(value) = value else { return format!("{what} deleted") };
    assert_eq!(value[..2], [0, 0], "the only version");
    let value = CoordinatorRecordValue::decode(key.record_type(), value).expect("a value of ours");
    format!("{what} {}", fields(&value, names))
}

fn fields(value: &CoordinatorRecordValue<'_>, names: &Names) -> String {
    use CoordinatorRecordValue as Value;
    match value {
        Value::ConsumerGroupMetadata(v) => {
            let hash = if v.metadata_hash == 0 { "" } else { " hash" };
            format!("epoch={}{hash}", v.epoch)
        }
        Value::ConsumerGroupMemberMetadata(v) => {
            let topics: Vec<_> = v.subscribed_topic_names.iter().map(ToString::to_string).collect();
            let part = |name: &str, text: Option<&str>| {
                let text = text.filter(|text| !text.is_empty());
                text.map(|text| format!(" {name}={text}")).unwrap_or_default()
            };
            let classic = v.classic_member_metadata.as_ref().map(|c| {
                let protocols: Vec<_> = c.supported_protocols.iter().map(|p| &*p.name).collect();
                format!(" classic s={} p={}", c.session_timeout_ms, protocols.join(","))
            });
            format!(
                "{}{}{}{}{} r={}{}",
                topics.join(","),
                part("regex", v.subscribed_topic_regex.as_deref()),
                part("i", v.instance_id.as_deref()),
                part("rack", v.rack_id.as_deref()),
                part("assignor", v.server_assignor.as_deref()),
                v.rebalance_timeout_ms,
                classic.unwrap_or_default()
            )
        }
        Value::ConsumerGroupTargetAssignmentMetadata(v) => {
            format!("epoch={} at={}", v.assignment_epoch, v.assignment_timestamp)
        }
        Value::ConsumerGroupTargetAssignmentMember(v) => {
            let topics = v.topic_partitions.iter();
            partitions(topics.map(|t| (t.topic_id, &t.partitions[..])), names)
        }
        Value::ConsumerGroupCurrentMemberAssignment(v) => {
            let owned = |topics: &[current::TopicPartitions<'_>]| {
                partitions(topics.iter().map(|t| (t.topic_id, &t.partitions[..])), names)
            };
            let state =
                ["stable", "unrevoked", "unreleased"][usize::try_from(v.state).expect("one")];
            let revoking = match v.partitions_pending_revocation.is_empty() {
                true => String::new(),
                false => format!(" revoking {}", owned(&v.partitions_pending_revocation)),
            };
            let (epoch, before) = (v.member_epoch, v.previous_member_epoch);
            format!("epoch={before}>{epoch} {state} {}{revoking}", owned(&v.assigned_partitions))
        }
        Value::ConsumerGroupRegularExpression(v) => {
            let topics: Vec<_> = v.topics.iter().map(ToString::to_string).collect();
            format!("= {} at={}", topics.join(","), v.timestamp)
        }
        other => super::share::fields(other, names),
    }
}
