//! A rebalance from its beginning to the next generation, and the time each phase has.

use klamm_planted::planted;
use klamm_protocol::ErrorCode;

use super::group::{Group, State};
use super::member::Member;
use super::sync::sync_error;
use crate::api::{Response, Token};
use crate::appends::Changes;
use crate::coordinator::Coordinator;
use crate::name::{Name, opt_text, text};
use crate::records;
use crate::timers::TimerKey;
use klamm_protocol::messages::JoinGroupResponse;
use klamm_protocol::messages::join_group_response::JoinGroupResponseMember;

impl Coordinator {
    /// Starts a member's session, or its patience, anew.
    pub(crate) fn schedule_heartbeat(&mut self, group: &Name, member: &Name, timeout_ms: i32) {
        let key = TimerKey::Heartbeat { group: group.clone(), member: member.clone() };
        self.timers.set(key, self.now_ms + i64::from(timeout_ms));
    }

    pub(crate) fn renew_session(&mut self, group: &Group, member: &str) {
        if let Some(member) = group.member(member) {
            self.schedule_heartbeat(&group.id, &member.id, member.terms.session_timeout_ms);
        }
    }

    pub(crate) fn cancel_heartbeat(&mut self, group: &Name, member: &Name) {
        self.timers.cancel(TimerKey::Heartbeat { group: group.clone(), member: member.clone() });
    }

    pub(crate) fn schedule_join(&mut self, group: &Group, delay_ms: i32) {
        let key = TimerKey::Join { group: group.id.clone() };
        self.timers.set(key, self.now_ms + i64::from(delay_ms));
    }

    /// A group that was read from the log takes up its work.
    pub(crate) fn resume(&mut self, group: &mut Group) {
        let sessions: Vec<_> =
            group.members().map(|m| (m.id.clone(), m.terms.session_timeout_ms)).collect();
        for (member, timeout_ms) in sessions {
            self.schedule_heartbeat(&group.id, &member, timeout_ms);
        }
        if group.state == State::PreparingRebalance {
            // It is back after an append that failed; who waited has been told to join again.
            self.schedule_join(group, group.rebalance_timeout_ms());
        } else if group.size() > self.settings.group_size_max {
            self.prepare_rebalance(group);
        }
    }

    /// The group stops being a classic group: who waits is to join again, and no deadline stays.
    pub(crate) fn release(&mut self, group: &mut Group) {
        let members: Vec<Name> = group.members().map(|m| m.id.clone()).collect();
        for id in &members {
            if let Some(token) = group.take_join(id) {
                self.respond(token, join_error(id, ErrorCode::RebalanceInProgress));
            }
            if let Some(token) = group.member_mut(id).and_then(|member| member.sync.take()) {
                self.respond(token, sync_error(ErrorCode::RebalanceInProgress));
            }
        }
        for id in members.iter().chain(&std::mem::take(&mut group.pending_joins)) {
            self.cancel_heartbeat(&group.id, id);
        }
        group.pending_syncs.clear();
        self.timers.cancel(TimerKey::Join { group: group.id.clone() });
        self.timers.cancel(TimerKey::Sync { group: group.id.clone() });
    }

    /// Something about the members changed: a new rebalance begins, or the one in progress may
    /// have become complete.
    pub(super) fn rebalance(&mut self, group: &mut Group) {
        if group.state == State::PreparingRebalance {
            self.complete_join_if_all_joined(group);
        } else {
            self.prepare_rebalance(group);
        }
    }

    pub(crate) fn prepare_rebalance(&mut self, group: &mut Group) {
        if group.state == State::CompletingRebalance {
            self.fail_syncs(group, ErrorCode::RebalanceInProgress);
        }
        group.pending_syncs.clear();
        self.timers.cancel(TimerKey::Sync { group: group.id.clone() });
        group.is_initial = group.state == State::Empty;
        group.enter(State::PreparingRebalance, self.now_ms);
        if group.is_initial {
            let delay_ms = self.settings.initial_rebalance_delay_ms;
            let rest_ms = (group.rebalance_timeout_ms() - delay_ms).max(0);
            group.initial_delay = Some((delay_ms, rest_ms));
            self.schedule_join(group, delay_ms);
        } else if group.all_joined() {
            self.complete_join(group);
        } else {
            self.schedule_join(group, group.rebalance_timeout_ms());
        }
    }

    /// An initial rebalance is left to its delay: more members may come.
    pub(super) fn complete_join_if_all_joined(&mut self, group: &mut Group) {
        if group.state == State::PreparingRebalance && !group.is_initial && group.all_joined() {
            self.complete_join(group);
        }
    }

    pub(crate) fn join_time_is_up(&mut self, group: &mut Group) {
        match group.initial_delay {
            Some((delay_ms, rest_ms)) if group.grew && rest_ms > 0 => {
                group.grew = false;
                let next_ms = self.settings.initial_rebalance_delay_ms.min(rest_ms);
                group.initial_delay = Some((next_ms, (rest_ms - delay_ms).max(0)));
                self.schedule_join(group, next_ms);
            }
            _ if group.state == State::PreparingRebalance => self.complete_join(group),
            _ => {}
        }
    }

