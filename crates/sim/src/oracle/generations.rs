//! The generations of a group.

use std::collections::BTreeMap;

use super::{Invariant, Oracle, fenced::Instance, one_owner::Assignments};

pub(super) const GENERATIONS_ADVANCE: Invariant = Invariant {
    id: "generations-advance",
    sentence: "A generation that a group agreed on is never begun again, unless power was lost \
               before it was synced.",
};

/// What is known of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupModel {
    /// The largest generation whose assignments were given to a member and cannot have been lost.
    kept: i32,
    /// As `kept`, and no power loss can take it.
    durable: i32,
    /// What leaders gave out, by generation.
    pub(super) plans: BTreeMap<i32, Vec<Assignments>>,
    /// Who owns what, by generation.
    pub(super) owners: BTreeMap<i32, BTreeMap<String, String>>,
    /// The static members.
    pub(super) instances: BTreeMap<String, Instance>,
}

impl GroupModel {
    pub(super) fn stopped(&mut self) {
        self.durable = self.kept;
        self.instances.values_mut().for_each(Instance::killed);
    }

    pub(super) fn killed(&mut self) {
        // What nobody was given was not written: that generation may come again.
        self.forget_after(self.kept);
        self.instances.values_mut().for_each(Instance::killed);
    }

    pub(super) fn crashed(&mut self, sync: bool) {
        self.kept = if sync { self.kept } else { self.durable };
        self.forget_after(self.kept);
        self.instances.values_mut().for_each(|instance| instance.crashed(sync));
    }

    fn forget_after(&mut self, generation: i32) {
        self.owners.retain(|other, _| *other <= generation);
    }
}

impl Oracle {
    pub(super) fn group(&mut self, group: &str) -> &mut GroupModel {
        self.groups.entry(group.to_owned()).or_default()
    }

    /// The largest generation that the group must remember by now.
    pub(crate) fn generation(&mut self, group: &str) -> i32 {
        self.group(group).kept
    }

    pub(super) fn generation_kept(&mut self, group: &str, generation: i32) {
        let model = self.group(group);
        model.kept = model.kept.max(generation);
    }

    /// A member joined; `asked` is what the group had to remember when it asked.
    pub(crate) fn joined(&mut self, group: &str, asked: i32, generation: i32) {
        // A member that joins again without a change gets the same generation again.
        if generation < asked {
            let text = format!("group {group}: generation {generation} after {asked}");
            self.violate(GENERATIONS_ADVANCE, text);
        }
    }
}
