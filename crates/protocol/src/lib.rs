//! The Kafka wire protocol: every message of every version from 0.9 to the newest release,
//! record batches of all formats, and the error codes.
//!
//! *Architecture invariant:* this crate does no I/O, reads no clock and never panics on input.
//! Decoding borrows from the frame and bounds every length by the bytes that remain.

#[rustfmt::skip]
pub mod messages;
pub mod records;
pub mod wire;

#[rustfmt::skip]
mod api_key;
mod error_code;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
