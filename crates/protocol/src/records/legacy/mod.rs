//! Message sets of the formats v0 (up to 0.9) and v1 (0.10): one message per entry, of which a
//! compressed one wraps a message set of its own.

mod read;
mod write;

pub use read::{MessageRecords, MessageRecordsIter, MessageSetError, MessageView};
pub use write::{LegacyFormat, MessageSetBuilder};

/// Position of the checksum, an IEEE CRC-32 of everything after it.
const CRC_AT: usize = 12;
const CRC_COVERS_FROM: usize = 16;
const ATTRIBUTES_AT: usize = 17;
/// Position of the timestamp in v1, of the key's size in v0.
const TIMESTAMP_AT: usize = 18;
const TIMESTAMP_SIZE: usize = 8;
const COMPRESSION_MASK: u8 = 0b111;
/// The bit of v1 that says that a timestamp is the append time.
const LOG_APPEND_TIME: u8 = 1 << 3;
