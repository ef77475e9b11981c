//! The traits of generated messages, and ranges of versions.

use std::fmt;

use super::{DecodeError, Reader, Writer};
use crate::ApiKey;

/// An inclusive range of message versions; empty if `min > max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionRange {
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl VersionRange {
    /// The range from `min` to `max`, both included.
    pub const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    /// Whether `version` is in the range.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Whether the range has no version.
    pub const fn is_empty(self) -> bool {
        self.min > self.max
    }

    /// The versions that both ranges have.
    pub fn intersect(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: self.max.min(other.max) }
    }

    /// All versions, the lowest first.
    pub fn iter(self) -> VersionRangeIter {
        self.min..=self.max
    }
}

/// The iterator over a range's versions.
pub type VersionRangeIter = std::ops::RangeInclusive<i16>;

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// Where an API is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// On the listeners for clients and other brokers.
    Broker,
    /// On the controller's listener.
    Controller,
}

/// A message of the protocol, or a record in one of Kafka's internal topics.
///
/// `'a` is the frame that a decoded message borrows its strings and bytes from.
pub trait Message<'a>: Sized {
    /// Kafka's name, such as `FetchRequest`.
    const NAME: &'static str;
    /// Every version that can be read and written.
    const VERSIONS: VersionRange;
    /// The versions that a released Kafka offers without being asked to enable unstable ones.
    const STABLE_VERSIONS: VersionRange = Self::VERSIONS;
    /// The first version with compact lengths and tagged fields (KIP-482).
    const FLEXIBLE_FROM: Option<i16>;

    /// Reads one message and leaves the reader behind it.
    ///
    /// # Errors
    /// Any [`DecodeError`]; the reader's position is then meaningless.
    fn decode(r: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;

    /// Writes the message.
    ///
    /// This cannot fail: a field that `version` lacks is left out, null becomes an empty value
    /// where `version` allows no null, and a string is cut at 32767 bytes, the most that any
    /// Kafka version accepts.
    fn encode(&self, w: &mut Writer, version: i16);

    /// Tells of every error code in a response that is not 0: its own, and those of the topics,
    /// partitions or other parts that it answers for. Other messages have none.
    fn errors(&self, _seen: &mut dyn FnMut(i16)) {}

    /// Refuses a version that the message does not have.
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedVersion`].
    fn check_version(version: i16) -> Result<(), DecodeError> {
        let (message, known) = (Self::NAME, Self::VERSIONS);
        if known.contains(version) {
            Ok(())
        } else {
            Err(DecodeError::UnsupportedVersion { message, version, known })
        }
    }

    /// Reads a message that fills `buf`.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and [`DecodeError::TrailingBytes`] if bytes are left over.
    fn decode_exact(buf: &'a [u8], version: i16) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(buf);
        let message = Self::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(message)
    }

    /// The message's bytes, without the record data of [`Records::External`](super::Records).
    fn to_bytes(&self, version: i16) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer, version);
        writer.into_parts().0
    }
}

/// A request, which knows its API key and its response.
pub trait Request<'a>: Message<'a> {
    /// The API that the request calls.
    const KEY: ApiKey;
    /// What answers the request, in the same version.
    type Response<'b>: Message<'b>;
}
