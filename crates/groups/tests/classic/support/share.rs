//! What scripts say of share groups: heartbeats, the state of partitions, and all that comes of
//! them in a line.

use klamm_groups::Request;
use klamm_groups::share::store::Key;
use klamm_groups::share::{ShareRequest, ShareResponse, StateTopic};
use klamm_protocol::messages::alter_share_group_offsets_request as alter;
use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::delete_share_group_offsets_request as delete;
use klamm_protocol::messages::share_group_describe_response::{Assignment, DescribedGroup, Member};
use klamm_protocol::messages::share_group_state_partition_metadata_value::TopicPartitionsInfo;
use klamm_protocol::messages::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};

use super::command::{Client, Command, list, topic_partition};
use super::consumer::partitions;
use super::names::Names;
use super::show::error;

/// `a want g topics=t` is a heartbeat, `a view g` describes, `a made g at=t:0,t:1` and `unmade`
/// report on state, `a alter g at=t:0,t:1`, `a undo g at=t` and `a undone g at=t` are about start
/// offsets, `a lost g at=t:0` says that the store has no state, and `a clear g` is the first step of deleting a group.
pub(crate) fn request(command: &Command<'_>, client: &Client, names: &Names) -> Request {
    let group = command.group_id();
    let at = || list(command.option("at").unwrap_or_default());
    let id = |topic: &String| names.topic_id(topic).unwrap_or_default();
    Request::Share(match command.verb {
        "want" => ShareRequest::Heartbeat(want(command, client, names)),
        "view" => ShareRequest::Describe(list(command.group)),
        "made" | "unmade" => {
            let success = command.verb == "made";
            ShareRequest::Initialized { group, topics: topics(&at(), names), success }
        }
        "alter" => ShareRequest::AlterOffsets(AlterShareGroupOffsetsRequest {
            group_id: group.into(),
            topics: at().iter().map(|text| altered(text)).collect(),
            ..<_>::default()
        }),
        "undo" => ShareRequest::DeleteOffsets(DeleteShareGroupOffsetsRequest {
            group_id: group.into(),
            topics: at()
                .into_iter()
                .map(|topic| delete::DeleteShareGroupOffsetsRequestTopic {
                    topic_name: topic.into(),
                    ..<_>::default()
                })
                .collect(),
            ..<_>::default()
        }),
        "undone" => ShareRequest::OffsetsDeleted { group, topics: at().iter().map(id).collect() },
        "lost" => {
            let (name, partition) = topic_partition(command.option("at").unwrap_or_default());
            let topic = names.topic_id(&name).unwrap_or_default();
            ShareRequest::StateEpoch(Key { group, topic, partition })
        }
        "clear" => ShareRequest::Delete(group),
        other => panic!("no such verb: {other}"),
    })
}

/// Without `epoch=` a client asks with the one it was told last, and with 0 if it was told none.
fn want(
    command: &Command<'_>,
    client: &Client,
    names: &Names,
) -> ShareGroupHeartbeatRequest<'static> {
    let member_id = match command.member(client, names) {
        own if own.is_empty() && command.option("m").is_none() => format!("{}-id", command.client),
        id => id,
    };
    let topics = command.option("topics").map(|topics| list(topics).into_iter().map(Into::into));
    ShareGroupHeartbeatRequest {
        group_id: command.group_id().into(),
        member_id: member_id.into(),
        member_epoch: command.number("epoch", client.generation.max(0)),
        rack_id: command.option("rack").map(|rack| rack.to_owned().into()),
        subscribed_topic_names: topics.map(Iterator::collect),
        ..<_>::default()
    }
}

fn topics(at: &[String], names: &Names) -> Vec<StateTopic> {
    let mut topics: Vec<StateTopic> = Vec::new();
    for item in at {
        let (name, partition) = topic_partition(item);
        match topics.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                let id = names.topic_id(&name).unwrap_or_default();
                topics.push(StateTopic { id, name, partitions: vec![partition] });
            }
        }
    }
    topics
}

