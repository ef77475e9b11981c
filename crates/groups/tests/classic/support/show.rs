//! Responses and records in one line each.

use std::borrow::Cow;

use klamm_groups::{CoordinatorRecord, Request, Response};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::messages::describe_groups_response::DescribedGroup;
use klamm_protocol::messages::list_groups_response::ListedGroup;
use klamm_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use klamm_protocol::messages::{
    JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse, OffsetDeleteResponse,
    TxnOffsetCommitResponse,
};
use klamm_protocol::wire::Message;

use super::names::Names;
use super::{consumer, share, streams};

pub(crate) fn error(code: i16) -> &'static str {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => "ok",
        Some(error) => error.name(),
        None => "?",
    }
}

fn read<'a, M: Message<'a>>(bytes: Vec<u8>, version: i16) -> M {
    M::decode_exact(bytes.leak(), version).expect("a message of ours")
}

/// The request as a broker reads it in the version.
pub(crate) fn as_sent(request: Request, version: i16) -> Request {
    match request {
        Request::Join(r) => Request::Join(read(r.to_bytes(version), version)),
        Request::Sync(r) => Request::Sync(read(r.to_bytes(version), version)),
        Request::Heartbeat(r) => Request::Heartbeat(read(r.to_bytes(version), version)),
        Request::ConsumerHeartbeat(r) => {
            Request::ConsumerHeartbeat(read(r.to_bytes(version), version))
        }
        Request::StreamsHeartbeat(r) => {
            Request::StreamsHeartbeat(read(r.to_bytes(version), version))
        }
        Request::Leave(r) => Request::Leave(read(r.to_bytes(version), version)),
        other => other,
    }
}

/// The response as a client of the version reads it.
pub(crate) fn as_read(response: &Response, version: i16) -> Response {
    match response {
        Response::Join(r) => Response::Join(read(r.to_bytes(version), version)),
        Response::Sync(r) => Response::Sync(read(r.to_bytes(version), version)),
        Response::Heartbeat(r) => Response::Heartbeat(read(r.to_bytes(version), version)),
        Response::ConsumerHeartbeat(r) => {
            Response::ConsumerHeartbeat(read(r.to_bytes(version), version))
        }
        Response::Leave(r) => Response::Leave(read(r.to_bytes(version), version)),
        other => other.clone(),
    }
}

pub(crate) fn opt(text: Option<&str>) -> &str {
    match text {
        None => "null",
        Some("") => "-",
        Some(text) => text,
    }
}

fn bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok("") => "-".to_owned(),
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => text.to_owned(),
        _ => consumer::assigned(bytes).unwrap_or_else(|| format!("{} bytes", bytes.len())),
    }
}

fn sorted(mut items: Vec<String>) -> String {
    items.sort();
    items.join(" ")
}

/// A response in one line.
pub(crate) fn response(response: &Response, names: &Names) -> String {
    match response {
        Response::Join(r) => join(r, names),
        Response::Sync(r) if r.error_code != 0 => format!("sync {}", error(r.error_code)),
        Response::Sync(r) => {
            let (kind, name) = (opt(r.protocol_type.as_deref()), opt(r.protocol_name.as_deref()));
            format!("sync ok {kind}/{name} {}", bytes(&r.assignment))
        }
        Response::Heartbeat(r) => format!("beat {}", error(r.error_code)),
        Response::Leave(r) => leave(r, names),
        Response::ConsumerHeartbeat(r) => consumer::heard(r, names),
        Response::ConsumerDescribe(groups) => {
            groups.iter().map(|g| consumer::described(g, names)).collect::<Vec<_>>().join("; ")
        }
        Response::StreamsHeartbeat(told) => streams::heard(&told.response, names),
        Response::StreamsDescribe(groups) => {
            groups.iter().map(|g| streams::described(g, names)).collect::<Vec<_>>().join("; ")
        }
        Response::Share(r) => share::response(r, names),
        Response::Commit(r) => commit(r),
        Response::TxnCommit(r) => txn(r),
        Response::EndTransaction(error) => format!("end {}", error.name()),
        Response::Fetch(r) if r.error_code != 0 => format!("fetch {}", error(r.error_code)),
        Response::Fetch(r) => format!("fetch ok [{}]", fetched(r)),
        Response::OffsetDelete(r) => forget(r),
        Response::Describe(groups) => {
            groups.iter().map(|g| described(g, names)).collect::<Vec<_>>().join("; ")
        }
        Response::List(groups) => {
            let group = |g: &ListedGroup<'_>| {
                let kind = opt(Some(&g.protocol_type));
                format!("{} {kind} {} {}", g.group_id, g.group_state, g.group_type)
            };
            format!("list [{}]", groups.iter().map(group).collect::<Vec<_>>().join(", "))
        }
        Response::DeleteGroups(results) => {
            let told = results.iter().map(|r| format!("{} {}", r.group_id, error(r.error_code)));
            format!("delete {}", sorted(told.collect()))
        }
    }
}

/// A member, with its instance id if it is static.
fn member(id: &str, instance: Option<&Cow<'_, str>>, names: &Names) -> String {
    let instance = instance.map(|i| format!("/{i}")).unwrap_or_default();
    format!("{}{instance}", names.short(id))
}

