//! LZ4 in its frame format, and the frames of format v0.
//!
//! Kafka's first LZ4 writer computed the header's checksum over the frame's magic number too.
//! Clients that old check it so; in v0 the checksum is written that way and never checked
//! (KIP-57).
//!
//! Frames are taken apart here and blocks left to the library: they go straight to where they
//! belong, and what Kafka does not look at, neither do we (content size, content checksum, what
//! follows the frame).

use std::io::Write;
use std::ops::RangeInclusive;

use lz4_flex::block::{DecompressError as BlockError, decompress_into_with_dict};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{Bounded, DecompressError};

/// Kafka's levels. As there, the default one is the fast compressor, which has no levels; all others
/// are those of the slow one, which stops getting slower at 12.
pub(super) const LEVELS: RangeInclusive<i32> = 1..=17;
pub(super) const LEVEL_DEFAULT: i32 = 9;

const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const VERSION_MASK: u8 = 0b1100_0000;
const VERSION: u8 = 0b0100_0000;
const HAS_BLOCK_CHECKSUMS: u8 = 1 << 4;
const HAS_CONTENT_SIZE: u8 = 1 << 3;
/// A reserved bit, and a dictionary that the other side would have to have.
const UNSUPPORTED: u8 = 0b11;
/// Version 1, independent blocks of at most 64 KiB, no sizes, no checksums.
const DESCRIPTOR: [u8; 2] = [0b0110_0000, 0b0100_0000];
const BLOCK: usize = 64 * 1024;
/// Where the checksum stands in the frames that are written here.
const CHECKSUM_AT: usize = 6;
const NOT_COMPRESSED: u32 = 1 << 31;
/// How far back a block may point.
const WINDOW: usize = 64 * 1024;
/// More than a byte of input can become.
const EXPANSION_MAX: usize = 256;

pub(super) fn decompress(
    bytes: &[u8],
    magic: i8,
    out: &mut Bounded,
) -> Result<(), DecompressError> {
    let mut rest = bytes;
    let frame = Frame::read(&mut rest, magic).map_err(|reason| out.corrupt(reason))?;
    let start = out.bytes.len();
    loop {
        match frame.next_block(&mut rest).map_err(|reason| out.corrupt(reason))? {
            Block::End => return Ok(()),
            Block::Plain(bytes) => out.extend(bytes)?,
            Block::Compressed(bytes) => frame.decompress_block(bytes, start, out)?,
        }
    }
}

/// What a frame's header says of its blocks.
struct Frame {
    block_size_max: usize,
    has_block_checksums: bool,
}

enum Block<'a> {
    End,
    Plain(&'a [u8]),
    Compressed(&'a [u8]),
}

const CUT: &str = "the frame is cut";

impl Frame {
    fn read(rest: &mut &[u8], magic: i8) -> Result<Self, &'static str> {
        if *take(rest)? != FRAME_MAGIC {
            return Err("the frame's magic number is missing");
        }
        let descriptor = *rest;
        let &[flags, block] = take(rest)?;
        if flags & VERSION_MASK != VERSION || flags & UNSUPPORTED != 0 {
            return Err("the frame's flags are unknown");
        }
        if flags & HAS_CONTENT_SIZE != 0 {
            take::<8>(rest)?;
        }
        let descriptor = &descriptor[..descriptor.len() - rest.len()];
        let &[stored] = take(rest)?;
        if magic > 0 && stored != checksum(descriptor) {
            return Err("the frame's header does not fit its checksum");
        }
        let block_size_max = match block >> 4 {
            // 64 KiB, 256 KiB, 1 MiB, 4 MiB.
            id @ 4..=7 => 1 << (2 * id + 8),
            _ => return Err("the frame's block size is unknown"),
        };
        Ok(Self { block_size_max, has_block_checksums: flags & HAS_BLOCK_CHECKSUMS != 0 })
    }

    fn next_block<'a>(&self, rest: &mut &'a [u8]) -> Result<Block<'a>, &'static str> {
        let field = u32::from_le_bytes(*take(rest)?);
        let size = (field & !NOT_COMPRESSED) as usize;
        if size == 0 {
            return Ok(Block::End);
        }
        if size > self.block_size_max {
            return Err("a block is larger than the frame allows");
        }
        let (block, after) = rest.split_at_checked(size).ok_or(CUT)?;
        *rest = after;
        if self.has_block_checksums
            && u32::from_le_bytes(*take(rest)?) != XxHash32::oneshot(0, block)
        {
            return Err("a block does not fit its checksum");
        }
        let is_plain = field & NOT_COMPRESSED != 0;
        Ok(if is_plain { Block::Plain(block) } else { Block::Compressed(block) })
    }

    /// Appends a block's bytes. Linked blocks, which may point into the ones before, are read as
    /// well, although Kafka knows only independent ones.
    fn decompress_block(
        &self,
        block: &[u8],
        frame_start: usize,
        out: &mut Bounded,
    ) -> Result<(), DecompressError> {
        let start = out.bytes.len();
        let wanted = self.block_size_max.min(block.len().saturating_mul(EXPANSION_MAX));
        let room = wanted.min(out.limit - start);
        out.grow(room)?;
        let (before, target) = out.bytes.split_at_mut(start);
        let window = &before[frame_start.max(start.saturating_sub(WINDOW))..];
        match decompress_into_with_dict(block, target, window) {
            Ok(size) => {
                out.bytes.truncate(start + size);
                Ok(())
            }
            Err(BlockError::OutputTooSmall { .. }) if room < wanted => Err(out.too_large()),
            Err(error) => Err(out.corrupt(error)),
        }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], &'static str> {
    let (field, after) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = after;
    Ok(field)
}

/// Second byte of the hash, as the frame format has it.
fn checksum(bytes: &[u8]) -> u8 {
    (XxHash32::oneshot(0, bytes) >> 8) as u8
}

pub(super) fn compress(
    bytes: &[u8],
    level: i32,
    magic: i8,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let start = out.len();
    if level == LEVEL_DEFAULT {
        compress_fast(bytes, out)?;
    } else {
        compress_slowly(bytes, level, out)?;
    }
    if magic == 0 {
        out[start + CHECKSUM_AT] = checksum(&out[start..start + CHECKSUM_AT]);
    }
    Ok(())
}

/// The frame of the slow compressor: the same choices, block by block.
fn compress_slowly(bytes: &[u8], level: i32, out: &mut Vec<u8>) -> Result<(), String> {
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&DESCRIPTOR);
    out.push(checksum(&DESCRIPTOR));
    let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(level);
    for plain in bytes.chunks(BLOCK) {
        let block = lz4::block::compress(plain, Some(mode), false);
        let block = block.map_err(|error| error.to_string())?;
        let (block, flag) = match block.len() < plain.len() {
            true => (&block[..], 0),
            false => (plain, NOT_COMPRESSED),
        };
        // A block is at most 64 KiB.
        out.extend_from_slice(&(block.len() as u32 | flag).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

fn compress_fast(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    // What Kafka's writer chooses: independent blocks of 64 KiB, no sizes, no further checksums.
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, &mut *out);
    encoder.write_all(bytes).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())?;
    Ok(())
}
