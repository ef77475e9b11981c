//! The log start offset.

use super::{Asked, Invariant, Oracle, Place};

pub(super) const START_ONLY_ADVANCES: Invariant = Invariant {
    id: "log-start-advances",
    sentence: "The log start offset only advances while a broker lives, and only as far as \
               deletion was asked for.",
};

impl Oracle {
    /// Deletion is about to be asked for.
    pub(crate) fn deleting_up_to(&mut self, place: &Place, offset: i64) {
        let model = self.partition(place);
        model.start_asked = model.start_asked.max(offset);
    }

    /// An answer shows a log start offset.
    pub(crate) fn shown_start(&mut self, place: &Place, asked: &Asked, start: i64) {
        let asked = asked.start;
        let model = self.partition(place);
        model.start = model.start.max(start);
        let most = if model.retention { i64::MAX } else { model.start_asked };
        if !(asked..=most).contains(&start) {
            let text = format!("{place:?}: {start}, not in {asked}..={most}");
            self.violate(START_ONLY_ADVANCES, text);
        }
    }
}
