//! Runs of the simulator: what must hold, that a seed is a run, and that the oracle sees bugs.

mod determinism;
mod planted;
mod seeds;
