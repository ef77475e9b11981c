//! Who consumes a partition in a group of the consumer protocol.

use std::collections::BTreeMap;

use klamm_protocol::wire::Uuid;

use super::{Invariant, Oracle};
use crate::calls::Parts;

pub(super) const ONE_CONSUMER: Invariant = Invariant {
    id: "one-consumer",
    sentence: "In a group of the consumer protocol a partition is given to a member only when \
               nobody else has it: the former owner has confirmed to have given it up, has left, \
               or was silent for its session; and in one epoch only one member has it.",
};

/// A partition of a topic by its id.
type Part = (Uuid, i32);

/// What is known of one group.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    /// Who has a partition, and until when the broker must know it without hearing more.
    owners: BTreeMap<Part, (String, i64)>,
    /// Who was told to have a partition in an epoch.
    epochs: BTreeMap<(i32, Part), String>,
}

impl Oracle {
    /// A member says what it still has; what it does not name it has given up.
    pub(crate) fn still_has(&mut self, group: &str, member: &str, has: &Parts) {
        let owners = &mut self.consumers.entry(group.to_owned()).or_default().owners;
        owners.retain(|part, (owner, _)| owner != member || has.contains(part));
    }

    /// A member was told its epoch, and what it is to have if that is new. It lives `until_ms` if
    /// it is silent from now on.
    pub(crate) fn told_to_have(
        &mut self,
        group: &str,
        (member, epoch): (&str, i32),
        given: Option<&Parts>,
        (now_ms, until_ms): (i64, i64),
    ) {
        let model = self.consumers.entry(group.to_owned()).or_default();
        for (owner, until) in model.owners.values_mut().filter(|(owner, _)| owner == member) {
            *until = until_ms.max(*until);
            debug_assert!(!owner.is_empty());
        }
        let mut wrong = None;
        for part in given.into_iter().flatten() {
            let (topic, index) = part;
            if let Some((owner, until)) = model.owners.get(part)
                && owner != member
                && *until > now_ms
            {
                wrong = Some(format!("{topic}-{index} of {owner} and {member} in {epoch}"));
            }
            model.owners.insert(*part, (member.to_owned(), until_ms));
            let before = model.epochs.insert((epoch, *part), member.to_owned());
            if let Some(other) = before.filter(|other| other != member) {
                wrong = Some(format!("{topic}-{index} of {other} and {member}, both in {epoch}"));
            }
        }
        if let Some(wrong) = wrong {
            self.violate(ONE_CONSUMER, format!("group {group}: {wrong}"));
        }
    }

    /// Power was lost, and with it perhaps what was told.
    pub(super) fn consumers_forgotten(&mut self) {
        self.consumers.clear();
    }
}
