//! What was refused.

use super::{Batch, Invariant, Oracle, Place, RecordId, Sync};

pub(super) const REFUSED_NOT_WRITTEN: Invariant = Invariant {
    id: "refused-not-written",
    sentence: "What was refused before it was appended, as while a volume is nearly full, is not \
               read, unless it was sent again.",
};

impl Oracle {
    /// A batch that was sent once was refused, by an error that says that it was not appended.
    pub(crate) fn refused(&mut self, place: &Place, batch: &Batch) {
        self.partition(place).refused.insert(batch.id);
    }

    /// A batch was not acknowledged, and only a volume that is too full can be why. Where appends
    /// are synced it may have been the sync that found no room.
    pub(crate) fn had_no_room(&mut self, place: &Place, batch: &Batch) {
        if self.topics.get(&place.0).is_some_and(|topic| topic.sync == Sync::No) {
            self.refused(place, batch);
        }
    }

    /// A record was read.
    pub(super) fn is_not_refused(&mut self, place: &Place, id: RecordId) {
        if self.partition(place).refused.contains(&id.0) {
            self.violate(REFUSED_NOT_WRITTEN, format!("{place:?} has {id:?}"));
        }
    }
}
