//! What there is to see of the groups, for those who watch and decide nothing.

use std::fmt;

use crate::coordinator::Coordinator;
use crate::offsets::View;
use crate::registry::AnyGroup;

/// A group, as readers see it.
pub struct GroupView<'a> {
    /// Its id.
    pub id: &'a str,
    /// The name of its type in ListGroups.
    pub kind: &'static str,
    /// The name of its state in ListGroups.
    pub state: &'static str,
    /// Number of members.
    pub members: usize,
    /// What it has committed: topic, partition, offset.
    pub offsets: Box<dyn Iterator<Item = (&'a str, i32, i64)> + 'a>,
}

impl fmt::Debug for GroupView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupView({}, {}, {} members)", self.id, self.state, self.members)
    }
}

impl Coordinator {
    /// All groups, by id.
    pub fn observe(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.registry.all_visible().map(|group| {
            let offsets = self.offsets.of_group(View::Durable, group.id());
            GroupView {
                id: group.id(),
                kind: group.type_name(),
                state: group.state_name(),
                members: members(group),
                offsets: Box::new(offsets.map(|(topic, at, of)| (&**topic, at, of.offset))),
            }
        })
    }
}

fn members(group: &AnyGroup) -> usize {
    match group {
        AnyGroup::Classic(group) => group.size(),
        AnyGroup::Consumer(group) => group.members.size(),
        AnyGroup::Streams(group) => group.members.size(),
        AnyGroup::Share(group) => group.members.size(),
    }
}
