//! The promise of an idempotent producer.

use std::collections::BTreeMap;

use super::{Invariant, Oracle, Place, RecordId};

pub(super) const NO_DUPLICATES: Invariant = Invariant {
    id: "no-duplicates",
    sentence: "A batch of an idempotent producer is in the log at most once, however often it was \
               sent.",
};

pub(super) const IN_ORDER: Invariant = Invariant {
    id: "in-order",
    sentence: "The batches of an idempotent producer are in the log in the order of their sequence \
               numbers, none left out.",
};

impl Oracle {
    /// Checks a whole log.
    pub(super) fn check_order(&mut self, place: &Place, found: &BTreeMap<i64, RecordId>) {
        let mut next: BTreeMap<(i64, i16), i32> = BTreeMap::new();
        let mut wrong = Vec::new();
        let model = self.partition(place);
        for (offset, (id, at)) in found {
            let Some(batch) = model.sent.get(id) else { continue };
            let Some((producer, epoch, first)) = batch.producer.filter(|_| *at == 0) else {
                continue;
            };
            let after = first + i32::try_from(batch.count).unwrap_or(0);
            let expected = next.insert((producer, epoch), after);
            let text = format!("{place:?} offset {offset}: producer {producer} sequence {first}");
            match expected {
                Some(expected) if first < expected => wrong.push((NO_DUPLICATES, text)),
                Some(expected) if first > expected => wrong.push((IN_ORDER, text)),
                _ => {}
            }
        }
        for (invariant, text) in wrong {
            self.violate(invariant, text);
        }
    }
}
