//! The high watermark.

use super::{Asked, Invariant, Oracle, Place};

pub(super) const ONLY_ADVANCES: Invariant = Invariant {
    id: "high-watermark-advances",
    sentence: "The high watermark never goes back, except over what a power loss took.",
};

pub(super) const NOTHING_ABOVE: Invariant = Invariant {
    id: "nothing-above-high-watermark",
    sentence: "Nothing at or above the high watermark is given to a consumer, and everything below \
               it can be read.",
};

impl Oracle {
    /// An answer shows a high watermark.
    pub(crate) fn shown(&mut self, place: &Place, asked: &Asked, high_watermark: i64) {
        let asked = asked.high_watermark;
        let model = self.partition(place);
        model.high_watermark = model.high_watermark.max(high_watermark);
        if high_watermark < asked {
            let text = format!("{place:?}: {high_watermark} after {asked}");
            self.violate(ONLY_ADVANCES, text);
        }
    }

    /// A fetch gave records up to `end`.
    pub(crate) fn fetched_to(&mut self, place: &Place, end: i64, high_watermark: i64) {
        if end > high_watermark {
            let text = format!("{place:?}: records up to {end}, high watermark {high_watermark}");
            self.violate(NOTHING_ABOVE, text);
        }
    }

    /// A log was read as far as it gives records.
    pub(crate) fn read_ended(&mut self, place: &Place, end: i64, high_watermark: i64) {
        if end < high_watermark {
            let text = format!("{place:?}: ends at {end}, high watermark {high_watermark}");
            self.violate(NOTHING_ABOVE, text);
        }
    }
}
