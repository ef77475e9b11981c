//! JoinGroup, versions 0 to 9: who may become a member, and what a member's return sets off.
//!
//! Version 1 has a rebalance timeout of its own, 4 makes dynamic members ask for an id first
//! (KIP-394), 5 has static members (KIP-345), 9 tells a returning static leader to skip assigning.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::JoinGroupRequest;

use super::group::{Group, State};
use super::member::{Member, Terms, protocols_of};
use super::rebalance::{generation_of, join_error};
use crate::api::{Context, CoordinatorRecord, Token};
use crate::appends::{Changes, Then};
use crate::coordinator::Coordinator;
use crate::name::Name;
use crate::records;
use crate::registry::AnyGroup;

/// From this version on a dynamic member gets its id before it joins.
const MEMBER_ID_REQUIRED_FROM: i16 = 4;

/// A join that has passed the checks which need no group.
#[derive(Debug)]
pub(super) struct Join<'a> {
    pub(super) token: Token,
    pub(super) context: &'a Context,
    pub(super) member_id: Name,
    pub(super) instance_id: Option<Name>,
    pub(super) protocol_type: Name,
    pub(super) terms: Terms,
}

impl<'a> Join<'a> {
    fn new(token: Token, context: &'a Context, request: JoinGroupRequest<'_>) -> Self {
        let rebalance_timeout_ms = match context.version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        };
        Self {
            token,
            context,
            member_id: Name::from(request.member_id.as_ref()),
            instance_id: crate::name::opt_name(request.group_instance_id.as_ref()),
            protocol_type: Name::from(request.protocol_type.as_ref()),
            terms: Terms {
                session_timeout_ms: request.session_timeout_ms,
                rebalance_timeout_ms,
                protocols: protocols_of(request.protocols),
            },
        }
    }
}

impl Coordinator {
    pub(crate) fn join(
        &mut self,
        token: Token,
        context: &Context,
        request: JoinGroupRequest<'_>,
        ids: &mut dyn FnMut() -> String,
    ) {
        if let Err(error) = self.check_join(&request) {
            return self.respond(token, join_error(&request.member_id, error));
        }
        if self.registry.is_share(&request.group_id) {
            let error = ErrorCode::InconsistentGroupProtocol;
            return self.respond(token, join_error(&request.member_id, error));
        }
        if self.meets_consumer_group(&request.group_id) {
            return self.join_consumer_group(token, context, &request, ids);
        }
        let (mut written, former) = self.forget_empty_modern_group(&request);
        let of_others = |group: &AnyGroup| group.as_classic().is_none() && !group.is_empty();
        if self.registry.live(&request.group_id).is_some_and(of_others) {
            return self.respond(token, join_error("", ErrorCode::InconsistentGroupProtocol));
        }
        let found = self.registry.take(&request.group_id);
        let is_new_group = found.is_none();
        if is_new_group && !request.member_id.is_empty() {
            let refusal = join_error(&request.member_id, ErrorCode::UnknownMemberId);
            return self.respond(token, refusal);
        }
        let name = Name::from(request.group_id.as_ref());
        let mut group = found.unwrap_or_else(|| Box::new(Group::new(name.clone(), self.now_ms)));
        self.join_group(&mut group, Join::new(token, context, request), ids);
        let since_ms = group.state_since_ms;
        self.registry.put(group);
        if is_new_group {
            written.push(records::new_group(&name, since_ms));
            let changes = Changes { created: Some(name.clone()), former, ..Changes::default() };
            let then = Then::GroupCreated { group: name, token };
            self.append(written, changes, Some(then));
        }
    }

    /// A group of another protocol whose members are gone makes room for a classic one. Returns
    /// what takes it away.
    fn forget_empty_modern_group(
        &mut self,
        request: &JoinGroupRequest<'_>,
    ) -> (Vec<CoordinatorRecord>, Option<AnyGroup>) {
        let name = request.group_id.as_ref();
        let is_modern = |group: &AnyGroup| group.as_classic().is_none() && group.is_empty();
        if !request.member_id.is_empty() || !self.registry.live(name).is_some_and(is_modern) {
            return (Vec::new(), None);
        }
        let tombstones = self.group_tombstones(&Name::from(name));
        (tombstones, self.registry.take_empty_modern(name))
    }

    fn check_join(&self, request: &JoinGroupRequest<'_>) -> Result<(), ErrorCode> {
        let session = self.settings.session_timeout_min_ms..=self.settings.session_timeout_max_ms;
        if request.group_id.is_empty() {
            Err(ErrorCode::InvalidGroupId)
        } else if !session.contains(&request.session_timeout_ms) {
            Err(ErrorCode::InvalidSessionTimeout)
        } else {
            Ok(())
        }
    }

