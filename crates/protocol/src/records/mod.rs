//! Record batches: format v2 and the message sets v0 and v1, read in place, built, checked,
//! patched and converted, with all of Kafka's codecs.
//!
//! Start with [`Batches`], which walks a buffer; [`RecordBatchView`] is one v2 batch in it,
//! [`RecordRef`] one record. [`BatchBuilder`] makes batches, [`check`] is what a leader checks,
//! [`patch`] what it changes in place.
//!
//! *Invariants:* no input makes this module panic, read outside a batch, or hold more memory than
//! the limit it was given. A view never copies; only decompression allocates.

pub mod batches;
pub mod builder;
pub mod check;
pub mod compression;
pub mod control;
pub mod convert;
pub mod entry;
pub mod header;
pub mod iter;
pub mod legacy;
pub mod patch;
pub mod varint;
pub mod view;
mod walk;

pub use batches::{BatchEntry, Batches};
pub use builder::{BatchBuilder, BatchOptions, BuildError, NewRecord};
pub use compression::{Compression, CompressionType, DecompressError, DecompressionLimit};
pub use entry::EntryView;
pub use header::{
    Attributes, BATCH_HEADER_SIZE, BatchHeader, LOG_OVERHEAD, MAGIC_V2, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
    increment_sequence,
};
pub use iter::{BatchRecords, Header, Headers, RecordError, RecordRef, Records};
pub use view::{BatchError, BatchHeaderView, RecordBatchView};
