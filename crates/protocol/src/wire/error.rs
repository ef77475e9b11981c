//! What can be wrong with bytes that claim to be a message.

use super::VersionRange;

/// Why a message could not be decoded. Offsets count bytes from the start of the reader's buffer.
///
/// Every kind means the same to a caller: the peer broke the protocol. A broker closes the
/// connection, a log reader treats the record as damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field reaches beyond the end of the frame.
    #[error("{wanted} bytes wanted at offset {at}, {remaining} remain")]
    UnexpectedEnd {
        /// Where the field starts.
        at: usize,
        /// The bytes that the field needs.
        wanted: usize,
        /// The bytes that are left.
        remaining: usize,
    },
    /// A length or count is negative, or larger than the remaining bytes could hold.
    #[error("length {length} before offset {at} is impossible, {remaining} bytes remain")]
    InvalidLength {
        /// The offset behind the length.
        at: usize,
        /// The length as it was read.
        length: i64,
        /// The bytes that are left.
        remaining: usize,
    },
    /// A field that the version declares as not nullable is null.
    #[error("null before offset {at} where this version allows none")]
    NullNotAllowed {
        /// The offset behind the marker.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("string at offset {at} is not UTF-8")]
    InvalidUtf8 {
        /// Where the string's bytes start.
        at: usize,
    },
    /// A variable-length integer does not end within 32 bits (64 for `varlong`).
    #[error("variable-length integer at offset {at} is too long")]
    OverlongVarint {
        /// Where the integer starts.
        at: usize,
    },
    /// The arrays of one message would take more memory than the reader may use.
    #[error("{wanted} bytes of memory wanted at offset {at}, {budget} allowed")]
    HeapBudget {
        /// The offset behind the array's count.
        at: usize,
        /// The memory that the array would take, in bytes.
        wanted: usize,
        /// What is left of the budget, in bytes.
        budget: usize,
    },
    /// A known tagged field does not fill the size it was given.
    #[error("tagged field {tag} ends at offset {at}, {left} bytes before its size says")]
    TagSize {
        /// The tag's number.
        tag: u32,
        /// Where the field's value ended.
        at: usize,
        /// The bytes left over.
        left: usize,
    },
    /// Bytes follow the end of the message.
    #[error("{count} bytes follow the end of the message at offset {at}")]
    TrailingBytes {
        /// Where the message ended.
        at: usize,
        /// The bytes left over.
        count: usize,
    },
    /// The message has no such version.
    #[error("version {version} of {message} is outside {known}")]
    UnsupportedVersion {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The versions there are.
        known: VersionRange,
    },
    /// There is no record type, or frame version, of this number.
    #[error("{what} {number} is unknown")]
    UnknownType {
        /// What the number should have named.
        what: &'static str,
        /// The number.
        number: i64,
    },
}
