//! Tests of the whole.

mod architecture;
mod cli;
mod exposition;
mod metrics;
