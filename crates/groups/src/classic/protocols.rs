//! Which protocol a group speaks: what all members support, and their votes; and the topics that
//! members of the protocol type `consumer` subscribe to.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::messages::ConsumerProtocolSubscription;
use klamm_protocol::wire::{Message, Reader};

use super::group::{Group, State};
use super::member::{Member, Protocol};
use crate::name::Name;

/// How many members support each protocol.
#[derive(Debug, Default)]
pub(crate) struct Support(BTreeMap<Name, usize>);

impl Support {
    pub(super) fn add(&mut self, protocols: &[Protocol]) {
        for name in distinct(protocols) {
            *self.0.entry(name.clone()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, protocols: &[Protocol]) {
        for name in distinct(protocols) {
            if let Some(count) = self.0.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(name);
                }
            }
        }
    }

    fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// Nothing stops a request from naming a protocol twice; it counts once.
fn distinct(protocols: &[Protocol]) -> BTreeSet<&Name> {
    protocols.iter().map(|p| &p.name).collect()
}

impl Group {
    /// Whether someone with these protocols may become, or stay, a member.
    pub(crate) fn supports<'a>(
        &self,
        protocol_type: &str,
        mut names: impl ExactSizeIterator<Item = &'a str>,
    ) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && names.len() > 0;
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && names.any(|name| self.support.of(name) == self.size())
    }

    /// The protocol that most members prefer among those that all support. Without members, or
    /// without a common protocol, none.
    pub(crate) fn select_protocol(&self) -> Option<Name> {
        let all = self.size();
        let mut votes: BTreeMap<&Name, usize> = BTreeMap::new();
        for member in self.members() {
            let preferred = member.terms.protocols.iter().find(|p| self.support.of(&p.name) == all);
            *votes.entry(&preferred?.name).or_default() += 1;
        }
        let buckets = java_table_size(votes.len());
        let rank = |(name, count): (&&Name, &usize)| {
            (std::cmp::Reverse(*count), java_bucket(name, buckets), (*name).clone())
        };
        votes.iter().map(rank).min().map(|(_, _, name)| name)
    }

    /// The topics that the members subscribe to. `None` if the protocol type does not let us
    /// know or a member's subscription cannot be read.
    pub(crate) fn read_subscriptions(&self) -> Option<BTreeSet<Name>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        let mut topics = BTreeSet::new();
        if self.size() > 0 {
            let protocol = self.protocol.as_ref()?;
            for member in self.members() {
                topics.extend(subscription(member, protocol)?);
            }
        }
        Some(topics)
    }
}

/// The topics of one member: the version and, whatever it is, the fields of version 0, which all
/// later versions begin with.
fn subscription(member: &Member, protocol: &str) -> Option<Vec<Name>> {
    let (_version, fields) = member.metadata(protocol)?.split_first_chunk::<2>()?;
    let read = ConsumerProtocolSubscription::decode(&mut Reader::new(fields), 0).ok()?;
    Some(read.topics.iter().map(|topic| Name::from(topic.as_ref())).collect())
}

/// The number of buckets of a Java `HashMap` with this many keys.
fn java_table_size(keys: usize) -> u32 {
    let mut size = 16;
    while keys > size as usize * 3 / 4 {
        size *= 2;
    }
    size
}

/// Between protocols with as many votes Kafka takes the first that its hash map yields. Members
/// of mixed brokers and tests that compare see the same choice, so we do too.
fn java_bucket(name: &str, buckets: u32) -> u32 {
    let step = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    let hash = name.encode_utf16().fold(0u32, step);
    (hash ^ (hash >> 16)) & (buckets - 1)
}
