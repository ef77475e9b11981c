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

    /// A member was given an assignment: partitions separated by spaces. A static member owns as
    /// its instance, and gets what was meant for any id that it had.
    pub(crate) fn assigned(
        &mut self,
        group: &str,
        generation: i32,
        (member, instance): (&str, Option<&str>),
        given: &str,
    ) {
        let model = self.group(group);
        // An id that it was given in an answer that was lost is known by its form only.
        let of_it = instance.map(|instance| format!("{instance}-"));
        let is_meant =
            |to: &str| to == member || of_it.as_ref().is_some_and(|of| to.starts_with(of));
        let plans = model.plans.get(&generation).map(Vec::as_slice).unwrap_or_default();
        let is_planned =
            plans.iter().any(|plan| plan.iter().any(|(to, what)| what == given && is_meant(to)));
        let name = instance.unwrap_or(member);
        let owners = model.owners.entry(generation).or_default();
        let mut wrong = None;
        for partition in given.split_whitespace() {
            let owner = owners.entry(partition.to_owned()).or_insert_with(|| name.to_owned());
            if owner != name {
                wrong = Some(format!("{partition} of {owner} and {name}"));
            }
        }
        if !is_planned {
            wrong.get_or_insert_with(|| format!("{name} got {given:?} unplanned"));
        }
        if let Some(wrong) = wrong {
            self.violate(ONE_OWNER, format!("group {group} generation {generation}: {wrong}"));
        }
        if let Some(instance) = instance {
            self.is_written(group, instance, member);
        }
        self.generation_kept(group, generation);
    }
}
