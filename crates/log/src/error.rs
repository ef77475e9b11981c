//! What can go wrong, by what the caller does about it.

use std::io;

use klamm_protocol::records::BatchError;
use klamm_transactions::Refusal;

/// Why an append did not happen. The log is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A batch is malformed (Kafka's `CORRUPT_MESSAGE`).
    #[error("{0}")]
    Batch(#[from] BatchError),
    /// The records cannot be appended as they are (Kafka's `INVALID_RECORD`).
    #[error("{0}")]
    Invalid(String),
    /// The batch alone exceeds `segment.bytes` (Kafka's `RECORD_LIST_TOO_LARGE`).
    #[error("{size} bytes of records exceed segment.bytes = {limit}")]
    TooLarge {
        /// Size of the records, bytes.
        size: u64,
        /// `segment.bytes`.
        limit: u64,
    },
    /// The producer state refuses the batch.
    #[error("{0}")]
    Producer(#[from] Refusal),
    /// The batch does not continue a log that copies a leader.
    #[error("offset {given} does not continue the log, which ends at {end}")]
    OutOfOrder {
        /// Base offset of the batch.
        given: i64,
        /// Log end offset.
        end: i64,
    },
    /// The directory takes no records of clients because its volume fills: try again later.
    #[error("producing is refused: the volume of the log directory is too full")]
    Restricted,
    /// The volume is full: try again when there is room.
    #[error("no room: {0}")]
    Full(io::Error),
    /// The device failed: the log takes no more appends until its directory is well again.
    #[error("{0}")]
    Io(io::Error),
    /// The log was closed or failed before.
    #[error("the log is offline: {0}")]
    Offline(String),
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log start or beyond the log end.
    #[error("offset {offset} is outside of {start}..={end}")]
    OutOfRange {
        /// Offset asked for.
        offset: i64,
        /// Log start offset.
        start: i64,
        /// Log end offset.
        end: i64,
    },
    /// The device failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What is on disk is not a batch.
    #[error("segment {segment}, position {position}: {error}")]
    Corrupt {
        /// Base offset of the segment.
        segment: i64,
        /// Position in its file, bytes.
        position: u64,
        /// What is wrong.
        error: BatchError,
    },
}

/// Why a log cannot be opened. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A batch that was once durable, or that valid batches follow, is damaged.
    #[error(
        "{file}, position {position}: {error}. {following} bytes follow it, so this is not a torn \
         tail and nothing was cut. Restore the file, or delete the partition's directory to start \
         it empty"
    )]
    Corrupt {
        /// The segment file.
        file: String,
        /// Position of the damaged batch, bytes.
        position: u64,
        /// What is wrong with it.
        error: String,
        /// Bytes after the damaged batch began.
        following: u64,
    },
}
