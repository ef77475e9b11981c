//! Zstandard (KIP-110).

use std::ops::RangeInclusive;

use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;

use super::{Bounded, DecompressError};

pub(super) const LEVELS: RangeInclusive<i32> = -131_072..=22;
pub(super) const LEVEL_DEFAULT: i32 = 3;
/// Largest window that is read, as a power of two: 128 MiB, which level 22 and Java's default
/// reader both stop at.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) fn decompress(bytes: &[u8], out: &mut Bounded) -> Result<(), DecompressError> {
    let mut decoder = Decoder::with_buffer(bytes).map_err(|error| out.corrupt(error))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|error| out.corrupt(error))?;
    out.extend_from(&mut decoder)
}

pub(super) fn compress(bytes: &[u8], level: i32, out: &mut Vec<u8>) -> Result<(), String> {
    let compressed = Compressor::new(level).and_then(|mut encoder| encoder.compress(bytes));
    out.extend_from_slice(&compressed.map_err(|error| error.to_string())?);
    Ok(())
}
