//! The codecs: round trips, foreign variants, and bombs.

use super::*;

const CODECS: [CompressionType; 5] = [
    CompressionType::None,
    CompressionType::Gzip,
    CompressionType::Snappy,
    CompressionType::Lz4,
    CompressionType::Zstd,
];
const PLENTY: DecompressionLimit = DecompressionLimit(16 << 20);

fn packed(compression: Compression, bytes: &[u8], magic: i8) -> Vec<u8> {
    let mut out = b"kept".to_vec();
    compress(compression, bytes, magic, &mut out).unwrap();
    assert!(out.starts_with(b"kept"));
    out.split_off(4)
}

fn text(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * index / 97) as u8).collect()
}

/// Compresses and decompresses; the limit may be met, but not passed.
fn check(compression: Compression, size: usize) {
    let bytes = text(size);
    for magic in 0..=2 {
        let packed = packed(compression, &bytes, magic);
        let unpack = |limit| decompress(compression.codec(), &packed, magic, limit);
        assert_eq!(unpack(PLENTY).unwrap(), bytes, "{compression:?} of {size}");
        assert_eq!(unpack(DecompressionLimit(size)).unwrap(), bytes, "{compression:?} of {size}");
        if size > 0 {
            let refused = Err(DecompressError::TooLarge { limit: size - 1 });
            assert_eq!(unpack(DecompressionLimit(size - 1)), refused, "{compression:?} of {size}");
        }
    }
}

#[test]
fn what_was_compressed_comes_back() {
    for codec in CODECS {
        for size in [0, 1, 100, 32 * 1024, 64 * 1024 + 1, 300_000] {
            check(Compression::of(codec), size);
        }
    }
}

#[test]
fn a_higher_lz4_level_packs_more() {
    let bytes: Vec<u8> = (0..20_000_u64).flat_map(|n| (n * n % 977).to_be_bytes()).collect();
    let size = |level| {
        let compression = Compression::with_level(CompressionType::Lz4, level).unwrap();
        packed(compression, &bytes, 2).len()
    };
    assert!(size(12) < size(3), "{} {}", size(12), size(3));
    assert!(size(3) < size(9), "9 stands for the fast one: {} {}", size(3), size(9));
}

#[test]
fn levels_are_those_of_kafkas_topic_configs() {
    let allowed = |codec| {
        let level = |level: &i32| Compression::with_level(codec, *level).is_ok();
        let tried = [-131_073, -131_072, -2, -1, 0, 1, 9, 10, 17, 18, 22, 23];
        tried.into_iter().filter(level).collect::<Vec<_>>()
    };
    assert_eq!(allowed(CompressionType::Gzip), [-1, 1, 9]);
    assert_eq!(allowed(CompressionType::Lz4), [1, 9, 10, 17]);
    assert_eq!(allowed(CompressionType::Zstd), [-131_072, -2, -1, 0, 1, 9, 10, 17, 18, 22]);
    for (codec, level) in [
        (CompressionType::Gzip, 1),
        (CompressionType::Gzip, 9),
        (CompressionType::Lz4, 17),
        (CompressionType::Zstd, -131_072),
        (CompressionType::Zstd, 22),
    ] {
        check(Compression::with_level(codec, level).unwrap(), 10_000);
    }
    let error = Compression::with_level(CompressionType::Gzip, 10).unwrap_err();
    assert_eq!(error.to_string(), "level 10 is not one of gzip's: 1 to 9, or -1");
}

