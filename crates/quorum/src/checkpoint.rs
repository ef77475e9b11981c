//! Snapshots of the metadata, in Kafka's format: `<end offset>-<epoch>.checkpoint`, a
//! SnapshotHeader control batch, batches of metadata records, a SnapshotFooter control batch.

use std::path::{Path, PathBuf};

use klamm_env::{Disk, disk};
use klamm_metadata::{Image, encode};
use klamm_protocol::{
    messages::{SnapshotFooterRecord, SnapshotHeaderRecord, metadata_record::MetadataRecord},
    records::{
        BatchBuilder, BatchOptions, Batches, BuildError, NewRecord, RecordBatchView,
        control::{ControlBatch, ControlType},
    },
    wire::Message as _,
};

use crate::batch;

/// Bytes of records after which a snapshot begins another batch (Kafka's largest is 8 MiB).
const BATCH_BYTES: usize = 1 << 20;

/// The largest snapshot that is read, bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 30;

/// Suffix of snapshot files.
const SUFFIX: &str = ".checkpoint";

/// Where a snapshot stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint {
    /// Offset after the last record that is in it.
    pub end_offset: i64,
    /// Leader epoch of that record.
    pub epoch: i32,
}

/// Why bytes are not a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A batch is damaged.
    #[error("position {position}: {error}")]
    Batch {
        /// Where it begins, bytes.
        position: usize,
        /// What is wrong.
        error: String,
    },
    /// The file does not end with a footer: it was never finished.
    #[error("there is no footer at the end")]
    Unfinished,
}

impl Checkpoint {
    /// The file's name.
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}{SUFFIX}", self.end_offset, self.epoch)
    }

    /// The snapshot that a file name speaks of.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        if offset.len() != 20 || epoch.len() != 10 {
            return None;
        }
        Some(Self { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }

    /// The file's path.
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(self.file_name())
    }

    /// The image as the bytes of a snapshot.
    ///
    /// `last_timestamp` is that of the last record in it, `now_ms` the time of writing, both
    /// milliseconds since the epoch.
    ///
    /// # Errors
    /// A record that is too large for a batch.
    pub fn encode(
        self,
        image: &Image,
        last_timestamp: i64,
        now_ms: i64,
    ) -> Result<Vec<u8>, BuildError> {
        self.encode_with(&[], image, last_timestamp, now_ms)
    }

    /// The same with further control records, which come first.
    pub(crate) fn encode_with(
        self,
        controls: &[(ControlType, Vec<u8>)],
        image: &Image,
        last_timestamp: i64,
        now_ms: i64,
    ) -> Result<Vec<u8>, BuildError> {
        let mut writer = Writer { epoch: self.epoch, now_ms, next_offset: 0, bytes: Vec::new() };
        let header = SnapshotHeaderRecord {
            last_contained_log_timestamp: last_timestamp,
            ..SnapshotHeaderRecord::default()
        };
        writer.control(ControlType::SnapshotHeader, &header.to_bytes(0))?;
        for (kind, value) in controls {
            writer.control(*kind, value)?;
        }
        let records = image.snapshot();
        let values: Vec<_> = records.iter().map(|r| encode(r, image.features())).collect();
        writer.data(&values)?;
        let footer = SnapshotFooterRecord::default();
        writer.control(ControlType::SnapshotFooter, &footer.to_bytes(0))?;
        Ok(writer.bytes)
    }

    /// Reads the records of a snapshot, or of Kafka's `bootstrap.checkpoint`.
    ///
    /// # Errors
    /// The bytes are damaged or not a whole snapshot.
    pub fn decode(
        bytes: &[u8],
        mut each: impl FnMut(&MetadataRecord<'_>),
    ) -> Result<(), CheckpointError> {
        Self::batches(bytes, |batch| batch::records(batch, &mut each))
    }

    /// Gives every batch of a snapshot to `each`, control batches too.
    pub(crate) fn batches(
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), CheckpointError> {
        let mut position = 0;
        let mut finished = false;
        for entry in Batches::new(bytes) {
            let damaged = |error: String| CheckpointError::Batch { position, error };
            let entry = entry.map_err(|error| damaged(error.to_string()))?;
            let view = entry.batch().map_err(|error| damaged(error.to_string()))?;
            view.check_crc().map_err(|error| damaged(error.to_string()))?;
            each(entry.bytes()).map_err(damaged)?;
            finished = is_footer(&view);
            position += entry.size_in_bytes();
        }
        if finished && position == bytes.len() { Ok(()) } else { Err(CheckpointError::Unfinished) }
    }

    /// Reads the file of this snapshot into an image.
    pub(crate) fn read(
        disk: &dyn Disk,
        path: &Path,
    ) -> std::io::Result<Result<Image, CheckpointError>> {
        let bytes = disk::read_file(disk, path, FILE_BYTES_MAX)?;
        let mut image = Image::default();
        Ok(Self::decode(&bytes, |record| image.apply(record)).map(|()| image))
    }
}

fn is_footer(view: &RecordBatchView<'_>) -> bool {
    view.is_control()
        && view.records(batch::DECOMPRESSION).is_ok_and(|records| {
            let key = records.iter().next().and_then(Result::ok).and_then(|record| record.key);
            ControlType::parse(key) == Ok(ControlType::SnapshotFooter)
        })
}

struct Writer {
    epoch: i32,
    now_ms: i64,
    next_offset: i64,
    bytes: Vec<u8>,
}

impl Writer {
    fn control(&mut self, kind: ControlType, value: &[u8]) -> Result<(), BuildError> {
        let batch = ControlBatch {
            base_offset: self.next_offset,
            partition_leader_epoch: self.epoch,
            timestamp: self.now_ms,
        };
        self.bytes.extend(batch.raft(kind, value)?);
        self.next_offset += 1;
        Ok(())
    }

    fn data(&mut self, values: &[Vec<u8>]) -> Result<(), BuildError> {
        let mut batch = self.begin();
        for value in values {
            if batch.records_count() > 0 && batch.uncompressed_size() + value.len() > BATCH_BYTES {
                self.end(batch)?;
                batch = self.begin();
            }
            let timestamp = self.now_ms;
            batch.append(&NewRecord { timestamp, key: None, value: Some(value), headers: &[] })?;
        }
        if batch.records_count() > 0 { self.end(batch) } else { Ok(()) }
    }

    fn begin(&self) -> BatchBuilder {
        BatchBuilder::new(BatchOptions {
            base_offset: self.next_offset,
            partition_leader_epoch: self.epoch,
            ..BatchOptions::default()
        })
    }

    fn end(&mut self, batch: BatchBuilder) -> Result<(), BuildError> {
        self.next_offset += i64::from(batch.records_count());
        self.bytes.extend(batch.build()?);
        Ok(())
    }
}
