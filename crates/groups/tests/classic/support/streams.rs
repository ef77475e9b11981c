//! What scripts say of streams groups: topologies by name, heartbeats, and all that comes of them
//! in a line.

use std::collections::BTreeMap;

use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::streams_group_current_member_assignment_value as current;
use klamm_protocol::messages::streams_group_describe_response as describe;
use klamm_protocol::messages::streams_group_heartbeat_request as request;
use klamm_protocol::messages::streams_group_heartbeat_response as response;
use klamm_protocol::messages::streams_group_target_assignment_member_value as target;
use klamm_protocol::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};

use super::command::{Client, Command, list, topic_partition};
use super::names::Names;
use super::show::error;

/// The topologies of scripts: `copy` reads the topic `in`; `count` reads it, repartitions it
/// through `rep` and keeps a count in `store`; `join` reads `in` together with `side`.
fn topology(name: &str) -> request::Topology<'static> {
    let info = |name: &'static str| request::TopicInfo { name: name.into(), ..<_>::default() };
    let reads = |id: &'static str, topics: &[&'static str]| request::Subtopology {
        subtopology_id: id.into(),
        source_topics: topics.iter().map(|topic| (*topic).into()).collect(),
        ..<_>::default()
    };
    let subtopologies = match name {
        "copy" => vec![reads("0", &["in"])],
        "count" => vec![
            request::Subtopology {
                repartition_sink_topics: vec!["rep".into()],
                ..reads("0", &["in"])
            },
            request::Subtopology {
                repartition_source_topics: vec![info("rep")],
                state_changelog_topics: vec![info("store")],
                ..reads("1", &[])
            },
        ],
        "join" => vec![request::Subtopology {
            copartition_groups: vec![request::CopartitionGroup {
                source_topics: vec![0, 1],
                ..<_>::default()
            }],
            ..reads("0", &["in", "side"])
        }],
        "sized" => vec![request::Subtopology {
            state_changelog_topics: vec![request::TopicInfo { partitions: 2, ..info("store") }],
            ..reads("0", &["in"])
        }],
        "loop" => vec![request::Subtopology {
            repartition_source_topics: vec![info("rep")],
            ..reads("0", &[])
        }],
        other => panic!("there is no topology {other}"),
    };
    request::Topology { epoch: 0, subtopologies, ..<_>::default() }
}

/// `a stream g top=copy p=x has=0:0,0:1`: as `ask`, with a topology, the process, and the tasks
/// that the member has.
pub(crate) fn ask(
    command: &Command<'_>,
    client: &Client,
    names: &Names,
) -> StreamsGroupHeartbeatRequest<'static> {
    let epoch = command.number("epoch", client.generation.max(0));
    let is_first = epoch == 0;
    let tells = is_first || command.option("has").is_some() || command.option("copies").is_some();
    let tasks = |option: &str| {
        let mut has: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for item in command.option(option).map(list).unwrap_or_default() {
            let (id, partition) = topic_partition(&item);
            has.entry(id).or_default().push(partition);
        }
        let ids = has.into_iter().map(|(id, partitions)| request::TaskIds {
            subtopology_id: id.into(),
            partitions,
            ..<_>::default()
        });
        tells.then(|| ids.collect())
    };
    let member = match command.member(client, names) {
        own if own.is_empty() && command.option("m").is_none() => format!("{}-id", command.client),
        id => id,
    };
    let process = command.option("p").or(is_first.then_some(command.client));
    let endpoint = command.option("at").map(|host| request::Endpoint {
        host: host.to_owned().into(),
        port: 80,
        ..<_>::default()
    });
    let top = command.option("top").or(is_first.then_some("copy"));
    StreamsGroupHeartbeatRequest {
        group_id: command.group_id().into(),
        member_id: member.into(),
        member_epoch: epoch,
        instance_id: command.option("i").map(|i| i.to_owned().into()),
        rebalance_timeout_ms: command.number("r", if is_first { 20_000 } else { -1 }),
        topology: top.filter(|top| *top != "none").map(topology),
        active_tasks: tasks("has"),
        standby_tasks: tasks("copies"),
        warmup_tasks: tasks("warm"),
        process_id: process.map(|p| p.to_owned().into()),
        user_endpoint: endpoint,
        endpoint_information_epoch: if is_first { -1 } else { 0 },
        shutdown_application: command.option("shutdown").is_some(),
        ..<_>::default()
    }
}

