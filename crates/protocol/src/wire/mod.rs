//! The wire: a checked cursor over a frame, a writer with holes for file ranges, and the traits
//! that every generated message implements.
//!
//! *Invariant:* no length read from a frame is trusted. Each is compared with the bytes that
//! remain before anything is allocated, and arrays are charged to a heap budget.

mod error;
pub mod frame;
mod message;
pub(crate) mod own;
mod reader;
mod records;
mod uuid;
mod writer;

pub use error::DecodeError;
pub use message::{Listener, Message, Request, VersionRange, VersionRangeIter};
pub use reader::Reader;
pub use records::{Records, TaggedField};
pub use uuid::{ParseUuidError, Uuid};
pub use writer::{Hole, Writer};

#[cfg(test)]
mod tests;
