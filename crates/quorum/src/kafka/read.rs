//! Reading Kafka's metadata log: the newest whole snapshot, and the log behind it.

use std::path::Path;

use klamm_env::{Disk, disk};
use klamm_log::inspect;
use klamm_metadata::Image;
use klamm_protocol::{
    messages::{LeaderChangeMessage, VotersRecord},
    records::{RecordBatchView, RecordRef, control::ControlType},
    wire::{DecodeError, Message as _, Reader},
};

use super::{KafkaLog, QUORUM_STATE, Unread, log_dir};
use crate::{Checkpoint, OpenError, batch::DECOMPRESSION, checkpoint::FILE_BYTES_MAX};

/// The largest `quorum-state` read, bytes.
const QUORUM_STATE_BYTES_MAX: u64 = 1 << 20;
/// Unreadable records that are told one by one; a log of a later release may be full of them.
const UNREAD_MAX: usize = 100;

impl KafkaLog {
    /// Reads the log in a directory (`metadata.log.dir`). Nothing is changed.
    ///
    /// # Errors
    /// A file cannot be read, or records are missing between snapshot and log.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, OpenError> {
        let sub = log_dir(dir);
        let mut log = Self::from_snapshot(disk, dir, &sub)?;
        let start = log.end_offset;
        // A snapshot need not say who the voters are; the log before it may.
        let mut earlier = Self::empty(dir);
        let contents = inspect::walk(disk, &sub, |bytes| match RecordBatchView::parse(bytes) {
            Ok(view) if view.base_offset() >= start => log.take_behind(&view, bytes),
            Ok(view) if view.is_control() => drop(earlier.take(bytes)),
            Ok(_) => {}
            Err(error) => log.leave_out(start, &error.to_string()),
        })?;
        if log.voters.is_empty() {
            log.voters = earlier.voters;
        }
        if contents.segments > 0 && contents.start_offset > start {
            let (first, missing) = (contents.start_offset, start);
            return Err(OpenError::Inconsistent(format!(
                "{}: the log begins at offset {first}, and there is no snapshot of what was before \
                 (a whole one would end at {missing} or later)",
                sub.display()
            )));
        }
        log.damage = contents.damage;
        if log.image.is_in_transaction() {
            log.image = log.image.visible().clone();
        }
        log.note_quorum_state(disk, &sub)?;
        Ok(log)
    }

    fn empty(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            image: Image::default(),
            snapshot: None,
            end_offset: 0,
            epoch: 0,
            timestamp: 0,
            voters: Vec::new(),
            unread: Vec::new(),
            damaged_snapshots: Vec::new(),
            damage: None,
            noted_epoch: 0,
            controls: Vec::new(),
        }
    }

    /// The newest snapshot that can be read.
    fn from_snapshot(disk: &dyn Disk, dir: &Path, sub: &Path) -> Result<Self, OpenError> {
        let entries = disk.list(sub)?;
        let found = entries.iter().filter_map(|entry| Checkpoint::from_file_name(&entry.name));
        let mut found: Vec<Checkpoint> = found.collect();
        found.sort_unstable();
        let mut damaged = Vec::new();
        for snapshot in found.into_iter().rev() {
            let path = snapshot.path(sub);
            let bytes = disk::read_file(disk, &path, FILE_BYTES_MAX)?;
            let mut log = Self::empty(dir);
            let read = Checkpoint::batches(&bytes, |batch| log.take(batch));
            match read {
                Ok(()) => {
                    log.snapshot = Some(snapshot);
                    (log.end_offset, log.epoch) = (snapshot.end_offset, snapshot.epoch);
                    log.damaged_snapshots = damaged;
                    return Ok(log);
                }
                Err(error) => damaged.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(Self { damaged_snapshots: damaged, ..Self::empty(dir) })
    }

    /// Takes a batch of the log that the snapshot does not have.
    fn take_behind(&mut self, view: &RecordBatchView<'_>, bytes: &[u8]) {
        if let Err(error) = self.take(bytes) {
            self.leave_out(view.base_offset(), &error);
        }
        self.end_offset = view.next_offset();
        self.epoch = view.partition_leader_epoch();
        self.timestamp = view.max_timestamp();
    }

    /// Takes a batch over, in the log or a snapshot.
    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let view = RecordBatchView::parse(bytes).map_err(|error| error.to_string())?;
        let records = view.records(DECOMPRESSION).map_err(|error| error.to_string())?;
        for record in &records {
            let record = record.map_err(|error| error.to_string())?;
            if view.is_control() {
                self.take_control(&record)?;
                continue;
            }
            match klamm_metadata::decode(record.value.unwrap_or_default()) {
                Ok(Some(known)) => self.image.apply(&known),
                Ok(None) => self.leave_out(record.offset, "a record of a later release of Klamm"),
                Err(error) => self.leave_out(record.offset, &error.to_string()),
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, offset: i64, error: &str) {
        if self.unread.len() < UNREAD_MAX {
            self.unread.push(Unread { offset, error: error.to_owned() });
        }
    }

    fn take_control(&mut self, record: &RecordRef<'_>) -> Result<(), String> {
        let kind = ControlType::parse(record.key).map_err(|error| error.to_string())?;
        let value = record.value.unwrap_or_default();
        match kind {
            // One that cannot be read says nothing about the voters, and nothing else is in it.
            ControlType::LeaderChange => {
                let message = versioned(value, LeaderChangeMessage::decode);
                let voters = message.map(|m| m.voters.iter().map(|v| v.voter_id).collect());
                self.voters = voters.unwrap_or_default();
            }
            ControlType::KraftVoters => {
                let message = versioned(value, VotersRecord::decode)?;
                self.voters = message.voters.iter().map(|voter| voter.voter_id).collect();
                self.keep(kind, value);
            }
            ControlType::KraftVersion => self.keep(kind, value),
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, kind: ControlType, value: &[u8]) {
        self.controls.retain(|(known, _)| *known != kind);
        self.controls.push((kind, value.to_vec()));
        self.controls.sort_by_key(|(known, _)| known.id());
    }

    /// What Kafka noted beside the log: it may have been elected since it last wrote.
    fn note_quorum_state(&mut self, disk: &dyn Disk, sub: &Path) -> Result<(), OpenError> {
        let path = sub.join(QUORUM_STATE);
        if !disk.exists(&path) {
            return Ok(());
        }
        let bytes = disk::read_file(disk, &path, QUORUM_STATE_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&bytes);
        let epoch = numbers(&text, "\"leaderEpoch\":").next();
        self.noted_epoch = epoch.unwrap_or(0);
        if self.voters.is_empty() {
            self.voters = numbers(&text, "\"voterId\":").collect();
        }
        Ok(())
    }
}

/// A message that begins with its own version.
fn versioned<'a, T>(
    bytes: &'a [u8],
    decode: impl FnOnce(&mut Reader<'a>, i16) -> Result<T, DecodeError>,
) -> Result<T, String> {
    let version = bytes.first_chunk().map_or(0, |version| i16::from_be_bytes(*version));
    let mut reader = Reader::new(bytes);
    let read = decode(&mut reader, version).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    Ok(read)
}

/// The numbers that follow a key in Kafka's JSON, which has no blanks.
fn numbers<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = i32> + 'a {
    text.match_indices(key).filter_map(move |(at, _)| {
        let rest = text[at + key.len()..].trim_start();
        let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_found_in_both_versions_of_the_state() {
        let old =
            r#"{"leaderId":1,"leaderEpoch":12,"currentVoters":[{"voterId":1},{"voterId":20}]}"#;
        assert_eq!(numbers(old, "\"leaderEpoch\":").collect::<Vec<_>>(), [12]);
        assert_eq!(numbers(old, "\"voterId\":").collect::<Vec<_>>(), [1, 20]);
        let new = r#"{"leaderId":-1,"leaderEpoch":3,"votedId":1,"data_version":1}"#;
        assert_eq!(numbers(new, "\"leaderEpoch\":").next(), Some(3));
        assert_eq!(numbers(new, "\"voterId\":").next(), None);
    }
}
