//! Fields whose content the codec does not look into: record sets and unknown tagged fields.

use std::borrow::Cow;

/// A field of Kafka's type `records`: record batches, or a message set of an old format.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Records<'a> {
    /// No records, told apart from an empty set on the wire.
    #[default]
    Null,
    /// The records' bytes. Encoding copies them.
    Slice(Cow<'a, [u8]>),
    /// So many bytes that the sender supplies itself, from a file or a socket: encoding writes
    /// their length and leaves a [`Hole`](super::Hole). Decoding never yields this.
    External(usize),
}

impl Records<'_> {
    /// The number of bytes; 0 for null.
    pub fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Slice(bytes) => bytes.len(),
            Self::External(len) => *len,
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that are at hand: none for null and for external records.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Slice(bytes) => bytes,
            Self::Null | Self::External(_) => &[],
        }
    }

    /// The same records, independent of the frame.
    pub fn into_static(self) -> Records<'static> {
        match self {
            Self::Null => Records::Null,
            Self::Slice(bytes) => Records::Slice(Cow::Owned(bytes.into_owned())),
            Self::External(len) => Records::External(len),
        }
    }
}

/// A tagged field that this version of the schema does not know; kept and written back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedField<'a> {
    /// The tag's number.
    pub tag: u32,
    /// The field's bytes, without tag and size.
    pub data: Cow<'a, [u8]>,
}

impl TaggedField<'_> {
    /// The same field, independent of the frame.
    pub fn into_static(self) -> TaggedField<'static> {
        TaggedField { tag: self.tag, data: Cow::Owned(self.data.into_owned()) }
    }
}
