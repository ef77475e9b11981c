//! Which offsets a member of a streams group may commit and read.

use std::cmp::Ordering;

use klamm_protocol::ErrorCode;

use super::group::StreamsGroup;
use super::member::Member;

/// From this version on a commit has a member epoch.
const MEMBER_EPOCH_FROM: i16 = 9;

/// Who commits: the member, if it says that it is one, and its epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committer<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) epoch: i32,
}

/// Whether a commit is allowed. A member may be behind the epoch it has by now: then for each
/// partition it depends on since when the member has its task.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, UNSUPPORTED_VERSION for an old request, STALE_MEMBER_EPOCH.
pub(crate) fn check_commit<'a>(
    group: &StreamsGroup,
    by: Committer<'_>,
    version: i16,
    partitions: impl Iterator<Item = (&'a str, i32)>,
) -> Result<(), ErrorCode> {
    if by.epoch < 0 && group.is_empty() {
        return Ok(());
    }
    let member = group.member(by.member_id).ok_or(ErrorCode::UnknownMemberId)?;
    if version < MEMBER_EPOCH_FROM {
        return Err(ErrorCode::UnsupportedVersion);
    }
    check_epoch(group, member, by.epoch, partitions)
}

/// The same for a commit in a transaction, which may come from somebody who does not say that it
/// is a member.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH as ILLEGAL_GENERATION.
pub(crate) fn check_transactional<'a>(
    group: &StreamsGroup,
    by: Committer<'_>,
    partitions: impl Iterator<Item = (&'a str, i32)>,
) -> Result<(), ErrorCode> {
    if by.epoch < 0 && (group.is_empty() || by.member_id.is_empty()) {
        return Ok(());
    }
    let member = group.member(by.member_id).ok_or(ErrorCode::UnknownMemberId)?;
    let checked = check_epoch(group, member, by.epoch, partitions);
    checked.map_err(|_| ErrorCode::IllegalGeneration)
}

fn check_epoch<'a>(
    group: &StreamsGroup,
    member: &Member,
    epoch: i32,
    mut partitions: impl Iterator<Item = (&'a str, i32)>,
) -> Result<(), ErrorCode> {
    let topology = group.topology.as_ref();
    let was_given = |(topic, partition): (&str, i32)| {
        let task = topology.and_then(|topology| topology.subtopology_of(topic));
        let has = &member.has;
        let since = task.and_then(|id| {
            let assigned = has.assigned.active_since(id, partition);
            assigned.or_else(|| has.revoking.active_since(id, partition))
        });
        since.is_some_and(|since| epoch >= since)
    };
    let is_allowed = match epoch.cmp(&member.has.epoch) {
        Ordering::Equal => true,
        Ordering::Greater => false,
        Ordering::Less => partitions.all(was_given),
    };
    if is_allowed { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
}

/// Whether a member may read offsets; who is no member may.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.
pub(crate) fn check_fetch(
    group: &StreamsGroup,
    member_id: Option<&str>,
    epoch: i32,
) -> Result<(), ErrorCode> {
    let Some(id) = member_id.or((epoch >= 0).then_some("")) else { return Ok(()) };
    let member = group.member(id).ok_or(ErrorCode::UnknownMemberId)?;
    if epoch == member.has.epoch { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
}
