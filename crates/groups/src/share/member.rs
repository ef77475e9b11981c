//! One member of a share group.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::modern::Assignment;
use crate::name::Name;

/// What a member tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) rack_id: Option<Name>,
    pub(crate) client_id: Name,
    pub(crate) client_host: Name,
    pub(crate) topics: Arc<BTreeSet<Name>>,
}

impl Default for Subscription {
    fn default() -> Self {
        let empty = || Name::from("");
        Self { rack_id: None, client_id: empty(), client_host: empty(), topics: Arc::default() }
    }
}

/// What a member has, and at which epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) assigned: Assignment,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Name,
    pub(crate) said: Subscription,
    pub(crate) has: Current,
}

impl Member {
    pub(crate) fn new(id: Name) -> Self {
        Self { id, said: Subscription::default(), has: Current::default() }
    }
}
