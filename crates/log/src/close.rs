//! Closing a log, so that it opens without recovery.
//!
//! Cost: some five syncs, or none where thousands are closed together: the volume is synced for all.

use std::{io, sync::atomic::Ordering};

use klamm_env::disk;

use crate::{
    Log,
    append::snapshot_name,
    flush::{Durable, Pending},
    names::{EPOCH_CHECKPOINT, PARTITION_METADATA},
};

impl Log {
    /// Makes everything durable, producer state and indexes included, so that the log opens
    /// without recovery; blocks. No append may follow.
    ///
    /// # Errors
    /// As [`Log::flush_to`].
    pub fn close(&self) -> io::Result<()> {
        // A segment that compaction has made counts or does not.
        let _turn = self.maintenance.lock();
        if !self.end_writing()? {
            return Ok(());
        }
        self.flush_now()?;
        if let Some(segment) = self.segments.load().last() {
            segment.write_index(Durable::AtOnce)?;
        }
        self.sync_names()
    }

    /// The first half of [`Log::close`] for many logs: writes all that is to be durable, and leaves
    /// it to the caller to sync the volume before [`Log::put_in_place`]. None if there is nothing.
    pub(crate) fn write_at_close(&self) -> io::Result<Option<Pending>> {
        let _turn = self.maintenance.lock();
        if !self.end_writing()? {
            return Ok(None);
        }
        let pending = Pending::take(self, &mut self.writer.lock());
        for (name, contents) in pending.files() {
            disk::write_beside(&*self.place.disk, &self.place.file(&name), contents)?;
        }
        for segment in &**self.segments.load() {
            segment.write_index(Durable::WithVolume)?;
        }
        Ok(Some(pending))
    }

    /// The second half: what was written counts when the volume is synced once more.
    pub(crate) fn put_in_place(&self, pending: &Pending) -> io::Result<()> {
        for (name, _) in pending.files() {
            disk::put_in_place(&*self.place.disk, &self.place.file(&name))?;
        }
        self.recovery_point.fetch_max(pending.end_offset, Ordering::AcqRel);
        Ok(())
    }

    /// Takes no more appends; whether there is anything to be made durable. A log that never had a
    /// record may as well be made anew.
    fn end_writing(&self) -> io::Result<bool> {
        let mut writer = self.writer.lock();
        let end = self.end_offset();
        writer.offline.get_or_insert_with(|| "the broker stops".to_owned());
        let segments = self.segments.load();
        let Some(last) = segments.last() else { return Ok(false) };
        let is_unused = end == 0 && writer.metadata.is_some();
        if is_unused && last.file()?.is_empty()? {
            return Ok(false);
        }
        writer.take_snapshot(end);
        last.trim()?;
        Ok(true)
    }
}

impl Pending {
    /// The small files that are replaced, and by what.
    fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        let metadata = self.metadata.iter().map(|text| (PARTITION_METADATA.to_owned(), text));
        let epochs = self.epochs.iter().map(|text| (EPOCH_CHECKPOINT.to_owned(), text));
        let texts = metadata.chain(epochs).map(|(name, text)| (name, text.as_bytes()));
        texts.chain(self.snapshots.iter().map(|(at, bytes)| (snapshot_name(*at), &bytes[..])))
    }
}
