//! Where the files of a partition are.

use super::{Invariant, Oracle, Place};

pub(super) const ONE_DIRECTORY: Invariant = Invariant {
    id: "one-directory",
    sentence: "When its moves have ended a partition is in one log directory, and nothing is left \
               of them.",
};

impl Oracle {
    /// A partition whose moves had all the time they need is in these directories.
    pub(crate) fn found_in(&mut self, place: &Place, found: &[String]) {
        if found.len() != 1 {
            self.violate(ONE_DIRECTORY, format!("{place:?} is in {found:?}"));
        }
    }
}
