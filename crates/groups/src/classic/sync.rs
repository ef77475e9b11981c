//! SyncGroup, versions 0 to 5: the leader hands in the assignment, every member takes its part.

use std::collections::BTreeMap;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::group::{Group, State};
use crate::api::{Response, Token, told_of_append};
use crate::appends::{Changes, Then};
use crate::coordinator::Coordinator;
use crate::name::{Name, opt_text};
use crate::records;
use crate::timers::TimerKey;

/// From this version on the protocol's type and name are mandatory (KIP-559).
const PROTOCOL_REQUIRED_FROM: i16 = 5;

impl Coordinator {
    pub(crate) fn sync(&mut self, token: Token, version: i16, request: SyncGroupRequest<'_>) {
        let lacks_protocol = request.protocol_type.is_none() || request.protocol_name.is_none();
        if version >= PROTOCOL_REQUIRED_FROM && lacks_protocol {
            return self.respond(token, sync_error(ErrorCode::InconsistentGroupProtocol));
        }
        if request.group_id.is_empty() {
            return self.respond(token, sync_error(ErrorCode::InvalidGroupId));
        }
        if self.meets_consumer_group(&request.group_id) {
            return self.sync_consumer_group(token, version, &request);
        }
        let name = Name::from(request.group_id.as_ref());
        let found = self.with_group(&name, |shard, group| match check_sync(group, &request) {
            Ok(()) => shard.sync_member(group, token, request),
            Err(error) => shard.respond(token, sync_error(error)),
        });
        if found.is_none() {
            self.respond(token, sync_error(ErrorCode::UnknownMemberId));
        }
    }

    fn sync_member(&mut self, group: &mut Group, token: Token, request: SyncGroupRequest<'_>) {
        let id = request.member_id.as_ref();
        match group.state {
            State::Empty => self.respond(token, sync_error(ErrorCode::UnknownMemberId)),
            State::PreparingRebalance => {
                self.respond(token, sync_error(ErrorCode::RebalanceInProgress));
            }
            State::CompletingRebalance => {
                let replaced = group.member_mut(id).and_then(|m| m.sync.replace(token));
                if let Some(replaced) = replaced {
                    // The client has given up on it; Kafka never answers it.
                    self.respond(replaced, sync_error(ErrorCode::RebalanceInProgress));
                }
                self.has_synced(group, id);
                if group.is_leader(id) {
                    self.store_assignment(group, request);
                }
            }
            State::Stable => {
                self.has_synced(group, id);
                self.respond(token, assignment_of(group, id));
            }
        }
    }

    fn has_synced(&mut self, group: &mut Group, id: &str) {
        group.pending_syncs.remove(id);
        if group.pending_syncs.is_empty() {
            self.timers.cancel(TimerKey::Sync { group: group.id.clone() });
        }
    }

    fn store_assignment(&mut self, group: &Group, request: SyncGroupRequest<'_>) {
        let assigned = request.assignments.into_iter();
        let assignments: BTreeMap<Name, Vec<u8>> = assigned
            .map(|a| (Name::from(a.member_id.as_ref()), a.assignment.into_owned()))
            .collect();
        let part = |id: &Name| assignments.get(id).map_or(&[][..], Vec::as_slice);
        let record = records::group_metadata(group, |member| part(&member.id));
        let (generation, group) = (group.generation, group.id.clone());
        let then = Then::SyncStored { group, generation, assignments };
        self.append(vec![record], Changes::default(), Some(then));
    }

    /// The group may have moved on while the assignment was on its way to the log; then nobody
    /// waits for it any more.
    pub(crate) fn on_sync_stored(
        &mut self,
        group: &Name,
        generation: i32,
        mut assignments: BTreeMap<Name, Vec<u8>>,
        result: Result<(), ErrorCode>,
    ) {
        self.with_group(group, |shard, group| {
            if group.state != State::CompletingRebalance || group.generation != generation {
                return;
            }
            match result {
                Ok(()) => {
                    for member in group.members_mut() {
                        member.assignment = assignments.remove(&member.id).unwrap_or_default();
                    }
                    group.enter(State::Stable, shard.now_ms);
                    shard.answer_syncs(group, assignment_of);
                }
                Err(error) => {
                    shard.fail_syncs(group, told_of_append(error));
                    shard.prepare_rebalance(group);
                }
            }
        });
    }

    /// Nobody gets an assignment of this generation.
    pub(super) fn fail_syncs(&mut self, group: &mut Group, error: ErrorCode) {
        for member in group.members_mut() {
            member.assignment = Vec::new();
        }
        self.answer_syncs(group, |_, _| sync_error(error));
    }

    /// While a sync was parked it stood for the member's heartbeats, so the session begins anew.
    fn answer_syncs(&mut self, group: &mut Group, answer: impl Fn(&Group, &str) -> Response) {
        let take = |m: &mut super::member::Member| m.sync.take().map(|t| (t, m.id.clone()));
        let parked: Vec<(Token, Name)> = group.members_mut().filter_map(take).collect();
        for (token, id) in parked {
            self.respond(token, answer(group, &id));
            self.renew_session(group, &id);
        }
    }
}

fn check_sync(group: &Group, request: &SyncGroupRequest<'_>) -> Result<(), ErrorCode> {
    if group.state == State::Empty {
        return Err(ErrorCode::UnknownMemberId);
    }
    group.check_member(&request.member_id, request.group_instance_id.as_deref())?;
    let differs = |said: Option<&str>, is: Option<&Name>| {
        said.zip(is).is_some_and(|(said, is)| *said != **is)
    };
    if request.generation_id != group.generation {
        Err(ErrorCode::IllegalGeneration)
    } else if differs(request.protocol_type.as_deref(), group.protocol_type.as_ref())
        || differs(request.protocol_name.as_deref(), group.protocol.as_ref())
    {
        Err(ErrorCode::InconsistentGroupProtocol)
    } else {
        Ok(())
    }
}

fn assignment_of(group: &Group, id: &str) -> Response {
    let assignment = group.member(id).map(|m| m.assignment.clone()).unwrap_or_default();
    Response::Sync(SyncGroupResponse {
        protocol_type: opt_text(group.protocol_type.as_ref()),
        protocol_name: opt_text(group.protocol.as_ref()),
        assignment: assignment.into(),
        ..SyncGroupResponse::default()
    })
}

pub(crate) fn sync_error(error: ErrorCode) -> Response {
    let error_code = error.code();
    Response::Sync(SyncGroupResponse { error_code, ..SyncGroupResponse::default() })
}
