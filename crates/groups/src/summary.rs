//! What there is in a shard, for who only wants to know that.

use crate::coordinator::Coordinator;

/// A group in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub group: String,
    /// The type's name, as in ListGroups.
    pub kind: &'static str,
    /// The state's name, as in ListGroups.
    pub state: &'static str,
    /// The topic partitions that it has committed offsets for.
    pub offsets: usize,
    /// The topic partitions of which a transaction that is open will commit the offset, or not.
    pub pending_offsets: usize,
}

impl Coordinator {
    /// All groups, by id. Complete after the shard's records are replayed.
    pub fn summary(&self) -> Vec<Summary> {
        let summary = |group: &crate::registry::AnyGroup| Summary {
            group: group.id().to_string(),
            kind: group.type_name(),
            state: group.state_name(),
            offsets: self.offsets.of_group(crate::offsets::View::Newest, group.id()).count(),
            pending_offsets: self.offsets.pending_of_group(group.id()).count(),
        };
        self.registry.all_live().map(summary).collect()
    }
}
