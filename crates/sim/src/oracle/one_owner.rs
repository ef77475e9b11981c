//! Who owns a partition in a group.

use std::collections::BTreeMap;

use super::{Invariant, Oracle};

pub(super) const ONE_OWNER: Invariant = Invariant {
    id: "one-owner",
    sentence: "In one generation of a group every member gets what its leader gave it, and no \
               partition has two owners.",
};

/// What a leader gives to its members.
pub(crate) type Assignments = BTreeMap<String, String>;

impl Oracle {
    /// A leader is about to hand out its assignments.
    pub(crate) fn assigning(&mut self, group: &str, generation: i32, assignments: &Assignments) {
        let model = self.group(group);
        model.plans.entry(generation).or_default().push(assignments.clone());
    }

    /// A member was given an assignment: partitions separated by spaces.
    pub(crate) fn assigned(&mut self, group: &str, generation: i32, member: &str, given: &str) {
        let model = self.group(group);
        let plans = model.plans.get(&generation).map(Vec::as_slice).unwrap_or_default();
        let is_planned = plans.iter().any(|plan| plan.get(member).is_some_and(|p| p == given));
        let owners = model.owners.entry(generation).or_default();
        let mut conflict = None;
        for partition in given.split_whitespace() {
            let owner = owners.entry(partition.to_owned()).or_insert_with(|| member.to_owned());
            if owner != member {
                conflict = Some((partition.to_owned(), owner.clone()));
            }
        }
        if let Some((partition, owner)) = conflict {
            let text = format!(
                "group {group} generation {generation}: {partition} of {owner} and {member}"
            );
            self.violate(ONE_OWNER, text);
        } else if !is_planned {
            let text =
                format!("group {group} generation {generation}: {member} got {given:?} unplanned");
            self.violate(ONE_OWNER, text);
        }
        self.generation_kept(group, generation);
    }
}
