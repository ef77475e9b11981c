//! An offset is given out once.

use super::{Asked, Batch, Invariant, Oracle, Place, Sync};

pub(super) const OFFSETS_ONCE: Invariant = Invariant {
    id: "offsets-once",
    sentence: "No offset is acknowledged for two records, unless the first may have been lost.",
};

pub(super) const ABOVE_HIGH_WATERMARK: Invariant = Invariant {
    id: "append-above-high-watermark",
    sentence: "What is appended goes above every high watermark that was shown before it was sent.",
};

impl Oracle {
    /// A batch is about to be sent; `by_name` if to whatever topic has that name then.
    pub(crate) fn sending(&mut self, place: &Place, batch: Batch, by_name: bool) -> Asked {
        let model = self.partition(place);
        model.sent.insert(batch.id, batch);
        model.refused.remove(&batch.id);
        if by_name {
            *model.open.entry(batch.id).or_default() += 1;
        }
        self.asked(place)
    }

    /// A request that may have appended a batch has ended.
    pub(crate) fn settled(&mut self, place: &Place, batch: &Batch) {
        let open = &mut self.partition(place).open;
        if let Some(count) = open.get_mut(&batch.id) {
            *count -= 1;
        }
        open.retain(|_, count| *count > 0);
    }

    /// A batch was acknowledged. `is_first` if it was sent once only.
    pub(crate) fn acknowledged(
        &mut self,
        place: &Place,
        batch: &Batch,
        base: i64,
        asked: &Asked,
        is_first: bool,
    ) {
        let mut taken = None;
        let model = self.partition(place);
        for at in 0..batch.count {
            let offset = base + i64::from(at);
            if let Some(other) = model.note(offset, (batch.id, at)) {
                taken.get_or_insert((offset, other));
            }
        }
        if asked.sync == model.sync && model.sync != Sync::No && is_first {
            model.synced_to(base + i64::from(batch.count));
        }
        if let Some((offset, other)) = taken {
            let text = format!("{place:?} offset {offset} for batch {} and {other:?}", batch.id);
            self.violate(OFFSETS_ONCE, text);
        }
        let shown = asked.high_watermark;
        if is_first && base < shown {
            let text = format!("{place:?} batch {} at {base}, shown was {shown}", batch.id);
            self.violate(ABOVE_HIGH_WATERMARK, text);
        }
    }
}
