//! Partition logs in Kafka's on-disk format: segments, indexes, recovery, retention.
//!
//! Start reading at [`Log::append`] for a produce and at [`Log::read`] for a fetch.
//!
//! *Architecture invariant:* the log knows batches, offsets and files. It decides nothing about
//! replication, groups or requests, and it never looks into records except to find a timestamp.

mod append;
pub mod checkpoint;
mod cleaner;
mod close;
mod config;
mod dirs;
mod epochs;
mod error;
mod flush;
mod index;
pub mod inspect;
mod log;
mod moving;
mod names;
mod open;
mod read;
mod recovery;
mod retention;
mod scan;
mod segment;
mod spans;
mod swap_files;
mod tail;
mod time_search;
mod truncate;
mod txn_index;

pub use append::{AppendOptions, Appended, Origin};
pub use cleaner::{CleanError, Cleanable, CleanerLimits, Cleaning, Stats, Stepped};
pub use config::LogConfig;
pub use dirs::{
    CLEAN_FILE, ConfigOf, DirId, DirOpen, Known, LOCK_FILE, LogDir, LogDirs, MetaProperties,
};
pub use epochs::EpochEntry;
pub use error::{AppendError, OpenError, ReadError};
pub use log::Log;
pub use moving::{Move, MoveError, Moved};
pub use names::{TopicPartition, parse_partition_dir};
pub use open::{OpenLog, Report};
pub use read::{ReadLimits, Slice};
pub use retention::ClosedSegment;
pub use spans::BatchSpan;
pub use time_search::TimestampOffset;
pub use txn_index::{AbortedTransaction, Wait};
