//! Members go: by a heartbeat that says so, or because they were silent or too slow.

use klamm_protocol::messages::StreamsGroupHeartbeatResponse;

use super::draft::Draft;
use super::heartbeat::{Beat, unknown_member};
use crate::modern::Refusal;
use crate::name::Name;

/// A member says that it leaves.
///
/// # Errors
/// UNKNOWN_MEMBER_ID.
pub(super) fn heartbeat(
    draft: &mut Draft,
    beat: &Beat<'_>,
) -> Result<StreamsGroupHeartbeatResponse<'static>, Refusal> {
    if draft.group.member(&beat.id).is_none() {
        return Err(unknown_member(&draft.group.id, &beat.id));
    }
    fence(draft, &beat.id);
    Ok(StreamsGroupHeartbeatResponse {
        member_id: beat.id.to_string().into(),
        member_epoch: beat.request.member_epoch,
        status: Some(Vec::new()),
        ..StreamsGroupHeartbeatResponse::default()
    })
}

/// Takes a member out. The others get a new epoch.
pub(super) fn fence(draft: &mut Draft, member: &Name) {
    draft.remove(member);
    draft.bump(draft.group.facts.clone());
}
