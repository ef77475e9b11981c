//! Bugs on purpose, by which tests of the simulator show that its oracle sees them
//! (docs/adr/0008-planted-bugs.md).
//!
//! Without the feature `planted`, and in builds without debug assertions, no bug can be planted and
//! the compiler removes every trace of them.

#[cfg(feature = "planted")]
mod registry {
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Plants a bug in everything that runs on this thread; none takes it out again.
    pub fn plant(bug: Option<&'static str>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted on this thread.
    pub fn planted(bug: &str) -> bool {
        cfg!(debug_assertions) && PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub use registry::{plant, planted};

/// Whether this bug is planted on this thread: never, without the feature.
#[cfg(not(feature = "planted"))]
pub const fn planted(_bug: &str) -> bool {
    false
}
