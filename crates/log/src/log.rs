//! The log of one partition.
//!
//! Invariants:
//! - Base offsets of segments ascend; only the last segment is written.
//! - Start offset <= recovery point <= end offset; offsets in the log ascend without gaps as
//!   appended by a leader.
//! - A failed append leaves the log as it was.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use klamm_env::{Disk, disk, disk::Open};
use klamm_metrics::Histogram;
use klamm_transactions::{Batch, Producers, Refusal, Verifications, Verified};
use parking_lot::{Mutex, RwLock};

use crate::{
    EpochEntry, LogConfig, TopicPartition,
    epochs::Epochs,
    names::PARTITION_METADATA,
    segment::{Place, Segment},
    tail::Tail,
};

/// The largest `partition.metadata` looked at, bytes.
const METADATA_BYTES_MAX: u64 = 4096;

/// The log of one partition. All methods may be called from any thread.
#[derive(Debug)]
pub struct Log {
    pub(crate) name: TopicPartition,
    pub(crate) place: Arc<Place>,
    pub(crate) config: ArcSwap<LogConfig>,
    pub(crate) segments: ArcSwap<Vec<Arc<Segment>>>,
    pub(crate) tail: Mutex<Tail>,
    pub(crate) start_offset: AtomicI64,
    pub(crate) recovery_point: AtomicI64,
    /// The recovery point that the checkpoint has: what a start after a power loss will know.
    pub(crate) checkpointed_point: AtomicI64,
    /// [`Log::cleaned_to`]; -1 for not known.
    pub(crate) cleaned_to: AtomicI64,
    /// How long the longest compaction since the log was opened took, milliseconds.
    pub(crate) cleaning_ms_max: AtomicI64,
    /// [`Log::first_unstable`], for readers: they must not wait for who appends. The largest number
    /// for none.
    pub(crate) first_unstable: AtomicI64,
    /// Whether a transaction has ended whose marker is not below the high watermark.
    pub(crate) has_unreplicated: AtomicBool,
    pub(crate) writer: Mutex<Writer>,
    /// Whether a cleaner is at work, or a move to another directory that keeps cleaners away.
    pub(crate) is_cleaning: AtomicBool,
    /// Whether clients may not append because the volume fills.
    pub(crate) is_restricted: AtomicBool,
    /// Why compaction leaves the log alone until the next start.
    pub(crate) unfit: Mutex<Option<String>>,
    /// Held while segments are replaced, deleted or truncated: one of these at a time.
    pub(crate) maintenance: Mutex<()>,
    /// Held while files are made durable where they are; alone, while they go to another directory.
    pub(crate) in_place: RwLock<()>,
    /// Held while a flush runs, so that those who wait for one share the next.
    pub(crate) flushing: tokio::sync::Mutex<()>,
    /// Where the durations of flushes are counted, if they are.
    pub(crate) flushes: OnceLock<Arc<Histogram>>,
}

/// What only the one who appends, rolls or truncates looks at.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    pub(crate) verifications: Verifications,
    /// Producer snapshots of closed segments that are not yet on disk: offset and contents.
    pub(crate) snapshots: Vec<(i64, Vec<u8>)>,
    /// Offset of the newest snapshot, on disk or waiting.
    pub(crate) snapshot_offset: i64,
    /// When the oldest unsynced record was appended, milliseconds; none if all is synced.
    pub(crate) unsynced_since_ms: Option<i64>,
    /// The contents of `partition.metadata`, if they are not yet durable.
    pub(crate) metadata: Option<String>,
    /// Whether the directory has files whose names are not yet durable.
    pub(crate) dir_dirty: bool,
    /// Why the log takes no more appends.
    pub(crate) offline: Option<String>,
}

impl Log {
    /// Topic and partition.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The directory its files are in.
    pub fn dir(&self) -> PathBuf {
        self.place.dir()
    }

    /// The current settings.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// Replaces the settings; they hold from the next append or cleaning on.
    pub fn set_config(&self, config: LogConfig) {
        self.config.store(Arc::new(config));
    }

