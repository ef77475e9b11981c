//! An offset is given out once.

use super::{Batch, Invariant, Oracle, Place};

pub(super) const OFFSETS_ONCE: Invariant = Invariant {
    id: "offsets-once",
    sentence: "No offset is acknowledged for two records, unless the first may have been lost.",
};

pub(super) const ABOVE_HIGH_WATERMARK: Invariant = Invariant {
    id: "append-above-high-watermark",
    sentence: "What is appended goes above every high watermark that was shown before it was sent.",
};

impl Oracle {
    /// A batch is about to be sent.
    pub(crate) fn sending(&mut self, place: &Place, batch: Batch) {
        self.partition(place).sent.insert(batch.id, batch);
    }

    /// A batch was acknowledged. `shown` is the high watermark that had been shown when it was
    /// sent, if that was once only.
    pub(crate) fn acknowledged(
        &mut self,
        place: &Place,
        batch: &Batch,
        base: i64,
        shown: Option<i64>,
    ) {
        let mut taken = None;
        for at in 0..batch.count {
            let offset = base + i64::from(at);
            if let Some(other) = self.partition(place).note(offset, (batch.id, at)) {
                taken.get_or_insert((offset, other));
            }
        }
        if let Some((offset, other)) = taken {
            let text = format!("{place:?} offset {offset} for batch {} and {other:?}", batch.id);
            self.violate(OFFSETS_ONCE, text);
        }
        if let Some(shown) = shown.filter(|shown| base < *shown) {
            let text = format!("{place:?} batch {} at {base}, shown was {shown}", batch.id);
            self.violate(ABOVE_HIGH_WATERMARK, text);
        }
    }
}