fn tasks<'a>(ids: impl Iterator<Item = (&'a str, &'a [i32])>) -> String {
    let id = |(id, list): (&str, &[i32])| {
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        format!("{id}:{}", list.join(","))
    };
    format!("[{}]", ids.map(id).collect::<Vec<_>>().join(" "))
}

/// Active tasks, and the others only if there are any.
fn roles(active: String, standby: String, warmup: String) -> String {
    let part = |name: &str, tasks: String| match tasks.as_str() {
        "[]" => String::new(),
        _ => format!(" {name} {tasks}"),
    };
    format!("{active}{}{}", part("copies", standby), part("warm", warmup))
}

/// A heartbeat's response in one line.
pub(crate) fn heard(r: &StreamsGroupHeartbeatResponse<'_>, names: &Names) -> String {
    if r.error_code != 0 {
        let text = r.error_message.as_deref().unwrap_or_default();
        return format!("stream {} '{text}'", error(r.error_code)).replace(" ''", "");
    }
    let told = |ids: &[response::TaskIds<'_>]| {
        tasks(ids.iter().map(|ids| (&*ids.subtopology_id, &ids.partitions[..])))
    };
    let assigned = r.active_tasks.as_ref().map(|active| {
        let other = |ids: &Option<Vec<response::TaskIds<'_>>>| told(ids.as_deref().unwrap_or(&[]));
        format!(" {}", roles(told(active), other(&r.standby_tasks), other(&r.warmup_tasks)))
    });
    let statuses = r.status.iter().flatten();
    let statuses: String =
        statuses.map(|s| format!(" !{} {}", s.status_code, s.status_detail)).collect();
    let at = |e: &response::EndpointToPartitions<'_>| {
        let topics = e.active_partitions.iter().map(|t| (&*t.topic, &t.partitions[..]));
        format!(" {}={}", e.user_endpoint.host, tasks(topics))
    };
    let endpoints: String = r.partitions_by_user_endpoint.iter().flatten().map(at).collect();
    format!(
        "stream ok {} epoch={}{}{endpoints}{statuses}",
        names.short(&r.member_id),
        r.member_epoch,
        assigned.unwrap_or_default(),
    )
}

/// A group in one line.
pub(crate) fn described(g: &describe::DescribedGroup<'_>, names: &Names) -> String {
    if g.error_code != 0 {
        let message = g.error_message.as_deref().unwrap_or_default();
        return format!("see {} {} '{message}'", error(g.error_code), g.group_id);
    }
    let assigned = |a: &describe::Assignment<'_>| {
        let told = |ids: &[describe::TaskIds<'_>]| {
            tasks(ids.iter().map(|ids| (&*ids.subtopology_id, &ids.partitions[..])))
        };
        roles(told(&a.active_tasks), told(&a.standby_tasks), told(&a.warmup_tasks))
    };
    let member = |m: &describe::Member<'_>| {
        let (id, target) = (names.short(&m.member_id), assigned(&m.target_assignment));
        format!("{id}@{} {} {} of {target}", m.member_epoch, m.process_id, assigned(&m.assignment))
    };
    let mut members: Vec<_> = g.members.iter().map(member).collect();
    members.sort();
    let internal = |sub: &describe::Subtopology<'_>| {
        let infos = sub.repartition_source_topics.iter().chain(&sub.state_changelog_topics);
        infos.map(|info| format!(" {}={}", info.name, info.partitions)).collect::<String>()
    };
    let subtopologies = g.topology.iter().flat_map(|t| t.subtopologies.iter().flatten());
    let topics: String = subtopologies.map(internal).collect();
    format!(
        "see ok {} {} {}/{}{topics} {{{}}}",
        g.group_id,
        g.group_state,
        g.assignment_epoch,
        g.group_epoch,
        members.join(", ")
    )
}

