//! OffsetCommit, OffsetFetch and ListOffsets.

use std::borrow::Cow;

use klamm_protocol::{
    ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse,
        OffsetFetchRequest, OffsetFetchResponse,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
    },
    wire::Uuid,
};

use super::EARLIEST;
use crate::{
    client::Client,
    oracle::{Place, Seen},
    world::{Topic, World},
};

const TIMEOUT_MS: u64 = 6_000;

/// Who commits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committer<'a> {
    pub(crate) group: &'a str,
    /// Generation and member id; -1 and nothing for one who is no member.
    pub(crate) generation: i32,
    pub(crate) member: &'a str,
    /// The name of a static member.
    pub(crate) instance: Option<&'a str>,
    /// The oldest version that may be used, beside what a static member needs.
    pub(crate) oldest: i16,
}

/// Commits the next number for a partition. Gives the error, if there was an answer.
pub(crate) async fn commit(
    world: &World,
    client: &mut Client,
    who: Committer<'_>,
    (place, topic): (&Place, Topic),
) -> Option<ErrorCode> {
    let oldest = if who.instance.is_some() { 7 } else { 0 }.max(who.oldest);
    let version = client.version_within::<OffsetCommitRequest<'_>>(oldest, i16::MAX);
    let number = world.oracle().committing(who.group, place, world.elapsed_ms());
    let partition = OffsetCommitRequestPartition {
        partition_index: place.1,
        committed_offset: i64::try_from(number).unwrap_or(0),
        committed_leader_epoch: -1,
        committed_metadata: Some(Cow::Owned(format!("number {number}"))),
        ..Default::default()
    };
    let by_id = version >= 10;
    let wanted = OffsetCommitRequestTopic {
        name: Cow::Borrowed(if by_id { "" } else { &place.0 }),
        topic_id: if by_id { topic.id } else { Uuid::ZERO },
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: Cow::Borrowed(who.group),
        generation_id_or_member_epoch: who.generation,
        member_id: Cow::Borrowed(who.member),
        group_instance_id: who.instance.map(Cow::Borrowed),
        retention_time_ms: -1,
        topics: vec![wanted],
        ..Default::default()
    };
    let reply = client.call(version, &request, TIMEOUT_MS).await;
    if reply.as_ref().is_err_and(|failure| *failure == crate::client::Failure::NotSent) {
        world.oracle().commit_answered(who.group, place, number, false);
    }
    let reply = reply.ok()?;
    let response: OffsetCommitResponse<'_> = reply.decode().ok()?;
    let code = response.topics.first()?.partitions.first()?.error_code;
    let error = ErrorCode::from_code(code)?;
    match error {
        ErrorCode::None => {
            let mut oracle = world.oracle();
            oracle.commit_answered(who.group, place, number, true);
            if who.generation >= 0 {
                oracle.member_seen(who.group, world.elapsed_ms());
            }
            oracle.group_loaded(who.group);
        }
        ErrorCode::IllegalGeneration
        | ErrorCode::UnknownMemberId
        | ErrorCode::FencedInstanceId
        | ErrorCode::StaleMemberEpoch
        | ErrorCode::GroupIdNotFound
        | ErrorCode::RebalanceInProgress
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId => {
            world.oracle().commit_answered(who.group, place, number, false);
        }
        _ => {}
    }
    Some(error)
}

/// Asks what a group committed for a partition.
pub(crate) async fn committed(
    world: &World,
    client: &mut Client,
    group: &str,
    place: &Place,
) -> Option<Result<u64, ErrorCode>> {
    let id = world.topics.lock().get(&place.0).map(|topic| topic.id);
    let newest = if id.is_some() { i16::MAX } else { 9 };
    let version = client.version_within::<OffsetFetchRequest<'_>>(0, newest);
    let fetch = world.number();
    world.oracle().asking_commit(group, place, fetch);
    let result = ask_committed(client, version, group, place, id.unwrap_or(Uuid::ZERO)).await;
    if matches!(result, Some(Ok(_))) {
        world.oracle().group_loaded(group);
    }
    let found = result.and_then(Result::ok);
    let seen = Seen { number: found, by_id: version >= 10, now_ms: world.elapsed_ms() };
    world.oracle().commit_found(group, place, fetch, seen);
    result
}

async fn ask_committed(
    client: &mut Client,
    version: i16,
    group: &str,
    place: &Place,
    id: Uuid,
) -> Option<Result<u64, ErrorCode>> {
    let (name, indexes) = (Cow::Borrowed(place.0.as_str()), vec![place.1]);
    let mut request = OffsetFetchRequest::default();
    if version >= 8 {
        let by_id = version >= 10;
        let topic = OffsetFetchRequestTopics {
            name: if by_id { Cow::Borrowed("") } else { name },
            topic_id: if by_id { id } else { Uuid::ZERO },
            partition_indexes: indexes,
            ..Default::default()
        };
        request.groups = vec![OffsetFetchRequestGroup {
            group_id: Cow::Borrowed(group),
            member_epoch: -1,
            topics: Some(vec![topic]),
            ..Default::default()
        }];
    } else {
        let topic =
            OffsetFetchRequestTopic { name, partition_indexes: indexes, ..Default::default() };
        request.group_id = Cow::Borrowed(group);
        request.topics = Some(vec![topic]);
    }
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: OffsetFetchResponse<'_> = reply.decode().ok()?;
    let (top, code, offset, metadata) = if version >= 8 {
        let group = response.groups.first()?;
        let part = group.topics.first().and_then(|topic| topic.partitions.first());
        let found = part.map(|p| (p.error_code, p.committed_offset, p.metadata.clone()));
        let (code, offset, metadata) = found.unwrap_or((0, -1, None));
        (group.error_code, code, offset, metadata)
    } else {
        let part = response.topics.first()?.partitions.first()?;
        let top = if version >= 2 { response.error_code } else { 0 };
        (top, part.error_code, part.committed_offset, part.metadata.clone())
    };
    let error = [top, code].into_iter().find(|code| *code != 0);
    if let Some(error) = error {
        return Some(Err(ErrorCode::from_code(error)?));
    }
    let number = u64::try_from(offset).unwrap_or(0);
    // The text belongs to the number: one that does not is no commit of ours.
    let is_whole = number == 0 || metadata.as_deref() == Some(&format!("number {number}"));
    Some(Ok(if is_whole { number } else { u64::MAX }))
}

/// Asks for the first or the last offset.
pub(crate) async fn list_offset(
    world: &World,
    client: &mut Client,
    place: &Place,
    which: i64,
) -> Option<Result<i64, ErrorCode>> {
    let version = client.version::<ListOffsetsRequest<'_>>();
    let partition = ListOffsetsPartition {
        partition_index: place.1,
        current_leader_epoch: -1,
        timestamp: which,
        max_num_offsets: 1,
        ..Default::default()
    };
    let topic = ListOffsetsTopic {
        name: Cow::Borrowed(&place.0),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let asked = world.oracle().asked(place);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: ListOffsetsResponse<'_> = reply.decode().ok()?;
    let part = response.topics.first()?.partitions.first()?;
    let error = ErrorCode::from_code(part.error_code)?;
    if error != ErrorCode::None {
        return Some(Err(error));
    }
    let offset = match version {
        0 => *part.old_style_offsets.first()?,
        _ => part.offset,
    };
    let mut oracle = world.oracle();
    if !oracle.is_of_now(place, &asked) {
        return None;
    }
    match which {
        EARLIEST => oracle.shown_start(place, &asked, offset),
        _ => oracle.shown(place, &asked, offset),
    }
    Some(Ok(offset))
}
