//! Nobody reads what nobody wrote.

use super::{Invariant, Oracle, Place, RecordId};

pub(super) const NOTHING_INVENTED: Invariant = Invariant {
    id: "nothing-invented",
    sentence: "What is read was sent to this partition: whole batches, byte for byte.",
};

impl Oracle {
    /// What was read of one batch, already told apart into records of batches that were sent.
    pub(crate) fn read_batch(
        &mut self,
        place: &Place,
        ids: &[Option<RecordId>],
        producer: Option<(i64, i16, i32)>,
    ) -> bool {
        let first = ids.first().copied().flatten();
        let sent = first.and_then(|(id, _)| self.partition(place).sent.get(&id).copied());
        let is_whole = sent.is_some_and(|sent| {
            let expected = (0..sent.count).map(|at| Some((sent.id, at)));
            ids.iter().copied().eq(expected) && sent.producer == producer
        });
        if !is_whole {
            let text = format!("{place:?} has {ids:?} of {producer:?}, sent was {sent:?}");
            self.violate(NOTHING_INVENTED, text);
        }
        is_whole
    }

    /// Bytes that are no batches of records.
    pub(crate) fn read_garbage(&mut self, place: &Place, error: &str) {
        self.violate(NOTHING_INVENTED, format!("{place:?} cannot be read: {error}"));
    }
}
