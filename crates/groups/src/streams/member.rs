//! One member of a streams group: a thread of a process of the application.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tasks::OwnedSet;
use crate::modern;
use crate::name::Name;

/// What a member tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) instance_id: Option<Name>,
    pub(crate) rack_id: Option<Name>,
    pub(crate) client_id: Name,
    pub(crate) client_host: Name,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) topology_epoch: i32,
    /// Members of one process share its local state.
    pub(crate) process_id: Name,
    /// Host and port of the application's interactive queries.
    pub(crate) endpoint: Option<(Name, u16)>,
    pub(crate) tags: Arc<BTreeMap<Name, Name>>,
}

impl Default for Said {
    fn default() -> Self {
        let empty = || Name::from("");
        Self {
            instance_id: None,
            rack_id: None,
            client_id: empty(),
            client_host: empty(),
            rebalance_timeout_ms: -1,
            topology_epoch: -1,
            process_id: empty(),
            endpoint: None,
            tags: Arc::default(),
        }
    }
}

/// What a member has, and at which epoch.
pub(crate) type Current = modern::Current<OwnedSet>;

pub(crate) type Member = modern::Member<Said, Current>;
