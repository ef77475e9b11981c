//! A static member comes back without its id (KIP-345): it gets a new one, the old one is fenced,
//! and if nothing else changes the group goes on without a rebalance.

use klamm_protocol::ErrorCode;

use super::group::{Group, State};
use super::join::Join;
use super::member::Terms;
use super::rebalance::{generation_of, join_error};
use super::sync::sync_error;
use crate::api::{Response, Token, told_of_append};
use crate::appends::{Changes, Then};
use crate::coordinator::Coordinator;
use crate::name::{Name, text};
use crate::records;

/// From this version on a returning leader hears the members and that it must not assign.
const SKIP_ASSIGNMENT_FROM: i16 = 9;

/// A new id of a static member that is on its way to the log.
#[derive(Debug)]
pub(crate) struct Replaced {
    group: Name,
    old: Name,
    new: Name,
    old_terms: Terms,
    /// The leader by the id it had before.
    leader: Option<Name>,
    token: Token,
    version: i16,
}

impl Coordinator {
    pub(super) fn replace_static(
        &mut self,
        group: &mut Group,
        join: Join<'_>,
        old: &Name,
        new: Name,
    ) {
        let leader = group.leader.clone();
        self.fence(group, old, &new);
        let old_terms = group.set_terms(&new, join.terms);
        self.park_join(group, &new, join.token);
        match group.state {
            State::Stable if group.select_protocol() == group.protocol => {
                let record = records::group_metadata(group, |m| &m.assignment);
                let (name, version) = (group.id.clone(), join.context.version);
                let then = old_terms.map(|old_terms| {
                    let (old, token) = (old.clone(), join.token);
                    let replaced =
                        Replaced { group: name, old, new, old_terms, leader, token, version };
                    Then::StaticReplaced(Box::new(replaced))
                });
                self.append(vec![record], Changes::default(), then);
            }
            // The leader may be assigning to the old id right now.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(group),
            State::PreparingRebalance => self.complete_join_if_all_joined(group),
            State::Empty => {}
        }
    }

    /// Hands a static member from one id to another; requests under the first are answered with
    /// FENCED_INSTANCE_ID.
    fn fence(&mut self, group: &mut Group, from: &Name, to: &Name) {
        let (join, sync) = group.rename_static(from, to);
        self.cancel_heartbeat(&group.id, from);
        self.renew_session(group, to);
        if let Some(token) = join {
            self.respond(token, join_error(from, ErrorCode::FencedInstanceId));
        }
        if let Some(token) = sync {
            self.respond(token, sync_error(ErrorCode::FencedInstanceId));
        }
    }

    pub(crate) fn on_static_replaced(&mut self, it: Replaced, result: Result<(), ErrorCode>) {
        let name = it.group.clone();
        self.with_group(&name, |shard, group| match result {
            Ok(()) => shard.welcome_back(group, &it),
            Err(error) => shard.revert_static(group, it, told_of_append(error)),
        });
    }

    fn welcome_back(&mut self, group: &mut Group, it: &Replaced) {
        let waits = group.member(&it.new).is_some_and(|m| m.join == Some(it.token));
        if !waits || group.state == State::PreparingRebalance {
            // Somebody else has made the group rebalance meanwhile, which answers the join.
            return;
        }
        group.take_join(&it.new);
        let skips = it.version >= SKIP_ASSIGNMENT_FROM && group.is_leader(&it.new);
        let mut response = generation_of(group, &it.new, skips);
        if let Response::Join(join) = &mut response {
            join.skip_assignment = skips;
            if it.version < SKIP_ASSIGNMENT_FROM {
                // It would assign if it were told that it leads.
                join.leader = it.leader.as_ref().map(text).unwrap_or_default();
            }
        }
        self.respond(it.token, response);
    }

    fn revert_static(&mut self, group: &mut Group, it: Replaced, error: ErrorCode) {
        let waits = group.member(&it.new).is_some_and(|m| m.join == Some(it.token));
        if !waits {
            return;
        }
        group.take_join(&it.new);
        let mut response = generation_of(group, "", false);
        if let Response::Join(join) = &mut response {
            join.error_code = error.code();
            join.leader = it.leader.as_ref().map(text).unwrap_or_default();
        }
        self.respond(it.token, response);
        group.set_terms(&it.new, it.old_terms);
        self.fence(group, &it.new, &it.old);
    }
}
