//! Plans as data: decisions about what is where, made from facts and carried out by somebody else.
//!
//! *Architecture invariant:* nothing here reads a disk, a clock or the configuration: usage, sizes,
//! times and thresholds are arguments.

mod deletion;
#[cfg(test)]
mod tests;
mod watermark;

pub use deletion::{Deletion, LogView, SegmentView, choose};
pub use watermark::{Event, Look, Method, Need, Policy, Usage, Watermark};
