//! Decisions as a client sees them, and what holds for all of them.

mod decisions;
mod properties;
mod support;
