//! Committed entries become the image; images become snapshots.

use std::{io, sync::Arc};

use klamm_env::disk;
use klamm_metadata::Delta;
use protobuf::Message as _;
use raft::{
    Storage as _,
    eraftpb::{ConfChange, ConfChangeV2, Entry, EntryType},
};

use super::{Driver, Published};
use crate::{
    QuorumError, QuorumStatus, ReplicaStatus, Update, batch, checkpoint::Checkpoint,
    state_file::Place, store::node_id,
};

impl Driver {
    /// Applies committed entries, publishes the image and answers whoever waited for them.
    pub(super) fn apply(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        let Some(last) = entries.last().map(|entry| entry.index) else { return Ok(()) };
        for entry in entries {
            self.apply_entry(&entry)?;
            let place = self.node.store().place(entry.index);
            let end_offset = place.map_or(self.applied.end_offset, |place| place.end_offset);
            self.applied = Place { index: entry.index, term: entry.term, end_offset };
            self.bytes_since_snapshot += entry.data.len() as u64;
        }
        self.node.advance_apply_to(last);
        self.node.mut_store().trim(last);
        self.publish();
        self.answer();
        self.start_serving();
        self.start_snapshot_if_due();
        Ok(())
    }

    fn apply_entry(&mut self, entry: &Entry) -> Result<(), String> {
        match entry.get_entry_type() {
            EntryType::EntryNormal if entry.data.is_empty() => Ok(()),
            EntryType::EntryNormal => {
                let (image, delta) = (&mut self.image, &mut self.unpublished);
                self.applied_timestamp = batch::timestamp(&entry.data);
                batch::records(&entry.data, |record| {
                    delta.note(image, record);
                    image.apply(record);
                })
            }
            EntryType::EntryConfChange => {
                let mut change = ConfChange::default();
                change.merge_from_bytes(&entry.data).map_err(|error| error.to_string())?;
                let conf = self.node.apply_conf_change(&change);
                self.node.mut_store().set_conf_state(conf.map_err(|error| error.to_string())?);
                Ok(())
            }
            EntryType::EntryConfChangeV2 => {
                let mut change = ConfChangeV2::default();
                change.merge_from_bytes(&entry.data).map_err(|error| error.to_string())?;
                let conf = self.node.apply_conf_change(&change);
                self.node.mut_store().set_conf_state(conf.map_err(|error| error.to_string())?);
                Ok(())
            }
        }
    }

    /// Makes the image visible, unless a metadata transaction is open.
    fn publish(&mut self) {
        let offset = self.applied.end_offset - 1;
        if !self.image.is_in_transaction() {
            let image = Arc::new(self.image.clone());
            let delta = std::mem::take(&mut self.unpublished);
            let published = Arc::new(Published { image: Arc::clone(&image), offset });
            let update = Update { image, delta, offset };
            let shared = &self.shared;
            shared.subscribers.publish(&update, || shared.published.store(published));
            shared.applied.send_replace(offset);
        }
    }

    fn answer(&mut self) {
        while self.waiting.front().is_some_and(|waiting| waiting.index <= self.applied.index) {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let ours = self.node.store().term(waiting.index).is_ok_and(|term| term == waiting.term);
            waiting.task.done(if ours { Ok(()) } else { Err(QuorumError::Unknown) });
        }
    }

    /// Starts to write a snapshot if the log has grown, or time has passed since the last one.
    pub(super) fn start_snapshot_if_due(&mut self) {
        let grown = self.bytes_since_snapshot >= self.config.snapshot_bytes;
        let now = self.config.env.clock.monotonic();
        let late = self.snapshot_due.is_some_and(|due| now >= due) && self.bytes_since_snapshot > 0;
        if !(grown || late) || self.snapshot.is_some() || self.image.is_in_transaction() {
            return;
        }
        self.bytes_since_snapshot = 0;
        self.snapshot_due = self.config.snapshot_interval.map(|interval| now + interval);
        let (image, place) = (self.image.clone(), self.applied);
        let timestamp = self.applied_timestamp;
        let now_ms = self.config.env.clock.now_ms();
        let (disk, dir) = (Arc::clone(&self.config.env.disk), self.node.store().dir.clone());
        self.snapshot = Some(Box::pin(async move {
            let files = Arc::clone(&disk);
            let written = disk::run(&disk, move || {
                let epoch = i32::try_from(place.term).unwrap_or(i32::MAX);
                let snapshot = Checkpoint { end_offset: place.end_offset, epoch };
                let bytes = snapshot.encode(&image, timestamp, now_ms).map_err(io::Error::other)?;
                disk::write_file_atomically(&*files, &snapshot.path(&dir), &bytes)?;
                Ok(place)
            });
            written.await.and_then(|written| written)
        }));
    }

    pub(super) fn snapshot_done(&mut self, result: io::Result<Place>) -> Result<(), String> {
        match result {
            Ok(place) => {
                tracing::info!("snapshot of the metadata up to offset {}", place.end_offset);
                self.node.mut_store().compact(place);
                Ok(())
            }
            Err(error) if disk::is_full(&error) => {
                tracing::warn!("no room for a snapshot of the metadata: {error}");
                Ok(())
            }
            Err(error) => Err(format!("no snapshot of the metadata can be written: {error}")),
        }
    }

    /// What DescribeQuorum tells.
    pub(super) fn publish_status(&self) {
        let raft = &self.node.raft;
        let now_ms = self.config.env.clock.now_ms();
        let replica = |id: u64| {
            let matched = raft.prs().get(id).map(|progress| progress.matched);
            let place =
                matched.filter(|_| self.is_leader()).and_then(|m| self.node.store().place(m));
            let own = id == raft.id;
            let (heard, end) = match place {
                _ if own => (now_ms, self.node.store().end_offset()),
                Some(place) => (now_ms, place.end_offset),
                None => (-1, -1),
            };
            ReplicaStatus {
                id: node_id(id),
                log_end_offset: end,
                last_fetch_ms: heard,
                last_caught_up_ms: if end >= self.applied.end_offset { heard } else { -1 },
            }
        };
        let conf = &self.node.store().state.conf;
        let status = QuorumStatus {
            leader: self.leader(),
            leader_epoch: i32::try_from(raft.term).unwrap_or(i32::MAX),
            high_watermark: self.applied.end_offset,
            voters: conf.voters.iter().map(|id| replica(*id)).collect(),
            observers: conf.learners.iter().map(|id| replica(*id)).collect(),
        };
        self.shared.status.store(Arc::new(status));
    }

    /// The whole image as a change, for whoever sees it for the first time.
    pub(crate) fn publish_first(&self) {
        let image = Arc::new(self.image.visible().clone());
        let offset = self.applied.end_offset - 1;
        let delta = Delta::between(&klamm_metadata::Image::default(), &image);
        let update = Update { image: Arc::clone(&image), delta, offset };
        let shared = &self.shared;
        let published = Arc::new(Published { image, offset });
        shared.subscribers.publish(&update, || shared.published.store(published));
        shared.applied.send_replace(offset);
    }
}
