//! One member of a share group.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::modern::{self, Assignment};
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

pub(crate) type Member = modern::Member<Subscription, Current>;
