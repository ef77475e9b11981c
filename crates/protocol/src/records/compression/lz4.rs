//! LZ4 in its frame format, and the frames of format v0.
//!
//! Kafka's first LZ4 writer computed the header's checksum over the frame's magic number too.
//! Clients that old check it so; in v0 the checksum is written that way and never checked
//! (KIP-57).

use std::io::Write;
use std::ops::RangeInclusive;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{Bounded, DecompressError};

/// Kafka's levels. The encoder has one speed, so a level is accepted and changes nothing.
pub(super) const LEVELS: RangeInclusive<i32> = 1..=17;
pub(super) const LEVEL_DEFAULT: i32 = 9;

const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Where the flags stand, the first byte that the header's checksum covers.
const FLAGS_AT: usize = 4;
const HAS_CONTENT_SIZE: u8 = 1 << 3;
const HAS_DICTIONARY_ID: u8 = 1;
/// Where the checksum stands in the frames that are written here.
const CHECKSUM_AT: usize = 6;

pub(super) fn decompress(
    bytes: &[u8],
    magic: i8,
    out: &mut Bounded,
) -> Result<(), DecompressError> {
    if !bytes.starts_with(&FRAME_MAGIC) {
        return Err(out.corrupt("the frame's magic number is missing"));
    }
    if magic > 0 {
        return out.extend_from(&mut FrameDecoder::new(bytes));
    }
    match with_right_checksum(bytes) {
        Some((header, rest)) => {
            out.extend_from(&mut FrameDecoder::new(std::io::Read::chain(&header[..], rest)))
        }
        None => Err(out.corrupt("the frame's header is cut")),
    }
}

/// The frame's header with the checksum that it should have, and what follows.
fn with_right_checksum(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let flags = *bytes.get(FLAGS_AT)?;
    let content_size = if flags & HAS_CONTENT_SIZE != 0 { 8 } else { 0 };
    let dictionary_id = if flags & HAS_DICTIONARY_ID != 0 { 4 } else { 0 };
    let end = CHECKSUM_AT + content_size + dictionary_id;
    let mut header = bytes.get(..=end)?.to_vec();
    header[end] = checksum(&header[FLAGS_AT..end]);
    Some((header, &bytes[end + 1..]))
}

/// Second byte of the hash, as the frame format has it.
fn checksum(bytes: &[u8]) -> u8 {
    (XxHash32::oneshot(0, bytes) >> 8) as u8
}

pub(super) fn compress(bytes: &[u8], magic: i8, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    // What Kafka's writer chooses: independent blocks of 64 KiB, no sizes, no further checksums.
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, &mut *out);
    encoder.write_all(bytes).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())?;
    if magic == 0 {
        out[start + CHECKSUM_AT] = checksum(&out[start..start + CHECKSUM_AT]);
    }
    Ok(())
}
