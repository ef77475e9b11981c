//! Kafka's UUID: 16 bytes, shown in URL-safe base 64 without padding.

use std::fmt;
use std::str::FromStr;

/// A 128-bit identifier of a topic, a log directory, a broker incarnation ...
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid([u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 128 bits in units of 6.
const TEXT_LEN: usize = 22;

impl Uuid {
    /// All zero: "no id".
    pub const ZERO: Self = Self([0; 16]);
    /// The number 1, which Kafka reserves for the metadata topic's id.
    pub const ONE: Self = Self::from_u128(1);

    /// The id of the number whose big-endian bytes it has.
    pub const fn from_u128(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// The id as a number, big-endian.
    pub const fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes, as on the wire.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether the id is all zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.as_u128();
        // 22 digits hold 132 bits: the last digit has four zero bits at its end.
        let digits = (0..TEXT_LEN).map(|i| match i {
            21 => (number << 4) & 63,
            _ => (number >> (122 - 6 * i)) & 63,
        });
        let mut text = [0; TEXT_LEN];
        for (out, digit) in text.iter_mut().zip(digits) {
            *out = ALPHABET[usize::try_from(digit).unwrap_or_default()];
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a UUID in URL-safe base 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a UUID has 22 characters of URL-safe base 64")]
pub struct ParseUuidError;

impl FromStr for Uuid {
    type Err = ParseUuidError;

    /// Accepts what Kafka's tools accept: 22 digits, with or without the padding `==`.
    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let text = text.strip_suffix("==").unwrap_or(text).as_bytes();
        if text.len() != TEXT_LEN {
            return Err(ParseUuidError);
        }
        let mut number = 0u128;
        for (i, c) in text.iter().enumerate() {
            let digit = ALPHABET.iter().position(|a| a == c).ok_or(ParseUuidError)? as u128;
            number = if i == 21 { number << 2 | digit >> 4 } else { number << 6 | digit };
        }
        Ok(Self::from_u128(number))
    }
}
