//! The broker serves again when nothing keeps it from it.

use super::{Invariant, Oracle};

pub(super) const SERVES_AGAIN: Invariant = Invariant {
    id: "serves-again",
    sentence: "When the faults have ended the broker starts, and serves every partition and group \
               within a minute.",
};

pub(super) const OTHERS_SERVE: Invariant = Invariant {
    id: "others-serve",
    sentence: "A log directory that fails does not stop the partitions in the others.",
};

pub(super) const START_SAYS_WHY: Invariant = Invariant {
    id: "start-says-why",
    sentence: "A start that a fault of a disk does not let end well ends all the same, within ten \
               seconds, and says why.",
};

impl Oracle {
    /// A start did not end, or did not say why it failed.
    pub(crate) fn start_is_silent(&mut self, text: String) {
        self.violate(START_SAYS_WHY, text);
    }

    /// A partition was refused although its directory works.
    pub(crate) fn refused_without_reason(&mut self, text: String) {
        self.violate(OTHERS_SERVE, text);
    }

    /// Something did not happen in time.
    pub(crate) fn not_served(&mut self, text: String) {
        self.violate(SERVES_AGAIN, text);
    }
}
