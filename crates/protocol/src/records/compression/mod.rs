//! The codecs of record batches: their names and levels, and compression and decompression, the
//! latter never beyond a limit.

mod gzip;
mod lz4;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

use std::io::{ErrorKind, Read};

/// The codec of a batch, with the id that its attributes carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CompressionType {
    /// The records stand as they are.
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Snappy in xerial's framing.
    Snappy = 2,
    /// LZ4 in its frame format.
    Lz4 = 3,
    /// Zstandard (KIP-110), from format v2 on.
    Zstd = 4,
}

impl CompressionType {
    /// The codec of an id, nothing for 5 and above.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The id in the attributes.
    #[must_use]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// The codec that a writer uses and how hard it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    codec: CompressionType,
    level: i32,
}

/// A level outside of what Kafka's `compression.<codec>.level` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("level {level} is not one of {}'s: {allowed}", codec.name())]
pub struct LevelError {
    /// The codec.
    pub codec: CompressionType,
    /// The level asked for.
    pub level: i32,
    /// The levels allowed, in words.
    pub allowed: &'static str,
}

impl Compression {
    /// No compression.
    pub const NONE: Self = Self { codec: CompressionType::None, level: 0 };

    /// The codec at Kafka's default level: gzip -1, lz4 9, zstd 3.
    #[must_use]
    pub fn of(codec: CompressionType) -> Self {
        let level = match codec {
            CompressionType::None | CompressionType::Snappy => 0,
            CompressionType::Gzip => gzip::LEVEL_DEFAULT,
            CompressionType::Lz4 => lz4::LEVEL_DEFAULT,
            CompressionType::Zstd => zstd::LEVEL_DEFAULT,
        };
        Self { codec, level }
    }

    /// The codec at a level: gzip 1 to 9 or -1 (`compression.gzip.level`), lz4 1 to 17
    /// (`compression.lz4.level`), zstd -131072 to 22 (`compression.zstd.level`). The others have
    /// no levels and take none into account.
    ///
    /// # Errors
    /// [`LevelError`] where the codec has no such level.
    pub fn with_level(codec: CompressionType, level: i32) -> Result<Self, LevelError> {
        let (known, allowed) = match codec {
            CompressionType::None | CompressionType::Snappy => return Ok(Self::of(codec)),
            CompressionType::Gzip => (gzip::knows_level(level), "1 to 9, or -1"),
            CompressionType::Lz4 => (lz4::LEVELS.contains(&level), "1 to 17"),
            CompressionType::Zstd => (zstd::LEVELS.contains(&level), "-131072 to 22"),
        };
        if known { Ok(Self { codec, level }) } else { Err(LevelError { codec, level, allowed }) }
    }

    /// The codec.
    #[must_use]
    pub fn codec(self) -> CompressionType {
        self.codec
    }

    /// The level; 0 for a codec without levels.
    #[must_use]
    pub fn level(self) -> i32 {
        self.level
    }
}

/// The most bytes that one batch or one compressed wrapper may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecompressionLimit(pub usize);

/// Why compressed bytes were not decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// They would become more than the limit. Nothing beyond the limit was allocated.
    #[error("the records would take more than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// They are not what the codec writes.
    #[error("the bytes are not {}: {reason}", codec.name())]
    Corrupt {
        /// The codec that the attributes name.
        codec: CompressionType,
        /// What the codec found.
        reason: String,
    },
}

/// A codec failed to compress. No input is known that makes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} could not compress: {reason}", codec.name())]
pub struct CompressError {
    /// The codec.
    pub codec: CompressionType,
    /// What it said.
    pub reason: String,
}

