//! Transactions: what their coordinator decides, and what a partition remembers of its producers.
//!
//! Start reading at [`Coordinator::decide`] for a transaction, at [`Producers::check`] for a batch.
//!
//! *Architecture invariant:* decisions only. The log asks before it appends and tells afterwards;
//! replaying a log tells the same facts in the same order and gives the same state.

pub mod coordinator;
pub mod snapshot;

mod entry;
mod producers;
mod verification;

pub use coordinator::Coordinator;
pub use entry::{Batch, Entry, Marker, REMEMBERED_MAX, Refusal, Remembered, Verdict};
pub use producers::{Completed, Producers};
pub use verification::{Guard, Verifications, Verified};
