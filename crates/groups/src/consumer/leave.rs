//! Members go: by a heartbeat that says so, because they were silent or too slow, or by
//! LeaveGroup. If none but members of the classic protocol are left the group goes back to it.

use klamm_protocol::messages::ConsumerGroupHeartbeatResponse;

use super::calls::Becomes;
use super::draft::{Draft, Scene};
use super::heartbeat::{Beat, Beaten, check_instance, unknown_member};
use super::member::Current;
use super::{convert, patterns, target};
use crate::modern::{LEAVE_STATIC_EPOCH, Owned, Refusal};
use crate::name::Name;

/// A member says that it leaves; a static one with epoch -2 that it will be back, and until its
/// session ends its place is kept.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
pub(super) fn heartbeat(
    draft: &mut Draft,
    scene: Scene<'_>,
    beat: &Beat<'_>,
) -> Result<Beaten, Refusal> {
    let request = beat.request;
    let member = match request.instance_id.as_deref() {
        None => draft.group.member(&beat.id).cloned(),
        Some(instance_id) => {
            let text = || format!("Instance id {instance_id} is unknown.");
            let unknown = || Refusal::new(klamm_protocol::ErrorCode::UnknownMemberId, text());
            let holder = draft.group.static_member(instance_id).cloned().ok_or_else(unknown)?;
            check_instance(&holder, &beat.id, instance_id)?;
            Some(holder)
        }
    };
    let member = member.ok_or_else(|| unknown_member(&draft.group.id, &beat.id))?;
    let becomes = if request.member_epoch == LEAVE_STATIC_EPOCH && request.instance_id.is_some() {
        let revoking = Owned::default();
        draft.give(
            &member.id,
            Current { epoch: LEAVE_STATIC_EPOCH, revoking, ..member.has.clone() },
        );
        Becomes::Consumer
    } else {
        fence(draft, scene, std::slice::from_ref(&member.id))?
    };
    let response = ConsumerGroupHeartbeatResponse {
        member_id: Some(member.id.to_string().into()),
        member_epoch: request.member_epoch,
        ..ConsumerGroupHeartbeatResponse::default()
    };
    Ok((becomes, response))
}

/// Takes members out. The others get a new epoch, or if all of them speak the classic protocol a
/// classic group that has to rebalance.
///
/// # Errors
/// GROUP_ID_NOT_FOUND: what a member of the classic protocol said cannot be read.
pub(crate) fn fence(
    draft: &mut Draft,
    scene: Scene<'_>,
    members: &[Name],
) -> Result<Becomes, Refusal> {
    for id in members {
        let pattern = draft.member(id).said.pattern.clone();
        draft.remove(id);
        patterns::forget_unused(draft, &pattern);
    }
    if !draft.group.is_empty() && convert::may_downgrade(&draft.group, scene) {
        return convert::to_classic(draft, scene, true);
    }
    target::update_epoch(draft, scene, true);
    Ok(Becomes::Consumer)
}
