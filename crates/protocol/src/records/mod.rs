//! Record batches: format v2 and the message sets v0 and v1, read in place, built, checked,
//! patched and converted, with all of Kafka's codecs.
//!
//! *Invariants:* no input makes this module panic, read outside a batch, or hold more memory than
//! the limit it was given. A view never copies; only decompression allocates.

pub mod batches;
pub mod compression;
pub mod header;
pub mod patch;
pub mod varint;
pub mod view;

pub use batches::{BatchEntry, Batches};
pub use compression::CompressionType;
pub use header::{
    Attributes, BATCH_HEADER_SIZE, BatchHeader, LOG_OVERHEAD, MAGIC_V2, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
    increment_sequence,
};
pub use view::{BatchError, BatchHeaderView, RecordBatchView};