fn altered(text: &str) -> alter::AlterShareGroupOffsetsRequestTopic<'static> {
    let (name, partition_index) = topic_partition(text);
    let partition =
        alter::AlterShareGroupOffsetsRequestPartition { partition_index, ..<_>::default() };
    alter::AlterShareGroupOffsetsRequestTopic {
        topic_name: name.into(),
        partitions: vec![partition],
        ..<_>::default()
    }
}

/// What a client learns from a response.
pub(crate) fn learn(name: &str, response: &ShareResponse, names: &mut Names, client: &mut Client) {
    if let ShareResponse::Heartbeat { response: beat, .. } = response
        && beat.error_code == 0
    {
        let id = beat.member_id.as_deref().unwrap_or_default();
        names.learn(name, id);
        client.member = id.to_owned();
        client.generation = beat.member_epoch;
    }
}

/// A response in one line.
pub(crate) fn response(response: &ShareResponse, names: &Names) -> String {
    let told = |code: i16, text: &Option<std::borrow::Cow<'_, str>>| match text {
        Some(text) => format!("{} '{text}'", error(code)),
        None => error(code).to_owned(),
    };
    match response {
        ShareResponse::Heartbeat { response, initialize, state_epoch } => {
            let make = match initialize.is_empty() {
                true => String::new(),
                false => format!(" make {} at {state_epoch}", listed(initialize, names)),
            };
            let soon = if response.heartbeat_interval_ms == 1_000 { " soon" } else { "" };
            format!("want {}{make}{soon}", heard(response, names))
        }
        ShareResponse::Describe(groups) => {
            groups.iter().map(|g| described(g, names)).collect::<Vec<_>>().join("; ")
        }
        ShareResponse::Done(error) => format!("done {}", self::error(error.code())),
        ShareResponse::StateEpoch(Some(epoch)) => format!("lost, again at {epoch}"),
        ShareResponse::StateEpoch(None) => "lost nothing".to_owned(),
        ShareResponse::Topics(_) => panic!("no script asks for it"),
        ShareResponse::AlterOffsets { response, state_epoch } => {
            let partition =
                |topic: &str, index: i32, code| format!("{topic}:{index} {}", error(code));
            let each = response.responses.iter().flat_map(|topic| {
                let one = topic.partitions.iter();
                one.map(|p| partition(&topic.topic_name, p.partition_index, p.error_code))
            });
            let each: Vec<_> = each.collect();
            let whole = told(response.error_code, &response.error_message);
            format!("alter {whole} at {state_epoch} [{}]", each.join(", "))
        }
        ShareResponse::DeleteOffsets { response, delete } => {
            let each = response.responses.iter();
            let each =
                each.map(|t| format!("{} {}", t.topic_name, told(t.error_code, &t.error_message)));
            let each: Vec<_> = each.collect();
            let whole = told(response.error_code, &response.error_message);
            format!("undo {whole} [{}] drop {}", each.join(", "), listed(delete, names))
        }
        ShareResponse::Delete(Ok(topics)) => format!("clear {}", listed(topics, names)),
        ShareResponse::Delete(Err(error)) => format!("clear {}", error.name()),
    }
}

fn listed(topics: &[StateTopic], names: &Names) -> String {
    partitions(topics.iter().map(|topic| (topic.id, &topic.partitions[..])), names)
}

fn heard(r: &ShareGroupHeartbeatResponse<'_>, names: &Names) -> String {
    if r.error_code != 0 {
        return error(r.error_code).to_owned();
    }
    let member = names.short(r.member_id.as_deref().unwrap_or_default());
    let assigned = r.assignment.as_ref().map(|assignment| {
        let topics = assignment.topic_partitions.iter();
        partitions(topics.map(|t| (t.topic_id, &t.partitions[..])), names)
    });
    format!("ok {member} epoch={} {}", r.member_epoch, assigned.unwrap_or_default())
        .trim_end()
        .to_owned()
}

