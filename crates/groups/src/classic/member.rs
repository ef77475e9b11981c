//! One member of a classic group.

use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;

use crate::api::Token;
use crate::name::Name;

/// A way of assigning that a member supports, with what it tells the leader. Opaque to us, but
/// for the topics in the protocol type `consumer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: Name,
    pub(crate) metadata: Vec<u8>,
}

/// A member's protocols as a join request lists them, most preferred first.
pub(crate) fn protocols_of(listed: Vec<JoinGroupRequestProtocol<'_>>) -> Vec<Protocol> {
    let protocol = |p: JoinGroupRequestProtocol<'_>| Protocol {
        name: Name::from(p.name.as_ref()),
        metadata: p.metadata.into_owned(),
    };
    listed.into_iter().map(protocol).collect()
}

/// The part of a member that each of its joins states anew.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocols: Vec<Protocol>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: Name,
    pub(crate) instance_id: Option<Name>,
    pub(crate) client_id: Name,
    pub(crate) client_host: Name,
    pub(crate) terms: Terms,
    pub(crate) assignment: Vec<u8>,
    /// The parked join; changed through the group only, which counts them.
    pub(super) join: Option<Token>,
    /// The parked sync.
    pub(super) sync: Option<Token>,
    /// It has not heard its id yet, so that it cannot heartbeat and its join may time out.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) fn new(
        id: Name,
        instance_id: Option<Name>,
        client_id: Name,
        client_host: Name,
        terms: Terms,
    ) -> Self {
        let (assignment, join, sync, is_new) = (Vec::new(), None, None, false);
        Self { id, instance_id, client_id, client_host, terms, assignment, join, sync, is_new }
    }

    pub(crate) fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub(crate) fn awaits_join(&self) -> bool {
        self.join.is_some()
    }

    /// Whether a parked request stands for the heartbeats that cannot come meanwhile.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }

    /// What the member says under a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&[u8]> {
        let found = self.terms.protocols.iter().find(|p| *p.name == *protocol);
        found.map(|p| p.metadata.as_slice())
    }
}
