//! Snappy: written in the framing of the xerial library, as Java does, and read in that framing
//! or raw, as some clients send it.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{Bounded, DecompressError};

/// What a stream in xerial's framing begins with; it cannot begin a raw one of ours, whose length
/// would be followed by an impossible copy.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The magic, a version and the oldest compatible version.
const XERIAL_HEADER_SIZE: usize = 16;
const XERIAL_VERSION: u32 = 1;
/// Input bytes per chunk, the library's default.
const CHUNK_SIZE: usize = 32 * 1024;
/// The densest element, a copy with a two-byte offset, makes 64 bytes of 3.
const EXPANSION_MAX: usize = 22;

pub(super) fn decompress(bytes: &[u8], out: &mut Bounded) -> Result<(), DecompressError> {
    if !is_xerial(bytes) {
        return decompress_raw(bytes, out);
    }
    let mut rest = &bytes[XERIAL_HEADER_SIZE..];
    while !rest.is_empty() {
        // Streams may be joined: a header where a chunk's size is expected begins another.
        if is_xerial(rest) {
            rest = &rest[XERIAL_HEADER_SIZE..];
            continue;
        }
        let Some((size, after)) = rest.split_first_chunk() else {
            return Err(out.corrupt(format!("{} bytes of a chunk's size", rest.len())));
        };
        let size = u32::from_be_bytes(*size) as usize;
        let Some((chunk, after)) = after.split_at_checked(size) else {
            return Err(out.corrupt(format!("{} bytes of a chunk of {size}", after.len())));
        };
        decompress_raw(chunk, out)?;
        rest = after;
    }
    Ok(())
}

fn is_xerial(bytes: &[u8]) -> bool {
    bytes.len() >= XERIAL_HEADER_SIZE && bytes.starts_with(&XERIAL_MAGIC)
}

fn decompress_raw(bytes: &[u8], out: &mut Bounded) -> Result<(), DecompressError> {
    let size = decompress_len(bytes).map_err(|error| out.corrupt(error))?;
    // The size is a claim. Looking at what the input can become at all keeps ten bytes from
    // asking for the whole limit.
    if size > bytes.len().saturating_mul(EXPANSION_MAX) {
        return Err(out.corrupt(format!("{} bytes cannot become {size}", bytes.len())));
    }
    let target = out.grow(size)?;
    match Decoder::new().decompress(bytes, target) {
        Ok(written) if written == size => Ok(()),
        Ok(written) => Err(out.corrupt(format!("{written} bytes instead of {size}"))),
        Err(error) => Err(out.corrupt(error)),
    }
}

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    out.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    let mut encoder = Encoder::new();
    for chunk in bytes.chunks(CHUNK_SIZE) {
        let start = out.len();
        out.resize(start + 4 + max_compress_len(chunk.len()), 0);
        let size =
            encoder.compress(chunk, &mut out[start + 4..]).map_err(|error| error.to_string())?;
        out[start..start + 4].copy_from_slice(&(size as u32).to_be_bytes());
        out.truncate(start + 4 + size);
    }
    Ok(())
}
