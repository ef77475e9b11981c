//! One member of a consumer group, of the consumer protocol or of the classic one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::wire::Uuid;

use super::group::ConsumerGroup;
use crate::classic::member::Protocol;
use crate::modern::{self, Assignment, Owned, assignment, topics};
use crate::name::Name;

/// What a member of the classic protocol said when it joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClassicTerms {
    pub(crate) session_timeout_ms: i32,
    /// Most preferred first; not empty.
    pub(crate) protocols: Vec<Protocol>,
}

/// What a member tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) instance_id: Option<Name>,
    pub(crate) rack_id: Option<Name>,
    pub(crate) client_id: Name,
    pub(crate) client_host: Name,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) topics: Arc<BTreeSet<Name>>,
    /// Empty if it subscribes to no pattern.
    pub(crate) pattern: Name,
    pub(crate) assignor: Option<Name>,
    /// Set for members of the classic protocol.
    pub(crate) classic: Option<Arc<ClassicTerms>>,
}

impl Default for Subscription {
    fn default() -> Self {
        let empty = || Name::from("");
        Self {
            instance_id: None,
            rack_id: None,
            client_id: empty(),
            client_host: empty(),
            rebalance_timeout_ms: -1,
            topics: Arc::default(),
            pattern: empty(),
            assignor: None,
            classic: None,
        }
    }
}

/// What a member has, and at which epoch.
pub(crate) type Current = modern::Current<Owned>;

pub(crate) type Member = modern::Member<Subscription, Current>;

impl Member {
    pub(crate) fn is_classic(&self) -> bool {
        self.said.classic.is_some()
    }

    /// The session timeout that a member of the classic protocol asked for.
    pub(crate) fn classic_session_timeout_ms(&self) -> Option<i32> {
        self.said.classic.as_ref().map(|terms| terms.session_timeout_ms)
    }

    /// The classic protocol that a member is told in a join, and speaks: its first.
    pub(crate) fn classic_protocol(&self) -> Option<&Protocol> {
        self.said.classic.as_ref()?.protocols.first()
    }

    /// The topics that the member subscribes to, by name or by pattern, as far as they exist.
    pub(crate) fn topic_ids(&self, group: &ConsumerGroup, image: &Image) -> BTreeSet<Uuid> {
        let resolved = group.resolved(&self.said.pattern);
        let matching = resolved.iter().flat_map(|resolved| resolved.topics.iter());
        topics::ids_of(image, self.said.topics.iter().chain(matching))
    }

    /// All that it has, be it only until it confirms to have given it up.
    pub(crate) fn owned(&self) -> Assignment {
        let mut owned: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        let (assigned, revoking) = (&self.has.assigned, &self.has.revoking);
        for (topic, partition) in assignment::each(assigned).chain(assignment::each(revoking)) {
            owned.entry(topic).or_default().insert(partition);
        }
        Arc::new(owned)
    }

    /// What it is to have of that, without epochs.
    pub(crate) fn assigned(&self) -> Assignment {
        assignment::partitions_of(&self.has.assigned)
    }
}
