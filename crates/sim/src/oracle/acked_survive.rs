//! What was acknowledged is there.

use std::collections::BTreeMap;

use super::{Invariant, Oracle, Place, RecordId};

pub(super) const ACKED_SURVIVE: Invariant = Invariant {
    id: "acked-survive",
    sentence: "A record that was acknowledged is at its offset, unless power was lost before it \
               was synced, or it was deleted.",
};

impl Oracle {
    /// The whole partition was read.
    pub(crate) fn read_whole(
        &mut self,
        place: &Place,
        start: i64,
        found: &BTreeMap<i64, RecordId>,
    ) {
        let model = self.partition(place);
        let missing = model.known.range(start..).find(|(offset, known)| {
            !known.soft && found.get(offset).is_none_or(|id| *id != known.id)
        });
        if let Some((offset, known)) = missing {
            let end = found.keys().next_back();
            let text = format!(
                "{place:?} offset {offset} must have {:?} (durable: {}), has {:?}; the log is \
                 {start}..={end:?}",
                known.id,
                known.durable,
                found.get(offset)
            );
            self.violate(ACKED_SURVIVE, text);
        }
        self.check_order(place, found);
    }
}