    /// The offset of the first record that may be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset.load(Ordering::Acquire)
    }

    /// The offset that the next record gets.
    pub fn end_offset(&self) -> i64 {
        self.tail.lock().end_offset
    }

    /// Everything before this offset is durable.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// The recovery point as checkpointed.
    pub fn checkpointed_point(&self) -> i64 {
        self.checkpointed_point.load(Ordering::Acquire)
    }

    /// Size of all segments, bytes.
    pub fn size(&self) -> u64 {
        self.segments.load().iter().map(|segment| segment.size()).sum()
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// The base offset of the segment that is written.
    pub fn active_segment(&self) -> i64 {
        self.segments.load().last().map_or(0, |segment| segment.base_offset)
    }

    /// The base offset of the first segment.
    pub fn first_segment(&self) -> i64 {
        self.segments.load().first().map_or(0, |segment| segment.base_offset)
    }

    /// A copy of the producer state.
    pub fn producers(&self) -> Producers {
        self.writer.lock().producers.clone()
    }

    /// Where the oldest transaction began that is open, or whose marker is not below the high
    /// watermark: no `read_committed` reader may pass it.
    pub fn first_unstable(&self) -> Option<i64> {
        Some(self.first_unstable.load(Ordering::Acquire)).filter(|offset| *offset < i64::MAX)
    }

    /// Shows readers what has changed about transactions.
    pub(crate) fn show_transactions(&self, writer: &Writer) {
        self.has_unreplicated.store(writer.producers.has_unreplicated(), Ordering::Release);
        self.first_unstable.store(first_unstable(writer), Ordering::Release);
    }

    /// Notes that everything below `high_watermark` is replicated: transactions whose markers are
    /// there are decided for readers.
    pub fn replicated(&self, high_watermark: i64) {
        if self.has_unreplicated.load(Ordering::Acquire) {
            let mut writer = self.writer.lock();
            writer.producers.replicated(high_watermark);
            self.show_transactions(&writer);
        }
    }

    /// Begins to find out whether the transaction of a batch is open, before the batch is appended.
    /// `bumps` says that its client begins each transaction with sequence number zero.
    ///
    /// # Errors
    /// The producer is fenced.
    pub fn begin_verification(
        &self,
        batch: &Batch,
        bumps: bool,
        now_ms: i64,
    ) -> Result<Verified, Refusal> {
        let mut writer = self.writer.lock();
        let Writer { verifications, producers, .. } = &mut *writer;
        verifications.begin(producers, batch, bumps, now_ms)
    }

    /// Forgets producers that were silent for `expiration_ms`.
    pub fn expire_producers(&self, now_ms: i64, expiration_ms: i64) {
        let mut writer = self.writer.lock();
        writer.producers.expire(now_ms, expiration_ms);
        writer.verifications.expire(now_ms, expiration_ms);
    }

    /// The newest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<EpochEntry> {
        self.writer.lock().epochs.latest()
    }

    /// All leader epochs in the log.
    pub fn epochs(&self) -> Vec<EpochEntry> {
        self.writer.lock().epochs.entries().to_vec()
    }

    /// Notes that a leader begins to write at the end of the log.
    pub fn assign_epoch(&self, epoch: i32) {
        let mut writer = self.writer.lock();
        let end = self.end_offset();
        writer.epochs.assign(epoch, end);
    }

    /// The end offset of the largest epoch not above `epoch`, with that epoch; none if the log
    /// knows no epoch or `epoch` is newer than all.
    pub fn epoch_end_offset(&self, epoch: i32) -> Option<(i32, i64)> {
        let writer = self.writer.lock();
        writer.epochs.end_offset(epoch, self.end_offset())
    }

    /// The leader epoch that wrote the record at `offset`.
    pub fn epoch_of_offset(&self, offset: i64) -> Option<i32> {
        self.writer.lock().epochs.of_offset(offset)
    }

    /// Takes the log out of service: appends are refused with this reason.
    pub fn set_offline(&self, reason: &str) {
        self.writer.lock().offline.get_or_insert_with(|| reason.to_owned());
    }

    /// Refuses appends of clients, or allows them again; nobody else's.
    pub fn restrict(&self, refuses: bool) {
        self.is_restricted.store(refuses, Ordering::Relaxed);
    }

    /// Whether appends of clients are refused.
    pub fn is_restricted(&self) -> bool {
        self.is_restricted.load(Ordering::Relaxed)
    }

    /// Why appends are refused, if they are.
    pub fn offline_reason(&self) -> Option<String> {
        self.writer.lock().offline.clone()
    }

    /// Writes Kafka's `partition.metadata` file with the topic id, unless it says so already. The
    /// next flush makes it durable.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_partition_metadata(&self, topic_id: &str) -> io::Result<()> {
        let text = metadata_text(topic_id);
        let path = self.place.file(PARTITION_METADATA);
        let disk = &*self.place.disk;
        if disk.exists(&path)
            && disk::read_file(disk, &path, METADATA_BYTES_MAX)? == text.as_bytes()
        {
            return Ok(());
        }
        let file = disk.open(&path, Open::Create)?;
        disk::replace_contents(&*file, text.as_bytes())?;
        self.writer.lock().metadata = Some(text);
        Ok(())
    }

    /// The segment that holds `offset`, or would.
    pub(crate) fn segment_index(segments: &[Arc<Segment>], offset: i64) -> usize {
        segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1)
    }
}

/// Where the oldest undecided transaction began; the largest number for none.
pub(crate) fn first_unstable(writer: &Writer) -> i64 {
    writer.producers.first_unstable().unwrap_or(i64::MAX)
}

/// The topic id in the `partition.metadata` of a directory, in its textual form; none if there is
/// none that can be read.
pub fn topic_id_in(disk: &dyn Disk, dir: &Path) -> Option<String> {
    let text = metadata_in(disk, dir)?;
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"))?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Notes durably to which topic a partition's directory belongs.
///
/// # Errors
/// The file cannot be written.
pub fn write_topic_id(disk: &dyn Disk, dir: &Path, topic_id: &str) -> io::Result<()> {
    let path = dir.join(PARTITION_METADATA);
    disk::write_file_atomically(disk, &path, metadata_text(topic_id).as_bytes())
}

fn metadata_text(topic_id: &str) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

/// What `partition.metadata` says in a directory, whatever it is.
pub(crate) fn metadata_in(disk: &dyn Disk, dir: &Path) -> Option<String> {
    let path = dir.join(PARTITION_METADATA);
    if !disk.exists(&path) {
        return None;
    }
    String::from_utf8(disk::read_file(disk, &path, METADATA_BYTES_MAX).ok()?).ok()
}
