//! Gzip, RFC 1952.

use std::io::Write;

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{Bounded, DecompressError};

/// Zlib's own choice (6), written as Kafka writes it.
pub(super) const LEVEL_DEFAULT: i32 = -1;

/// What every member begins with.
const MEMBER_MAGIC: [u8; 2] = [0x1f, 0x8b];

pub(super) fn knows_level(level: i32) -> bool {
    level == LEVEL_DEFAULT || (1..=9).contains(&level)
}

/// All members, one after the other. Bytes after the last that are no member are left alone, as
/// Java's `GZIPInputStream` leaves them.
pub(super) fn decompress(mut bytes: &[u8], out: &mut Bounded) -> Result<(), DecompressError> {
    loop {
        let mut member = GzDecoder::new(bytes);
        out.extend_from(&mut member)?;
        bytes = member.into_inner();
        if !bytes.starts_with(&MEMBER_MAGIC) {
            return Ok(());
        }
    }
}

pub(super) fn compress(bytes: &[u8], level: i32, out: &mut Vec<u8>) -> Result<(), String> {
    let level = match u32::try_from(level) {
        Ok(level) => flate2::Compression::new(level),
        Err(_) => flate2::Compression::default(),
    };
    let mut encoder = GzEncoder::new(out, level);
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish().map(|_| ()));
    written.map_err(|error| error.to_string())
}
