//! LeaveGroup, versions 0 to 5: one member (to version 2) or several, also by static instance id.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::leave_group_response::MemberResponse;
use klamm_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::group::{Group, State};
use crate::api::{Response, Token};
use crate::coordinator::Coordinator;
use crate::name::Name;

/// From this version on a request lists members.
const MEMBERS_FROM: i16 = 3;

impl Coordinator {
    pub(crate) fn leave(&mut self, token: Token, version: i16, request: LeaveGroupRequest<'_>) {
        if request.group_id.is_empty() {
            let code = ErrorCode::InvalidGroupId.code();
            return self.respond(token, Response::Leave(leave_error(code)));
        }
        let leaving = match version {
            MEMBERS_FROM.. => request.members,
            _ => vec![MemberIdentity { member_id: request.member_id, ..Default::default() }],
        };
        if self.meets_consumer_group(&request.group_id) {
            let results = self.leave_consumer_group(&Name::from(&*request.group_id), &leaving);
            let members = leaving.iter().zip(results).map(|(m, result)| member_response(m, result));
            let response = Response::Leave(leave_response(version, members.collect()));
            return self.answer_when_durable(token, version, response);
        }
        let left = self.with_group(&request.group_id, |shard, group| {
            let leave = |m| (shard.leave_member(group, m), m);
            let results: Vec<_> = leaving.iter().map(leave).collect();
            if results.iter().any(|(result, _)| result.is_ok()) {
                shard.after_leave(group);
            }
            results.iter().map(|(result, m)| member_response(m, *result)).collect()
        });
        match left {
            Some(members) => {
                let response = Response::Leave(leave_response(version, members));
                self.answer_when_durable(token, version, response);
            }
            None => {
                let unknown = Err(ErrorCode::UnknownMemberId);
                let members = leaving.iter().map(|m| member_response(m, unknown)).collect();
                self.respond(token, Response::Leave(leave_response(version, members)));
            }
        }
    }

    fn leave_member(
        &mut self,
        group: &mut Group,
        leaving: &MemberIdentity<'_>,
    ) -> Result<(), ErrorCode> {
        let instance_id = leaving.group_instance_id.as_deref();
        let id = if leaving.member_id.is_empty() {
            // An administrator removes a static member and does not know its id.
            let owner = instance_id.and_then(|instance_id| group.instance(instance_id));
            owner.cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else {
            Name::from(leaving.member_id.as_ref())
        };
        if !group.pending_joins.remove(&id) {
            let instance_id = instance_id.filter(|_| !leaving.member_id.is_empty());
            group.check_member(&id, instance_id)?;
            self.drop_member(group, &id);
        }
        self.cancel_heartbeat(&group.id, &id);
        Ok(())
    }

    fn after_leave(&mut self, group: &mut Group) {
        match group.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(group),
            State::PreparingRebalance => self.complete_join_if_all_joined(group),
            State::Empty => {}
        }
    }
}

fn member_response(
    leaving: &MemberIdentity<'_>,
    result: Result<(), ErrorCode>,
) -> MemberResponse<'static> {
    MemberResponse {
        member_id: leaving.member_id.to_string().into(),
        group_instance_id: leaving.group_instance_id.as_ref().map(|i| i.to_string().into()),
        error_code: result.err().unwrap_or(ErrorCode::None).code(),
        ..MemberResponse::default()
    }
}

/// To version 2 the one member's error is the request's.
fn leave_response(
    version: i16,
    members: Vec<MemberResponse<'static>>,
) -> LeaveGroupResponse<'static> {
    let error_code = match members.first() {
        Some(member) if version < MEMBERS_FROM => member.error_code,
        _ => ErrorCode::None.code(),
    };
    LeaveGroupResponse { error_code, members, ..LeaveGroupResponse::default() }
}

pub(crate) fn leave_error(error_code: i16) -> LeaveGroupResponse<'static> {
    LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }
}
