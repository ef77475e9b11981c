//! Which offsets a member of a consumer group may commit and read.

use std::cmp::Ordering;

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{OffsetCommitRequest, TxnOffsetCommitRequest};
use klamm_protocol::wire::Uuid;

use super::group::ConsumerGroup;
use super::member::Member;

/// From this version on a commit has a member epoch.
const MEMBER_EPOCH_FROM: i16 = 9;

/// Whether a commit is allowed. A member may be behind the epoch it has by now (KIP-1251): then
/// for each partition it depends on since when the member has it.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, UNSUPPORTED_VERSION for a member of the consumer protocol in an old
/// request, STALE_MEMBER_EPOCH, and in its place ILLEGAL_GENERATION for a member of the classic
/// protocol.
pub(crate) fn check_commit(
    group: &ConsumerGroup,
    request: &OffsetCommitRequest<'_>,
    version: i16,
) -> Result<(), ErrorCode> {
    let epoch = request.generation_id_or_member_epoch;
    if epoch < 0 && group.is_empty() {
        return Ok(());
    }
    let member = group.member(&request.member_id).ok_or(ErrorCode::UnknownMemberId)?;
    if !member.is_classic() && version < MEMBER_EPOCH_FROM {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let each = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.topic_id, partition.partition_index))
    });
    check_epoch(member, epoch, each)
}

/// The same for a commit in a transaction, which may come from somebody who does not say that it
/// is a member, and names topics.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION.
pub(crate) fn check_transactional(
    group: &ConsumerGroup,
    request: &TxnOffsetCommitRequest<'_>,
    image: &Image,
) -> Result<(), ErrorCode> {
    let epoch = request.generation_id;
    let is_nobody = request.member_id.is_empty() && request.group_instance_id.is_none();
    if epoch < 0 && (group.is_empty() || is_nobody) {
        return Ok(());
    }
    let member = group.member(&request.member_id).ok_or(ErrorCode::UnknownMemberId)?;
    let each = request.topics.iter().flat_map(|topic| {
        let id = image.topic(&topic.name).map(|found| found.id).unwrap_or_default();
        topic.partitions.iter().map(move |partition| (id, partition.partition_index))
    });
    check_epoch(member, epoch, each).map_err(|_| ErrorCode::IllegalGeneration)
}

fn check_epoch(
    member: &Member,
    epoch: i32,
    mut partitions: impl Iterator<Item = (Uuid, i32)>,
) -> Result<(), ErrorCode> {
    let was_given = |(topic, index)| given_at(member, topic, index).is_some_and(|at| epoch >= at);
    let is_allowed = match epoch.cmp(&member.has.epoch) {
        Ordering::Equal => true,
        Ordering::Greater => false,
        Ordering::Less => partitions.all(was_given),
    };
    if is_allowed { Ok(()) } else { Err(stale(member)) }
}

/// Since which member epoch the member has the partition.
fn given_at(member: &Member, topic: Uuid, partition: i32) -> Option<i32> {
    let of = |owned: &crate::modern::Owned| owned.get(&topic)?.get(&partition).copied();
    of(&member.has.assigned).or_else(|| of(&member.has.revoking))
}

/// Whether a member may read offsets; who is no member may.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION.
pub(crate) fn check_fetch(
    group: &ConsumerGroup,
    member_id: Option<&str>,
    epoch: i32,
) -> Result<(), ErrorCode> {
    let Some(id) = member_id.or((epoch >= 0).then_some("")) else { return Ok(()) };
    let member = group.member(id).ok_or(ErrorCode::UnknownMemberId)?;
    if epoch == member.has.epoch { Ok(()) } else { Err(stale(member)) }
}

fn stale(member: &Member) -> ErrorCode {
    if member.is_classic() { ErrorCode::IllegalGeneration } else { ErrorCode::StaleMemberEpoch }
}
