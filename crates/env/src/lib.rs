//! The three seams between the broker and the outside: time, network and disk.
//!
//! Everything above this crate reaches a clock, a socket or a file only through [`Env`]. The real
//! implementations talk to the operating system; those in [`virt`] are memory and virtual time, so
//! that a whole cluster runs in one thread from one seed.
//!
//! *Architecture invariant:* no other crate of the engine reads the operating system's clock,
//! opens a socket or a file, starts a thread or draws a random number by itself.

mod clock;
pub mod disk;
pub mod net;
pub mod process;
mod random;
pub mod virt;
mod watched;

use std::sync::Arc;

pub use clock::{Clock, VIRTUAL_WORK};
pub use disk::{Disk, File};
pub use net::Net;
pub use random::Random;
pub use watched::Watched;

/// The outside world of one broker process. Cheap to clone; chosen once, at start.
#[derive(Debug, Clone)]
pub struct Env {
    /// Wall clock and timers.
    pub clock: Clock,
    /// Sockets, or in-memory links.
    pub net: Arc<dyn Net>,
    /// Files, or memory that knows what was synced.
    pub disk: Arc<dyn Disk>,
    /// The source of every random decision.
    pub random: Random,
}

impl Env {
    /// The operating system's clock, TCP, file system and entropy.
    pub fn real() -> Self {
        Self {
            clock: Clock::system(),
            net: Arc::new(net::TcpNet),
            disk: Arc::new(disk::RealDisk::default()),
            random: Random::from_entropy(),
        }
    }
}
