//! Responses and records in one line each.

use std::fmt::Write;

use klamm_groups::{CoordinatorRecord, Request, Response};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::coordinator_record::{CoordinatorRecordKey, CoordinatorRecordValue};
use klamm_protocol::wire::Message;

use super::names::Names;

fn error(code: i16) -> &'static str {
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
        Response::Leave(r) => Response::Leave(read(r.to_bytes(version), version)),
        other => other.clone(),
    }
}

fn opt(text: Option<&str>) -> &str {
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
        _ => format!("{} bytes", bytes.len()),
    }
}

fn sorted(mut items: Vec<String>) -> String {
    items.sort();
    items.join(" ")
}

pub(crate) fn response(response: &Response, names: &Names) -> String {
    match response {
        Response::Join(r) if r.error_code != 0 => {
            let mut line =
                format!("join {} member={}", error(r.error_code), names.short(&r.member_id));
            if r.generation_id != -1 {
                let _ = write!(line, " gen={} leader={}", r.generation_id, names.short(&r.leader));
            }
            line
        }
        Response::Join(r) => {
            let member =
                |m: &klamm_protocol::messages::join_group_response::JoinGroupResponseMember| {
                    let instance = m.group_instance_id.as_ref().map(|i| format!("/{i}"));
                    format!(
                        "{}{}:{}",
                        names.short(&m.member_id),
                        instance.unwrap_or_default(),
                        bytes(&m.metadata)
                    )
                };
            let members = sorted(r.members.iter().map(member).collect());
            let skip = if r.skip_assignment { " skip" } else { "" };
            format!(
                "join ok gen={} {}/{} member={} leader={} [{members}]{skip}",
                r.generation_id,
                opt(r.protocol_type.as_deref()),
                opt(r.protocol_name.as_deref()),
                names.short(&r.member_id),
                names.short(&r.leader),
            )
        }
        Response::Sync(r) if r.error_code != 0 => format!("sync {}", error(r.error_code)),
        Response::Sync(r) => {
            let (kind, name) = (opt(r.protocol_type.as_deref()), opt(r.protocol_name.as_deref()));
            format!("sync ok {kind}/{name} {}", bytes(&r.assignment))
        }
        Response::Heartbeat(r) => format!("beat {}", error(r.error_code)),
        Response::Leave(r) => {
            let member = |m: &klamm_protocol::messages::leave_group_response::MemberResponse| {
                let instance = m.group_instance_id.as_ref().map(|i| format!("/{i}"));
                let id = names.short(&m.member_id);
                format!(" {id}{} {}", instance.unwrap_or_default(), error(m.error_code))
            };
            let members: String = r.members.iter().map(member).collect();
            format!("leave {}{members}", error(r.error_code))
        }
        Response::Commit(r) => {
            let topic = |t: &klamm_protocol::messages::offset_commit_response::OffsetCommitResponseTopic| {
                let at = |p: &klamm_protocol::messages::offset_commit_response::OffsetCommitResponsePartition| {
                    format!("{}:{} {}", t.name, p.partition_index, error(p.error_code))
                };
                t.partitions.iter().map(at).collect::<Vec<_>>().join(" ")
            };
            format!("commit {}", sorted(r.topics.iter().map(topic).collect()))
        }
        Response::Fetch(r) if r.error_code != 0 => format!("fetch {}", error(r.error_code)),
        Response::Fetch(r) => {
            let mut found = Vec::new();
            for t in &r.topics {
                for p in &t.partitions {
                    let epoch = match p.committed_leader_epoch {
                        -1 => String::new(),
                        epoch => format!("@{epoch}"),
                    };
                    let told = if p.error_code == 0 { "" } else { error(p.error_code) };
                    let text = p.metadata.as_deref().filter(|m| !m.is_empty());
                    let text = text.map(|m| format!(":{m}")).unwrap_or_default();
                    found.push(format!(
                        "{}:{}={}{epoch}{text}{told}",
                        t.name, p.partition_index, p.committed_offset
                    ));
                }
            }
            format!("fetch ok [{}]", sorted(found))
        }
        Response::OffsetDelete(r) => {
            let mut told = Vec::new();
            for t in &r.topics {
                let at = |p: i32, e: i16| format!(" {}:{p} {}", t.name, error(e));
                told.extend(t.partitions.iter().map(|p| at(p.partition_index, p.error_code)));
            }
            format!("forget {}{}", error(r.error_code), told.concat())
        }
        Response::Describe(groups) => {
            let mut lines = Vec::new();
            for g in groups {
                let member = |m: &klamm_protocol::messages::describe_groups_response::DescribedGroupMember| {
                    let instance = m.group_instance_id.as_ref().map(|i| format!("/{i}"));
                    format!(
                        "{}{} {}@{} {} {}",
                        names.short(&m.member_id),
                        instance.unwrap_or_default(),
                        m.client_id,
                        m.client_host,
                        bytes(&m.member_metadata),
                        bytes(&m.member_assignment)
                    )
                };
                let mut members: Vec<_> = g.members.iter().map(member).collect();
                members.sort();
                let message = g.error_message.as_ref().map(|m| format!(" '{m}'"));
                lines.push(format!(
                    "describe {} {}{} {} {}/{} [{}]",
                    error(g.error_code),
                    g.group_id,
                    message.unwrap_or_default(),
                    g.group_state,
                    opt(Some(&g.protocol_type)),
                    opt(Some(&g.protocol_data)),
                    members.join(", ")
                ));
            }
            lines.join("; ")
        }
        Response::List(groups) => {
            let group = |g: &klamm_protocol::messages::list_groups_response::ListedGroup| {
                let kind = opt(Some(&g.protocol_type));
                format!("{} {kind} {} {}", g.group_id, g.group_state, g.group_type)
            };
            let groups = groups.iter().map(group).collect::<Vec<_>>();
            format!("list [{}]", groups.join(", "))
        }
        Response::DeleteGroups(results) => {
            let told = results.iter().map(|r| format!("{} {}", r.group_id, error(r.error_code)));
            format!("delete {}", sorted(told.collect()))
        }
    }
}