/// A record in one line; none if it is of another kind.
pub(crate) fn record(
    key: &CoordinatorRecordKey<'_>,
    value: Option<&[u8]>,
    names: &Names,
) -> Option<String> {
    use CoordinatorRecordKey as Key;
    let what = match key {
        Key::StreamsGroupMetadata(k) => format!("{} streams", k.group_id),
        Key::StreamsGroupTopology(k) => format!("{} topology", k.group_id),
        Key::StreamsGroupMemberMetadata(k) => {
            format!("{} {} says", k.group_id, names.short(&k.member_id))
        }
        Key::StreamsGroupTargetAssignmentMetadata(k) => format!("{} target", k.group_id),
        Key::StreamsGroupTargetAssignmentMember(k) => {
            format!("{} {} target", k.group_id, names.short(&k.member_id))
        }
        Key::StreamsGroupCurrentMemberAssignment(k) => {
            format!("{} {} has", k.group_id, names.short(&k.member_id))
        }
        _ => return None,
    };
    let Some(value) = value else { return Some(format!("{what} deleted")) };
    assert_eq!(value[..2], [0, 0], "the only version");
    let value = CoordinatorRecordValue::decode(key.record_type(), value).expect("a value of ours");
    Some(format!("{what} {}", fields(&value)))
}

fn fields(value: &CoordinatorRecordValue<'_>) -> String {
    use CoordinatorRecordValue as Value;
    match value {
        Value::StreamsGroupMetadata(v) => {
            let configs = v.last_assignment_configs.iter().flatten();
            let configs: String = configs.map(|c| format!(" {}={}", c.key, c.value)).collect();
            let hash = if v.metadata_hash == 0 { "" } else { " hash" };
            format!("epoch={} valid={}{hash}{configs}", v.epoch, v.validated_topology_epoch)
        }
        Value::StreamsGroupTopology(v) => {
            let ids: Vec<_> = v.subtopologies.iter().map(|sub| &*sub.subtopology_id).collect();
            format!("{} of {}", v.epoch, ids.join(","))
        }
        Value::StreamsGroupMemberMetadata(v) => {
            let at = v.user_endpoint.as_ref().map(|e| format!(" at={}:{}", e.host, e.port));
            let (p, r, at) = (&v.process_id, v.rebalance_timeout_ms, at.unwrap_or_default());
            format!("p={p} top={} r={r}{at}", v.topology_epoch)
        }
        Value::StreamsGroupTargetAssignmentMetadata(v) => {
            format!("epoch={} at={}", v.assignment_epoch, v.assignment_timestamp)
        }
        Value::StreamsGroupTargetAssignmentMember(v) => {
            let told = |ids: &[target::TaskIds<'_>]| {
                tasks(ids.iter().map(|ids| (&*ids.subtopology_id, &ids.partitions[..])))
            };
            roles(told(&v.active_tasks), told(&v.standby_tasks), told(&v.warmup_tasks))
        }
        Value::StreamsGroupCurrentMemberAssignment(v) => {
            let told = |ids: &[current::TaskIds<'_>]| {
                tasks(ids.iter().map(|ids| (&*ids.subtopology_id, &ids.partitions[..])))
            };
            let has = roles(told(&v.active_tasks), told(&v.standby_tasks), told(&v.warmup_tasks));
            let revoking = roles(
                told(&v.active_tasks_pending_revocation),
                told(&v.standby_tasks_pending_revocation),
                told(&v.warmup_tasks_pending_revocation),
            );
            let revoking = match revoking.as_str() {
                "[]" => String::new(),
                _ => format!(" revoking {revoking}"),
            };
            let state =
                ["stable", "unrevoked", "unreleased"][usize::try_from(v.state).expect("one")];
            format!("epoch={}>{} {state} {has}{revoking}", v.previous_member_epoch, v.member_epoch)
        }
        other => panic!("we do not write {other:?}"),
    }
}
