//! Heartbeat, versions 0 to 4, and what happens when none comes.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::group::{Group, State};
use crate::api::{Response, Token};
use crate::coordinator::Coordinator;

impl Coordinator {
    pub(crate) fn heartbeat(&mut self, token: Token, version: i16, request: &HeartbeatRequest<'_>) {
        if request.group_id.is_empty() {
            return self.respond(token, heartbeat_response(ErrorCode::InvalidGroupId));
        }
        if self.meets_consumer_group(&request.group_id) {
            return self.beat_consumer_group(token, version, request);
        }
        let beat = |shard: &mut Self, group: &mut Group| shard.beat(group, request);
        let unknown = Err(ErrorCode::UnknownMemberId);
        match self.with_group(&request.group_id, beat).unwrap_or(unknown) {
            Ok(told) => self.answer_when_durable(token, version, heartbeat_response(told)),
            Err(refusal) => self.respond(token, heartbeat_response(refusal)),
        }
    }

    fn beat(
        &mut self,
        group: &Group,
        request: &HeartbeatRequest<'_>,
    ) -> Result<ErrorCode, ErrorCode> {
        group.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.renew_session(group, &request.member_id);
        Ok(match group.state {
            State::Empty => ErrorCode::UnknownMemberId,
            State::PreparingRebalance => ErrorCode::RebalanceInProgress,
            State::CompletingRebalance | State::Stable => ErrorCode::None,
        })
    }

    /// A session is over, or the patience with an id that never joined or with a new member.
    pub(crate) fn heartbeat_missed(&mut self, group: &mut Group, id: &str) {
        if group.pending_joins.remove(id) {
            self.complete_join_of_the_rest(group);
        } else if group.member(id).is_some_and(|member| !member.is_excused()) {
            self.drop_member(group, id);
            match group.state {
                State::Stable | State::CompletingRebalance => self.prepare_rebalance(group),
                State::PreparingRebalance => self.complete_join_of_the_rest(group),
                State::Empty => {}
            }
        }
    }

    /// Whoever is left has joined, so that even an initial rebalance has nobody to wait for that
    /// it knows of.
    fn complete_join_of_the_rest(&mut self, group: &mut Group) {
        if group.state == State::PreparingRebalance && group.all_joined() {
            self.complete_join(group);
        }
    }
}

fn heartbeat_response(error: ErrorCode) -> Response {
    let error_code = error.code();
    Response::Heartbeat(HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
}