/// Decompresses `bytes`, which stood in an entry of format `magic`, into a buffer of its own.
///
/// The buffer grows with what comes out and never beyond the limit. Besides it a codec holds a
/// window: 32 KiB (gzip), at most 128 MiB of address space of which only what the output fills is
/// touched (zstd).
///
/// # Errors
/// [`DecompressError`].
pub fn decompress(
    codec: CompressionType,
    bytes: &[u8],
    magic: i8,
    limit: DecompressionLimit,
) -> Result<Vec<u8>, DecompressError> {
    let mut out = Bounded::new(codec, bytes.len(), limit);
    match codec {
        CompressionType::None => out.extend(bytes)?,
        CompressionType::Gzip => gzip::decompress(bytes, &mut out)?,
        CompressionType::Snappy => snappy::decompress(bytes, &mut out)?,
        CompressionType::Lz4 => lz4::decompress(bytes, magic, &mut out)?,
        CompressionType::Zstd => zstd::decompress(bytes, &mut out)?,
    }
    Ok(out.bytes)
}

/// Appends `bytes` compressed to `out`, as an entry of format `magic` wants it.
///
/// # Errors
/// [`CompressError`] where the codec fails.
pub fn compress(
    compression: Compression,
    bytes: &[u8],
    magic: i8,
    out: &mut Vec<u8>,
) -> Result<(), CompressError> {
    let result = match compression.codec {
        CompressionType::None => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        CompressionType::Gzip => gzip::compress(bytes, compression.level, out),
        CompressionType::Snappy => snappy::compress(bytes, out),
        CompressionType::Lz4 => lz4::compress(bytes, compression.level, magic, out),
        CompressionType::Zstd => zstd::compress(bytes, compression.level, out),
    };
    result.map_err(|reason| CompressError { codec: compression.codec, reason })
}

/// Output that grows up to a limit and refuses to go beyond.
#[derive(Debug)]
struct Bounded {
    codec: CompressionType,
    bytes: Vec<u8>,
    limit: usize,
}

impl Bounded {
    /// Room at the start for what records usually become: four times their compressed size.
    fn new(codec: CompressionType, compressed_size: usize, limit: DecompressionLimit) -> Self {
        let expected = if codec == CompressionType::None { 0 } else { compressed_size * 4 };
        Self { codec, bytes: Vec::with_capacity(expected.min(limit.0)), limit: limit.0 }
    }

    fn too_large(&self) -> DecompressError {
        DecompressError::TooLarge { limit: self.limit }
    }

    fn corrupt(&self, reason: impl ToString) -> DecompressError {
        DecompressError::Corrupt { codec: self.codec, reason: reason.to_string() }
    }

    /// Appends `size` zero bytes for a codec to write to.
    fn grow(&mut self, size: usize) -> Result<&mut [u8], DecompressError> {
        let start = self.bytes.len();
        if size > self.limit - start {
            return Err(self.too_large());
        }
        if size > self.bytes.capacity() - start {
            let doubled = self.bytes.capacity().saturating_mul(2).min(self.limit);
            self.bytes.reserve_exact(doubled.max(start + size) - start);
        }
        self.bytes.resize(start + size, 0);
        Ok(&mut self.bytes[start..])
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), DecompressError> {
        self.grow(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Appends all that `reader` gives, one chunk after the other. A chunk is what a codec hands
    /// out at once at most, about: a larger one would be zeroed again and again.
    fn extend_from(&mut self, reader: &mut impl Read) -> Result<(), DecompressError> {
        const CHUNK: usize = 64 * 1024;
        loop {
            let start = self.bytes.len();
            let spare = self.bytes.capacity() - start;
            let room = if spare == 0 { CHUNK } else { spare.min(CHUNK) };
            let room = room.min(self.limit - start);
            if room == 0 {
                return self.expect_end_of(reader);
            }
            let read = reader.read(self.grow(room)?);
            self.bytes.truncate(start + read.as_ref().map_or(0, |&size| size.min(room)));
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.corrupt(error)),
            }
        }
    }

    /// At the limit: the reader must have no more.
    fn expect_end_of(&self, reader: &mut impl Read) -> Result<(), DecompressError> {
        match reader.read(&mut [0; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.too_large()),
            Err(error) => Err(self.corrupt(error)),
        }
    }
}
