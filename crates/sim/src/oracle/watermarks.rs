//! What a volume that fills must not take.

use std::collections::BTreeSet;

use super::{Invariant, Oracle, Place};

pub(super) const WATERMARKS_SPARE: Invariant = Invariant {
    id: "watermarks-spare",
    sentence: "A volume that fills takes nothing of internal and compacted topics, and of others whole \
               segments.",
};

impl Oracle {
    /// Where a partition begins of which nothing may be taken.
    pub(crate) fn spared_begins(&mut self, place: &Place, start: i64) {
        if start > 0 {
            self.violate(WATERMARKS_SPARE, format!("{place:?} begins at {start}"));
        }
    }

    /// A partition began at `start`, and a moment later its segments at `bases`.
    pub(crate) fn begins_at(&mut self, place: &Place, start: i64, bases: &BTreeSet<i64>) {
        // Files that a death brought back may be before it; if all are behind it, the first went
        // in that moment.
        let is_within =
            bases.first().is_some_and(|first| *first < start) && !bases.contains(&start);
        if is_within && start > self.partition(place).start_asked {
            let text = format!("{place:?} begins at {start}, within one of {bases:?}");
            self.violate(WATERMARKS_SPARE, text);
        }
    }
}
