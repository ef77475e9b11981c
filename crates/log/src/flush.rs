//! Making a log durable.
//!
//! Cost: one sync per segment that has unsynced records, on the disk's threads. Those who wait
//! while a flush runs share the next one.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use klamm_env::disk;
use klamm_planted::planted;
use tokio::time::Instant;

use crate::{
    Log,
    append::snapshot_name,
    log::Writer,
    names::{EPOCH_CHECKPOINT, PARTITION_METADATA},
};

/// When what is written becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// Before anything else is written.
    AtOnce,
    /// With all else on the volume, which the caller syncs.
    WithVolume,
}

/// What a flush takes over from the writer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) end_offset: i64,
    pub(crate) snapshots: Vec<(i64, Vec<u8>)>,
    pub(crate) epochs: Option<String>,
    pub(crate) metadata: Option<String>,
    dir_dirty: bool,
    unsynced_since_ms: Option<i64>,
}

impl Pending {
    pub(crate) fn take(log: &Log, writer: &mut Writer) -> Self {
        let epochs = writer.epochs.dirty.then(|| writer.epochs.to_text());
        writer.epochs.dirty = false;
        let end_offset = log.end_offset();
        // A log that never had a record may as well be made anew.
        let metadata = if end_offset > 0 { writer.metadata.take() } else { None };
        Self {
            end_offset,
            snapshots: std::mem::take(&mut writer.snapshots),
            epochs,
            metadata,
            dir_dirty: std::mem::take(&mut writer.dir_dirty),
            unsynced_since_ms: writer.unsynced_since_ms.take(),
        }
    }

    fn give_back(self, writer: &mut Writer) {
        writer.epochs.dirty |= self.epochs.is_some();
        writer.snapshots.splice(0..0, self.snapshots);
        writer.metadata = writer.metadata.take().or(self.metadata);
        writer.dir_dirty |= self.dir_dirty;
        writer.unsynced_since_ms = self.unsynced_since_ms.or(writer.unsynced_since_ms);
    }
}

impl Log {
    /// Waits until everything before `offset` is durable.
    ///
    /// # Errors
    /// The disk failed: what was appended may be lost. The log takes no more appends then, unless
    /// the volume was only full.
    pub async fn flush_to(self: &Arc<Self>, offset: i64) -> io::Result<()> {
        if self.recovery_point() >= offset {
            return Ok(());
        }
        let _turn = self.flushing.lock().await;
        if self.recovery_point() >= offset {
            return Ok(());
        }
        let log = Arc::clone(self);
        disk::run(&self.place.disk, move || log.flush_now()).await?
    }

    /// When the oldest record that is not durable was appended, milliseconds since the epoch.
    pub fn unsynced_since_ms(&self) -> Option<i64> {
        self.writer.lock().unsynced_since_ms
    }

    /// Makes everything durable that is in the log now; blocks.
    ///
    /// # Errors
    /// As [`Log::flush_to`].
    pub fn flush_now(&self) -> io::Result<()> {
        let begun = Instant::now();
        let _still = self.in_place.read();
        let pending = Pending::take(self, &mut self.writer.lock());
        match self.write_out(&pending) {
            Ok(()) => {
                self.recovery_point.fetch_max(pending.end_offset, Ordering::AcqRel);
                if let Some(flushes) = self.flushes.get() {
                    let micros = begun.elapsed().as_micros();
                    flushes.observe(u64::try_from(micros).unwrap_or(u64::MAX));
                }
                Ok(())
            }
            Err(error) => {
                let mut writer = self.writer.lock();
                pending.give_back(&mut writer);
                if !disk::is_full(&error) {
                    writer.offline = Some(error.to_string());
                }
                Err(error)
            }
        }
    }

    fn write_out(&self, pending: &Pending) -> io::Result<()> {
        // Before any record: those of a directory whose topic is not known count for nothing.
        if let Some(metadata) = &pending.metadata {
            let path = self.place.file(PARTITION_METADATA);
            disk::write_file_atomically(&*self.place.disk, &path, metadata.as_bytes())?;
        }
        for (offset, contents) in &pending.snapshots {
            let path = self.place.file(&snapshot_name(*offset));
            disk::write_file_atomically(&*self.place.disk, &path, contents)?;
        }
        let segments = self.segments.load();
        // The segment that ends at the recovery point may have had a failed append cut off since.
        let first = Self::segment_index(&segments, self.recovery_point() - 1);
        let mut new_names = pending.dir_dirty || !pending.snapshots.is_empty();
        for segment in &segments[first..] {
            segment.file()?.sync()?;
            segment.sync_aborted()?;
        }
        // A segment may have been closed when all in it was durable already: what is in its index
        // files, if anything, is older than the segment.
        for closed in segments.split_last().map_or(&[][..], |(_, closed)| closed) {
            new_names |= closed.write_index(Durable::AtOnce)?;
        }
        if let Some(epochs) = &pending.epochs {
            let path = self.place.file(EPOCH_CHECKPOINT);
            disk::write_file_atomically(&*self.place.disk, &path, epochs.as_bytes())?;
        }
        if new_names {
            self.sync_names()?;
        }
        Ok(())
    }

    pub(crate) fn sync_names(&self) -> io::Result<()> {
        if planted("names-not-synced") {
            return Ok(());
        }
        let dir = self.place.dir();
        self.place.disk.sync_dir(&dir)?;
        self.place.disk.sync_dir(disk::parent(&dir))
    }
}