    fn join_group(&mut self, group: &mut Group, join: Join<'_>, ids: &mut dyn FnMut() -> String) {
        let names = || join.terms.protocols.iter().map(|p| &*p.name);
        if !self.has_room(group, &join.member_id) {
            self.drop_member(group, &join.member_id);
            self.respond(join.token, join_error("", ErrorCode::GroupMaxSizeReached));
        } else if !group.supports(&join.protocol_type, names()) {
            let error = ErrorCode::InconsistentGroupProtocol;
            self.respond(join.token, join_error(&join.member_id, error));
        } else if join.member_id.is_empty() {
            self.join_without_id(group, join, &ids());
        } else {
            self.join_with_id(group, join);
        }
    }

    /// In the join phase the parked joins count, not the members: the group may have been larger
    /// than the limit allows now, and the last to come back are left out.
    fn has_room(&self, group: &Group, member: &str) -> bool {
        let known = group.member(member);
        match group.state {
            State::Empty => true,
            State::PreparingRebalance => {
                known.is_some_and(Member::awaits_join)
                    || group.joins_waiting() < self.settings.group_size_max
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || group.size() < self.settings.group_size_max
            }
        }
    }

    fn join_without_id(&mut self, group: &mut Group, join: Join<'_>, uuid: &str) {
        let prefix = join.instance_id.as_deref().unwrap_or(&join.context.client_id);
        let id = Name::from(format!("{prefix}-{uuid}"));
        let replaced = join.instance_id.as_deref().and_then(|i| group.instance(i)).cloned();
        if let Some(old) = replaced {
            self.replace_static(group, join, &old, id);
        } else if join.instance_id.is_none() && join.context.version >= MEMBER_ID_REQUIRED_FROM {
            group.pending_joins.insert(id.clone());
            self.schedule_heartbeat(&group.id, &id, join.terms.session_timeout_ms);
            self.respond(join.token, join_error(&id, ErrorCode::MemberIdRequired));
        } else {
            self.add_member(group, join, id);
        }
    }

    fn join_with_id(&mut self, group: &mut Group, join: Join<'_>) {
        let id = join.member_id.clone();
        if group.pending_joins.contains(&id) {
            if join.instance_id.is_some() {
                // Ids are given out to dynamic members only.
                return self.respond(join.token, join_error("", ErrorCode::UnknownServerError));
            }
            return self.add_member(group, join, id);
        }
        if let Err(error) = group.check_member(&id, join.instance_id.as_deref()) {
            return self.respond(join.token, join_error(&id, error));
        }
        let is_unchanged =
            group.member(&id).is_some_and(|m| m.terms.protocols == join.terms.protocols);
        let is_leader = group.is_leader(&id);
        match group.state {
            State::PreparingRebalance => self.rejoin(group, join),
            // It has missed the answer to its first join.
            State::CompletingRebalance if is_unchanged => {
                self.respond(join.token, generation_of(group, &id, is_leader));
            }
            // The leader comes back when it has something to assign anew.
            State::Stable if is_unchanged && !is_leader => {
                self.respond(join.token, generation_of(group, &id, false));
            }
            State::CompletingRebalance | State::Stable => self.rejoin(group, join),
            State::Empty => {
                self.respond(join.token, join_error(&id, ErrorCode::UnknownMemberId));
            }
        }
    }

    fn rejoin(&mut self, group: &mut Group, join: Join<'_>) {
        group.set_terms(&join.member_id, join.terms);
        self.park_join(group, &join.member_id, join.token);
        self.rebalance(group);
    }

    /// A new member cannot heartbeat before it hears its id, and a client that gives up and asks
    /// again becomes another member. So the patience with its join is limited.
    fn add_member(&mut self, group: &mut Group, join: Join<'_>, id: Name) {
        if group.state == State::PreparingRebalance && group.is_initial {
            group.grew = true;
        }
        let (client_id, host) = (&*join.context.client_id, &*join.context.client_host);
        let mut member =
            Member::new(id.clone(), join.instance_id, client_id.into(), host.into(), join.terms);
        member.is_new = true;
        group.add(member, &join.protocol_type);
        self.park_join(group, &id, join.token);
        self.schedule_heartbeat(&group.id, &id, self.settings.new_member_join_timeout_ms);
        self.rebalance(group);
    }

    /// The first record of a group could not be written: the member that made the group is told.
    pub(crate) fn on_group_created(
        &mut self,
        group: &Name,
        token: Token,
        result: Result<(), ErrorCode>,
    ) {
        let Err(error) = result else { return };
        self.with_group(group, |shard, group| {
            let waits = |m: &&Member| m.join == Some(token);
            let Some(id) = group.members().find(waits).map(|m| m.id.clone()) else { return };
            group.take_join(&id);
            shard.respond(token, join_error("", crate::api::told_of_append(error)));
        });
    }
}