    /// The join phase ends: dynamic members that did not come are out, the rest is the next
    /// generation.
    pub(super) fn complete_join(&mut self, group: &mut Group) {
        group.initial_delay = None;
        self.timers.cancel(TimerKey::Join { group: group.id.clone() });
        let absent = |m: &&Member| !m.awaits_join() && !m.is_static();
        let absent: Vec<Name> = group.members().filter(absent).map(|m| m.id.clone()).collect();
        for member in absent {
            group.remove(&member);
            self.cancel_heartbeat(&group.id, &member);
        }
        if group.size() == 0 {
            self.become_empty(group);
        } else if group.elect_joined_leader() {
            self.begin_generation(group);
        } else {
            // Only static members are left and none has come back: wait on until one does or
            // their sessions end. A timeout of 0 must not keep the deadline in the present.
            self.schedule_join(group, group.rebalance_timeout_ms().max(1));
        }
    }

    fn become_empty(&mut self, group: &mut Group) {
        group.generation = group.generation.wrapping_add(1);
        group.protocol = None;
        group.subscribed = group.read_subscriptions();
        group.enter(State::Empty, self.now_ms);
        group.pending_syncs.clear();
        let record = records::group_metadata(group, |_| &[]);
        self.append(vec![record], Changes::default(), None);
    }

    fn begin_generation(&mut self, group: &mut Group) {
        group.generation = group.generation.wrapping_add(i32::from(!planted("generation-stays")));
        group.protocol = group.select_protocol();
        group.subscribed = group.read_subscriptions();
        group.enter(State::CompletingRebalance, self.now_ms);
        let members: Vec<Name> = group.members().map(|m| m.id.clone()).collect();
        for id in &members {
            if let Some(token) = group.take_join(id) {
                self.respond(token, generation_of(group, id, group.is_leader(id)));
            }
            self.renew_session(group, id);
            if let Some(member) = group.member_mut(id) {
                member.is_new = false;
            }
        }
        group.pending_syncs = members.into_iter().collect();
        let key = TimerKey::Sync { group: group.id.clone() };
        self.timers.set(key, self.now_ms + i64::from(group.rebalance_timeout_ms()));
    }

    /// Members that have not synced by now are out.
    pub(crate) fn sync_time_is_up(&mut self, group: &mut Group) {
        let generation_lives = matches!(group.state, State::CompletingRebalance | State::Stable);
        if !generation_lives || group.pending_syncs.is_empty() {
            return;
        }
        for member in std::mem::take(&mut group.pending_syncs) {
            self.drop_member(group, &member);
            self.cancel_heartbeat(&group.id, &member);
        }
        self.prepare_rebalance(group);
    }

    /// Takes a member out and lets go of what it had parked.
    pub(super) fn drop_member(&mut self, group: &mut Group, id: &str) {
        let Some(member) = group.remove(id) else { return };
        if let Some(token) = member.join {
            self.respond(token, join_error("", ErrorCode::UnknownMemberId));
        }
        if let Some(token) = member.sync {
            self.respond(token, sync_error(ErrorCode::UnknownMemberId));
        }
    }

    /// A group goes away as a whole.
    pub(crate) fn dissolve(&mut self, group: Group, error: ErrorCode) {
        for member in group.into_members() {
            if let Some(token) = member.join {
                // An id that was never heard means nothing elsewhere.
                let id = if member.is_new { "" } else { &member.id };
                self.respond(token, join_error(id, error));
            }
            if let Some(token) = member.sync {
                self.respond(token, sync_error(error));
            }
        }
    }

    /// Parks a join. A client that asks again has given up on its first request, which Kafka
    /// never answers; here it is told to retry.
    pub(super) fn park_join(&mut self, group: &mut Group, member: &Name, token: Token) {
        if let Some(replaced) = group.park_join(member, token) {
            self.respond(replaced, join_error(member, ErrorCode::RebalanceInProgress));
        }
    }
}

/// The response that takes a member into the present generation.
pub(super) fn generation_of(group: &Group, member: &str, with_members: bool) -> Response {
    let members = if with_members { members_of(group) } else { Vec::new() };
    Response::Join(JoinGroupResponse {
        generation_id: group.generation,
        protocol_type: opt_text(group.protocol_type.as_ref()),
        // Kafka takes a name without letters for none.
        protocol_name: opt_text(group.protocol.as_ref().filter(|name| !name.is_empty())),
        leader: group.leader.as_ref().map(text).unwrap_or_default(),
        member_id: member.to_owned().into(),
        members,
        ..JoinGroupResponse::default()
    })
}

fn members_of(group: &Group) -> Vec<JoinGroupResponseMember<'static>> {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let member = |m: &Member| JoinGroupResponseMember {
        member_id: text(&m.id),
        group_instance_id: opt_text(m.instance_id.as_ref()),
        metadata: m.metadata(protocol).unwrap_or_default().to_vec().into(),
        ..JoinGroupResponseMember::default()
    };
    group.members().map(member).collect()
}

pub(crate) fn join_error(member: &str, error: ErrorCode) -> Response {
    Response::Join(JoinGroupResponse {
        error_code: error.code(),
        member_id: member.to_owned().into(),
        protocol_name: None,
        ..JoinGroupResponse::default()
    })
}
