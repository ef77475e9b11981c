//! Zigzag varints of the record format, read and written as Kafka's `ByteUtils` does.
//!
//! A number may be written with more bytes than it needs, as Kafka allows, but never with more
//! than its width can need: five bytes for 32 bits, ten for 64.

/// Most bytes that a 32-bit varint takes.
pub const VARINT_SIZE_MAX: usize = 5;
/// Most bytes that a 64-bit varint takes.
pub const VARLONG_SIZE_MAX: usize = 10;

/// Why a varint could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    /// The bytes end inside the number.
    #[error("the bytes end inside a varint")]
    Truncated,
    /// The number goes on after the most bytes that its width can need.
    #[error("a varint is longer than {max} bytes")]
    TooLong {
        /// Bytes allowed.
        max: usize,
    },
}

/// Reads a zigzag 32-bit varint from the front of `bytes` and moves past it.
#[inline]
pub fn read_varint(bytes: &mut &[u8]) -> Result<i32, VarintError> {
    // Bits above the 32nd in the fifth byte are dropped, as Java's shift drops them.
    let raw = read_unsigned(bytes, VARINT_SIZE_MAX)? as u32;
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a zigzag 64-bit varint from the front of `bytes` and moves past it.
#[inline]
pub fn read_varlong(bytes: &mut &[u8]) -> Result<i64, VarintError> {
    Ok(unzigzag64(read_unsigned(bytes, VARLONG_SIZE_MAX)?))
}

/// Reads a varint of at most `max` bytes as it stands there.
#[inline]
pub(super) fn read_unsigned(bytes: &mut &[u8], max: usize) -> Result<u64, VarintError> {
    // Nearly all varints of a record take one byte.
    if let [first, rest @ ..] = *bytes
        && *first < 0x80
    {
        *bytes = rest;
        return Ok(u64::from(*first));
    }
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(max).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    if bytes.len() < max { Err(VarintError::Truncated) } else { Err(VarintError::TooLong { max }) }
}

/// Appends `value` as a zigzag 32-bit varint.
#[inline]
pub fn write_varint(out: &mut Vec<u8>, value: i32) {
    write_unsigned(out, u64::from(zigzag32(value)));
}

/// Appends `value` as a zigzag 64-bit varint.
#[inline]
pub fn write_varlong(out: &mut Vec<u8>, value: i64) {
    write_unsigned(out, zigzag64(value));
}

#[inline]
fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`write_varint`] takes for `value`.
#[must_use]
pub fn varint_size(value: i32) -> usize {
    unsigned_size(u64::from(zigzag32(value)))
}

/// Bytes that [`write_varlong`] takes for `value`.
#[must_use]
pub fn varlong_size(value: i64) -> usize {
    unsigned_size(zigzag64(value))
}

fn unsigned_size(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The number that a varint stands for.
#[inline]
pub(super) fn unzigzag64(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: i64, hex: &str) {
        let mut long = Vec::new();
        write_varlong(&mut long, value);
        let shown: String = long.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, hex);
        assert_eq!(varlong_size(value), long.len());
        assert_eq!(read_varlong(&mut &long[..]), Ok(value));
        if let Ok(short) = i32::try_from(value) {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, short);
            assert_eq!(bytes, long);
            assert_eq!(varint_size(short), bytes.len());
            assert_eq!(read_varint(&mut &bytes[..]), Ok(short));
        }
    }

    #[test]
    fn numbers_take_the_bytes_that_kafka_gives_them() {
        check(0, "00");
        check(-1, "01");
        check(63, "7e");
        check(-64, "7f");
        check(64, "8001");
        check(8191, "fe7f");
        check(i64::from(i32::MAX), "feffffff0f");
        check(i64::from(i32::MIN), "ffffffff0f");
        check(i64::MAX, "feffffffffffffffff01");
        check(i64::MIN, "ffffffffffffffffff01");
    }

    #[test]
    fn what_is_cut_or_too_long_is_refused() {
        assert_eq!(read_varint(&mut &[][..]), Err(VarintError::Truncated));
        assert_eq!(read_varint(&mut &[0x80, 0x80][..]), Err(VarintError::Truncated));
        assert_eq!(read_varint(&mut &[0x80; 5][..]), Err(VarintError::TooLong { max: 5 }));
        assert_eq!(read_varlong(&mut &[0xff; 11][..]), Err(VarintError::TooLong { max: 10 }));
    }

    #[test]
    fn padding_within_the_width_is_read_as_kafka_reads_it() {
        assert_eq!(read_varint(&mut &[0x82, 0x80, 0x00][..]), Ok(1));
    }
}