/// 32 MiB of zeros against a limit of 1 MiB: refused, and the buffer stayed within the limit.
#[test]
fn a_bomb_is_refused_at_the_limit() {
    let limit = DecompressionLimit(1 << 20);
    let zeros = vec![0; 32 << 20];
    for codec in CODECS {
        let packed = match codec {
            CompressionType::None => vec![0; 2 << 20],
            _ => packed(Compression::of(codec), &zeros, 2),
        };
        let mut out = Bounded::new(codec, packed.len(), limit);
        let result = match codec {
            CompressionType::None => out.extend(&packed),
            CompressionType::Gzip => gzip::decompress(&packed, &mut out),
            CompressionType::Snappy => snappy::decompress(&packed, &mut out),
            CompressionType::Lz4 => lz4::decompress(&packed, 2, &mut out),
            CompressionType::Zstd => zstd::decompress(&packed, &mut out),
        };
        assert_eq!(result, Err(DecompressError::TooLarge { limit: limit.0 }), "{codec:?}");
        assert!(out.bytes.capacity() <= limit.0, "{codec:?}: {} bytes", out.bytes.capacity());
    }
}

#[test]
fn cut_input_is_corrupt() {
    for codec in CODECS.into_iter().skip(1) {
        let packed = packed(Compression::of(codec), &text(100_000), 2);
        for cut in [packed.len() / 2, packed.len() - 1, 5, 1] {
            let result = decompress(codec, &packed[..cut], 2, PLENTY);
            assert!(
                matches!(result, Err(DecompressError::Corrupt { .. })),
                "{codec:?} cut at {cut} of {}",
                packed.len()
            );
        }
    }
}

#[test]
fn raw_snappy_is_read() {
    let bytes = text(70_000);
    let raw = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
    assert_eq!(decompress(CompressionType::Snappy, &raw, 2, PLENTY).unwrap(), bytes);
}

#[test]
fn joined_snappy_streams_are_read() {
    let one = packed(Compression::of(CompressionType::Snappy), b"one", 2);
    let joined = [one.clone(), one].concat();
    assert_eq!(decompress(CompressionType::Snappy, &joined, 2, PLENTY).unwrap(), b"oneone");
}

#[test]
fn a_snappy_length_that_cannot_be_is_refused_before_memory_is_asked_for() {
    // A claim of 15 MiB, followed by nothing.
    let claim = [0x80, 0x80, 0xc0, 0x07];
    let error = decompress(CompressionType::Snappy, &claim, 2, PLENTY).unwrap_err();
    let reason = "the bytes are not snappy: 4 bytes cannot become 15728640";
    assert_eq!(error.to_string(), reason);
}

#[test]
fn joined_gzip_members_are_read_and_what_is_none_is_left() {
    let one = packed(Compression::of(CompressionType::Gzip), b"one", 2);
    let joined = [one.clone(), one, b"rest".to_vec()].concat();
    assert_eq!(decompress(CompressionType::Gzip, &joined, 2, PLENTY).unwrap(), b"oneone");
}

#[test]
fn the_lz4_header_checksum_counts_from_v1_on() {
    let lz4 = Compression::of(CompressionType::Lz4);
    let (old, new) = (packed(lz4, b"text", 0), packed(lz4, b"text", 1));
    assert_ne!(old, new);
    let unpack = |bytes: &[u8], magic| decompress(CompressionType::Lz4, bytes, magic, PLENTY);
    assert_eq!(unpack(&old, 0).unwrap(), b"text");
    assert_eq!(unpack(&new, 0).unwrap(), b"text");
    assert_eq!(unpack(&new, 1).unwrap(), b"text");
    assert!(unpack(&old, 1).is_err());
    assert!(unpack(&old, 2).is_err());
}

#[test]
fn an_lz4_frame_with_all_the_trimmings_is_read() {
    let bytes = text(200_000);
    for mode in [lz4_flex::frame::BlockMode::Independent, lz4_flex::frame::BlockMode::Linked] {
        let info = lz4_flex::frame::FrameInfo::new()
            .block_mode(mode)
            .content_size(Some(bytes.len() as u64))
            .content_checksum(true)
            .block_checksums(true);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        std::io::Write::write_all(&mut encoder, &bytes).unwrap();
        let packed = encoder.finish().unwrap();
        for magic in 0..=2 {
            assert_eq!(decompress(CompressionType::Lz4, &packed, magic, PLENTY).unwrap(), bytes);
        }
    }
}
