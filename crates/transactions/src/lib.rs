//! Producers as a partition sees them: ids, epochs, sequences, open transactions.
//!
//! *Architecture invariant:* decisions only. The log asks before it appends and tells afterwards;
//! replaying a log tells the same facts in the same order and gives the same state.

pub mod snapshot;

mod producers;

pub use producers::{
    Batch, Entry, Markers, Producers, REMEMBERED_MAX, Refusal, Remembered, Verdict,
};