fn join(r: &JoinGroupResponse<'_>, names: &Names) -> String {
    let (told, leader) = (names.short(&r.member_id), names.short(&r.leader));
    if r.error_code != 0 {
        let generation = match r.generation_id {
            -1 => String::new(),
            generation => format!(" gen={generation} leader={leader}"),
        };
        return format!("join {} member={told}{generation}", error(r.error_code));
    }
    let members = r.members.iter().map(|m| {
        let id = member(&m.member_id, m.group_instance_id.as_ref(), names);
        format!("{id}:{}", bytes(&m.metadata))
    });
    let (kind, name) = (opt(r.protocol_type.as_deref()), opt(r.protocol_name.as_deref()));
    let (generation, members) = (r.generation_id, sorted(members.collect()));
    let skip = if r.skip_assignment { " skip" } else { "" };
    format!(
        "join ok gen={generation} {kind}/{name} member={told} leader={leader} [{members}]{skip}"
    )
}

fn leave(r: &LeaveGroupResponse<'_>, names: &Names) -> String {
    let members = r.members.iter().map(|m| {
        let id = member(&m.member_id, m.group_instance_id.as_ref(), names);
        format!(" {id} {}", error(m.error_code))
    });
    format!("leave {}{}", error(r.error_code), members.collect::<String>())
}

fn commit(r: &OffsetCommitResponse<'_>) -> String {
    let mut told = Vec::new();
    for t in &r.topics {
        let at = |p: i32, e: i16| format!("{}:{p} {}", t.name, error(e));
        told.extend(t.partitions.iter().map(|p| at(p.partition_index, p.error_code)));
    }
    format!("commit {}", sorted(told))
}

fn txn(r: &TxnOffsetCommitResponse<'_>) -> String {
    let mut told = Vec::new();
    for t in &r.topics {
        let at = |p: i32, e: i16| format!("{}:{p} {}", t.name, error(e));
        told.extend(t.partitions.iter().map(|p| at(p.partition_index, p.error_code)));
    }
    format!("txn {}", sorted(told))
}

fn fetched(r: &OffsetFetchResponseGroup<'_>) -> String {
    let mut found = Vec::new();
    for t in &r.topics {
        for p in &t.partitions {
            let epoch = match p.committed_leader_epoch {
                -1 => String::new(),
                epoch => format!("@{epoch}"),
            };
            let text = p.metadata.as_deref().filter(|m| !m.is_empty());
            let text = text.map(|m| format!(":{m}")).unwrap_or_default();
            let told = if p.error_code == 0 { "" } else { error(p.error_code) };
            let (partition, offset) = (p.partition_index, p.committed_offset);
            found.push(format!("{}:{partition}={offset}{epoch}{text}{told}", t.name));
        }
    }
    sorted(found)
}

fn forget(r: &OffsetDeleteResponse<'_>) -> String {
    let mut told = Vec::new();
    for t in &r.topics {
        let at = |p: i32, e: i16| format!(" {}:{p} {}", t.name, error(e));
        told.extend(t.partitions.iter().map(|p| at(p.partition_index, p.error_code)));
    }
    format!("forget {}{}", error(r.error_code), told.concat())
}

fn described(g: &DescribedGroup<'_>, names: &Names) -> String {
    let mut members: Vec<_> = g
        .members
        .iter()
        .map(|m| {
            let id = member(&m.member_id, m.group_instance_id.as_ref(), names);
            let (says, does) = (bytes(&m.member_metadata), bytes(&m.member_assignment));
            format!("{id} {}@{} {says} {does}", m.client_id, m.client_host)
        })
        .collect();
    members.sort();
    let message = g.error_message.as_ref().map(|m| format!(" '{m}'")).unwrap_or_default();
    let (kind, name) = (opt(Some(&g.protocol_type)), opt(Some(&g.protocol_data)));
    let (told, id, state) = (error(g.error_code), &g.group_id, &g.group_state);
    format!("describe {told} {id}{message} {state} {kind}/{name} [{}]", members.join(", "))
}

/// A record in one line.
pub(crate) fn record(record: &CoordinatorRecord, names: &Names) -> String {
    let key = CoordinatorRecordKey::decode(&record.key).expect("a key of ours");
    let what = match &key {
        CoordinatorRecordKey::OffsetCommit(k) => format!("{} {}:{}", k.group, k.topic, k.partition),
        CoordinatorRecordKey::GroupMetadata(k) => k.group.to_string(),
        other => {
            let value = record.value.as_deref();
            let streams = streams::record(other, value, names);
            return streams.unwrap_or_else(|| consumer::record(other, value, names));
        }
    };
    let Some(value) = record.value.as_deref() else { return format!("{what} deleted") };
    let version = value[1];
    let value = CoordinatorRecordValue::decode(key.record_type(), value).expect("a value of ours");
    match value {
        CoordinatorRecordValue::OffsetCommit(v) => {
            let expires = match v.expire_timestamp {
                -1 => String::new(),
                at => format!(" expires={at}"),
            };
            format!("{what} v{version} offset={} at={}{expires}", v.offset, v.commit_timestamp)
        }
        CoordinatorRecordValue::GroupMetadata(v) => {
            let members = v.members.iter().map(|m| {
                let id = member(&m.member_id, m.group_instance_id.as_ref(), names);
                format!("{id}:{}", bytes(&m.assignment))
            });
            let members = sorted(members.collect());
            let (kind, name) = (opt(Some(&v.protocol_type)), opt(v.protocol.as_deref()));
            let leader = v.leader.as_deref().map_or("null".to_owned(), |l| names.short(l));
            let (generation, since) = (v.generation, v.current_state_timestamp);
            format!(
                "{what} v{version} gen={generation} {kind}/{name} leader={leader} since={since} \
                 [{members}]"
            )
        }
        other => panic!("we do not write {other:?}"),
    }
}
