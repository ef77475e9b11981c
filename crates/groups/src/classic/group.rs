//! A classic group: its state and members, and the changes that keep them consistent.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::ErrorCode;

use super::member::{Member, Terms};
use super::protocols::Support;
use crate::api::Token;
use crate::name::Name;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; lives on for its committed offsets.
    Empty,
    /// Joins are parked until all members have joined or the time is up.
    PreparingRebalance,
    /// A generation exists and waits for its leader's assignment.
    CompletingRebalance,
    /// Every member may fetch its assignment.
    Stable,
}

impl State {
    /// The name in DescribeGroups and ListGroups.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }

    /// Whether a group may come into this state from `previous`.
    pub(crate) fn follows(self, previous: Self) -> bool {
        match self {
            Self::Empty | Self::CompletingRebalance => previous == Self::PreparingRebalance,
            Self::PreparingRebalance => previous != Self::PreparingRebalance,
            Self::Stable => previous == Self::CompletingRebalance,
        }
    }
}

/// The protocol type whose metadata Kafka's own consumers share with the coordinator.
pub(crate) const CONSUMER_PROTOCOL: &str = "consumer";

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Name,
    pub(crate) state: State,
    /// The rebalance in progress is the one of an empty group, which waits for more members.
    pub(crate) is_initial: bool,
    /// A member came since the initial delay was last set.
    pub(crate) grew: bool,
    /// The delay of the initial rebalance that runs now, and what may be added to it.
    pub(crate) initial_delay: Option<(i32, i32)>,
    /// When the state was last entered; a record of an old version may not say.
    pub(crate) state_since_ms: Option<i64>,
    pub(crate) protocol_type: Option<Name>,
    pub(crate) protocol: Option<Name>,
    pub(crate) generation: i32,
    pub(crate) leader: Option<Name>,
    /// The topics of all members, where the protocol type lets us know them.
    pub(crate) subscribed: Option<BTreeSet<Name>>,
    /// Ids given out with MEMBER_ID_REQUIRED that have not joined yet.
    pub(crate) pending_joins: BTreeSet<Name>,
    /// Members of this generation that have not synced yet.
    pub(crate) pending_syncs: BTreeSet<Name>,
    pub(super) support: Support,
    members: BTreeMap<Name, Member>,
    instances: BTreeMap<Name, Name>,
    joins_waiting: usize,
}

impl Group {
    /// A group without members, which is how every group begins.
    pub(crate) fn new(id: Name, now_ms: i64) -> Self {
        Self {
            id,
            state: State::Empty,
            is_initial: false,
            grew: false,
            initial_delay: None,
            state_since_ms: Some(now_ms),
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            subscribed: None,
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            support: Support::default(),
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            joins_waiting: 0,
        }
    }

    pub(crate) fn enter(&mut self, state: State, now_ms: i64) {
        debug_assert!(state.follows(self.state), "{:?} after {:?}", state, self.state);
        self.state = state;
        self.state_since_ms = Some(now_ms);
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// A member to change in ways that the group does not count.
    pub(crate) fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(crate) fn size(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn joins_waiting(&self) -> usize {
        self.joins_waiting
    }

    /// The member that a static instance id stands for.
    pub(crate) fn instance(&self, instance_id: &str) -> Option<&Name> {
        self.instances.get(instance_id)
    }

    pub(crate) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub(crate) fn all_joined(&self) -> bool {
        self.members.len() == self.joins_waiting && self.pending_joins.is_empty()
    }

    /// The longest patience any member asks for in a rebalance.
    pub(crate) fn rebalance_timeout_ms(&self) -> i32 {
        self.members().map(|m| m.terms.rebalance_timeout_ms).max().unwrap_or(0).max(0)
    }

    /// Whether a member may speak for itself under this id and instance id.
    pub(crate) fn check_member(
        &self,
        id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.instance(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(owner) if **owner != *id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Takes in a member, the first of which gives the group its protocol type and leader.
    pub(crate) fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(Name::from(protocol_type));
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), member.id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending_joins.remove(&member.id);
        self.insert(member);
    }

    fn insert(&mut self, member: Member) {
        self.support.add(&member.terms.protocols);
        self.joins_waiting += usize::from(member.join.is_some());
        if let Some(old) = self.members.insert(member.id.clone(), member) {
            self.forget(&old);
        }
    }

    fn forget(&mut self, member: &Member) {
        self.support.remove(&member.terms.protocols);
        self.joins_waiting -= usize::from(member.join.is_some());
    }

    /// Takes out a member or a pending id. What it had parked is in the member returned, for the
    /// caller to answer.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        let removed = self.members.remove(id);
        if let Some(member) = &removed {
            self.forget(member);
            if let Some(instance_id) = &member.instance_id {
                self.instances.remove(instance_id);
            }
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_joins.remove(id);
        self.pending_syncs.remove(id);
        removed
    }

    /// Gives a static member a new id and keeps everything else of it. Returns what the old id
    /// had parked: a join and a sync.
    pub(crate) fn rename_static(
        &mut self,
        old: &str,
        new: &Name,
    ) -> (Option<Token>, Option<Token>) {
        let Some(mut member) = self.members.remove(old) else { return (None, None) };
        self.forget(&member);
        let parked = (member.join.take(), member.sync.take());
        member.id = new.clone();
        member.is_new = false;
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), new.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        self.insert(member);
        parked
    }

    /// Sets what a join states anew; returns what was before.
    pub(crate) fn set_terms(&mut self, id: &str, terms: Terms) -> Option<Terms> {
        let member = self.members.get_mut(id)?;
        self.support.remove(&member.terms.protocols);
        self.support.add(&terms.protocols);
        Some(std::mem::replace(&mut member.terms, terms))
    }

    /// Parks a join; returns the one it takes the place of.
    pub(crate) fn park_join(&mut self, id: &str, token: Token) -> Option<Token> {
        let replaced = self.members.get_mut(id)?.join.replace(token);
        self.joins_waiting += usize::from(replaced.is_none());
        replaced
    }

    pub(crate) fn take_join(&mut self, id: &str) -> Option<Token> {
        let token = self.members.get_mut(id)?.join.take();
        self.joins_waiting -= usize::from(token.is_some());
        token
    }

    /// The members, as the group goes away.
    pub(crate) fn into_members(self) -> impl Iterator<Item = Member> {
        self.members.into_values()
    }

    /// Makes sure that the leader is a member that has joined; false if nobody has.
    pub(crate) fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = &self.leader else { return false };
        if self.member(leader).is_some_and(Member::awaits_join) {
            return true;
        }
        match self.members.values().find(|m| m.awaits_join()) {
            Some(joined) => {
                self.leader = Some(joined.id.clone());
                true
            }
            None => false,
        }
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL)
    }

    /// Whether offsets of the topic belong to what members consume now. Members of the consumer
    /// protocol whose subscriptions cannot be read may consume anything.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }
}
