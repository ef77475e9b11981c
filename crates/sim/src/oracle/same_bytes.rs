//! Reading is repeatable.

use super::{Invariant, Oracle, Place, RecordId};

pub(super) const SAME_BYTES: Invariant = Invariant {
    id: "same-bytes",
    sentence: "What was once at an offset stays there, unless power was lost before it was synced.",
};

impl Oracle {
    /// A record was seen at an offset.
    pub(crate) fn seen(&mut self, place: &Place, offset: i64, id: RecordId) {
        self.is_not_refused(place, id);
        if let Some(before) = self.partition(place).note(offset, id) {
            let text = format!("{place:?} offset {offset} has {id:?}, before it had {before:?}");
            self.violate(SAME_BYTES, text);
        }
    }
}
