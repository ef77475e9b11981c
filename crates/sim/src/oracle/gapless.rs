//! Offsets follow one another.

use super::{Invariant, Oracle, Place};

pub(super) const GAPLESS: Invariant = Invariant {
    id: "gapless",
    sentence: "Offsets have no gaps and never go back: a fetch begins with the batch that holds \
               the offset asked for, and every batch begins where the one before it ends.",
};

impl Oracle {
    /// A batch in a fetch that asked for, or went on at, the offset `expected`.
    pub(crate) fn batch_follows(
        &mut self,
        place: &Place,
        expected: i64,
        is_first: bool,
        (base, last): (i64, i64),
    ) {
        let follows = if is_first { (base..=last).contains(&expected) } else { base == expected };
        if !follows {
            let text = format!("{place:?}: {base}..={last} where {expected} was expected");
            self.violate(GAPLESS, text);
        }
    }
}