fn described(g: &DescribedGroup<'_>, names: &Names) -> String {
    if g.error_code != 0 {
        let message = g.error_message.as_deref().unwrap_or_default();
        return format!("view {} {} '{message}'", error(g.error_code), g.group_id);
    }
    let assigned = |assignment: &Assignment<'_>| {
        let topics = assignment.topic_partitions.iter();
        partitions(topics.map(|t| (t.topic_id, &t.partitions[..])), names)
    };
    let member = |m: &Member<'_>| {
        let topics: Vec<&str> = m.subscribed_topic_names.iter().map(AsRef::as_ref).collect();
        let (id, epoch) = (names.short(&m.member_id), m.member_epoch);
        format!("{id}@{epoch} {} {}", topics.join(","), assigned(&m.assignment))
    };
    let mut members: Vec<_> = g.members.iter().map(member).collect();
    members.sort();
    let (id, state, assignor) = (&g.group_id, &g.group_state, &g.assignor_name);
    let (epoch, target, members) = (g.group_epoch, g.assignment_epoch, members.join(", "));
    format!("view ok {id} {state} {target}/{epoch} {assignor} {{{members}}}")
}

/// Which record it is.
pub(crate) fn key(key: &CoordinatorRecordKey<'_>, names: &Names) -> String {
    use CoordinatorRecordKey as Key;
    match key {
        Key::ShareGroupMetadata(k) => format!("{} share group", k.group_id),
        Key::ShareGroupMemberMetadata(k) => {
            format!("{} {} wants", k.group_id, names.short(&k.member_id))
        }
        Key::ShareGroupTargetAssignmentMetadata(k) => format!("{} share target", k.group_id),
        Key::ShareGroupTargetAssignmentMember(k) => {
            format!("{} {} share target", k.group_id, names.short(&k.member_id))
        }
        Key::ShareGroupCurrentMemberAssignment(k) => {
            format!("{} {} shares", k.group_id, names.short(&k.member_id))
        }
        Key::ShareGroupStatePartitionMetadata(k) => format!("{} state", k.group_id),
        other => panic!("we do not write {other:?}"),
    }
}

/// What it says.
pub(crate) fn fields(value: &CoordinatorRecordValue<'_>, names: &Names) -> String {
    use CoordinatorRecordValue as Value;
    let infos = |topics: &[TopicPartitionsInfo<'_>]| {
        partitions(topics.iter().map(|t| (t.topic_id, &t.partitions[..])), names)
    };
    match value {
        Value::ShareGroupMetadata(v) => {
            let hash = if v.metadata_hash == 0 { "" } else { " hash" };
            format!("epoch={}{hash}", v.epoch)
        }
        Value::ShareGroupMemberMetadata(v) => {
            let topics: Vec<&str> = v.subscribed_topic_names.iter().map(AsRef::as_ref).collect();
            topics.join(",")
        }
        Value::ShareGroupTargetAssignmentMetadata(v) => format!("epoch={}", v.assignment_epoch),
        Value::ShareGroupTargetAssignmentMember(v) => {
            partitions(v.topic_partitions.iter().map(|t| (t.topic_id, &t.partitions[..])), names)
        }
        Value::ShareGroupCurrentMemberAssignment(v) => {
            let assigned = v.assigned_partitions.iter();
            let assigned = partitions(assigned.map(|t| (t.topic_id, &t.partitions[..])), names);
            format!("epoch={}>{} {assigned}", v.previous_member_epoch, v.member_epoch)
        }
        Value::ShareGroupStatePartitionMetadata(v) => {
            let deleting: Vec<_> =
                v.deleting_topics.iter().map(|t| names.topic(t.topic_id)).collect();
            let (begun, done) = (infos(&v.initializing_topics), infos(&v.initialized_topics));
            format!("making {begun} made {done} deleting [{}]", deleting.join(","))
        }
        other => panic!("we do not write {other:?}"),
    }
}
