//! Simulated seams: memory instead of files, in-memory links instead of sockets.
//!
//! Everything here is driven by one seed and by tokio's (paused) clock.

mod disk;
mod net;

pub use disk::{DiskFault, VirtualDisk};
pub use net::{LinkFaults, VirtualNet};