pub(crate) fn record(record: &CoordinatorRecord, names: &Names) -> String {
    let key = CoordinatorRecordKey::decode(&record.key).expect("a key of ours");
    let value = record.value.as_deref().map(|v| {
        let decoded = CoordinatorRecordValue::decode(key.record_type(), v);
        (v[1], decoded.expect("a value of ours"))
    });
    let what = match &key {
        CoordinatorRecordKey::OffsetCommit(k) => format!("{} {}:{}", k.group, k.topic, k.partition),
        CoordinatorRecordKey::GroupMetadata(k) => k.group.to_string(),
        other => format!("{other:?}"),
    };
    let Some((version, value)) = value else { return format!("{what} deleted") };
    match value {
        CoordinatorRecordValue::OffsetCommit(v) => {
            let mut line =
                format!("{what} v{version} offset={} at={}", v.offset, v.commit_timestamp);
            if v.expire_timestamp != -1 {
                let _ = write!(line, " expires={}", v.expire_timestamp);
            }
            line
        }
        CoordinatorRecordValue::GroupMetadata(v) => {
            let member = |m: &klamm_protocol::messages::group_metadata_value::MemberMetadata| {
                let instance = m.group_instance_id.as_ref().map(|i| format!("/{i}"));
                let id = names.short(&m.member_id);
                format!("{id}{}:{}", instance.unwrap_or_default(), bytes(&m.assignment))
            };
            let members = sorted(v.members.iter().map(member).collect());
            format!(
                "{what} v{version} gen={} {}/{} leader={} since={} [{members}]",
                v.generation,
                opt(Some(&v.protocol_type)),
                opt(v.protocol.as_deref()),
                v.leader.as_deref().map_or("null".to_owned(), |l| names.short(l)),
                v.current_state_timestamp,
            )
        }
        other => format!("{what} {other:?}"),
    }
}
