//! What counts, and the text in which it is told.
//!
//! Counting is a plain atomic addition: nothing is looked up, locked or allocated. Names and labels
//! come in only when somebody asks, in a [`Page`] of Prometheus' or OpenMetrics' text.
//!
//! *Architecture invariant:* nothing here knows what is counted, or reads a clock.

mod counter;
mod definition;
mod histogram;
mod page;
mod sharded;

pub use counter::{Counter, Gauge};
pub use definition::{Definition, Kind};
pub use histogram::{BOUNDS, Histogram, Snapshot, bound_seconds};
pub use page::{Family, Format, Page, Value};
pub use sharded::Sharded;
