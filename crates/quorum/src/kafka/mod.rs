//! A metadata log that Apache Kafka wrote: reading it, and making it ours.
//!
//! Kafka's records, batches and snapshots are ours as well; what differs is what the two remember of
//! the quorum beside the log (`quorum-state` there, `raft-state` here), and that raft numbers its
//! entries, which Kafka does not. So the log goes on where it stands: a snapshot of all of it is
//! written, and behind it a first state that names the snapshot.
//!
//! *Invariants:* reading changes nothing. Nothing of Kafka's is changed or deleted by adopting; the
//! state file, written last and at once, decides whose log it is.

mod adopt;
mod read;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use adopt::Adopted;
use klamm_env::Disk;
pub use klamm_log::inspect::Damage;
use klamm_metadata::Image;
use klamm_protocol::records::control::ControlType;

use crate::{
    Checkpoint,
    open::TOPIC,
    state_file::{self, Place, State},
    store::raft_id,
};

/// Kafka's file about the quorum, beside the log.
const QUORUM_STATE: &str = "quorum-state";

/// Whose a metadata log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// There is none.
    Nobody,
    /// Kafka formatted the directory and never ran on it.
    Formatted,
    /// Kafka wrote it.
    Kafka,
    /// We wrote it, or took it over.
    Klamm,
}

/// Whose the metadata log in a directory (`metadata.log.dir`) is.
///
/// # Errors
/// The directory cannot be read.
pub fn owner(disk: &dyn Disk, dir: &Path) -> io::Result<Owner> {
    let dir = log_dir(dir);
    if !disk.exists(&dir) {
        return Ok(Owner::Nobody);
    }
    if disk.exists(&dir.join(state_file::NAME)) {
        return Ok(Owner::Klamm);
    }
    let entries = disk.list(&dir)?;
    let has_log = entries.iter().any(|entry| entry.name.ends_with(".log") && entry.len > 0);
    let mut snapshots = entries.iter().filter_map(|e| Checkpoint::from_file_name(&e.name));
    let newest = snapshots.next_back();
    // Every node of Kafka's notes the quorum before it writes or copies the log.
    let ran = disk.exists(&dir.join(QUORUM_STATE));
    Ok(match newest {
        _ if has_log && ran => Owner::Kafka,
        Some(newest) if newest.end_offset > 0 && ran => Owner::Kafka,
        Some(_) => Owner::Formatted,
        None => Owner::Nobody,
    })
}

/// The directory of the log itself.
fn log_dir(dir: &Path) -> PathBuf {
    dir.join(format!("{TOPIC}-0"))
}

/// A metadata log of Kafka's as it is on disk.
#[derive(Debug, Clone)]
pub struct KafkaLog {
    /// The `metadata.log.dir` that it is in.
    pub dir: PathBuf,
    /// All that it says, but for what an unfinished metadata transaction would have changed.
    pub image: Image,
    /// The snapshot that was read, if there is one.
    pub snapshot: Option<Checkpoint>,
    /// Offset after the last record.
    pub end_offset: i64,
    /// Leader epoch of the last batch.
    pub epoch: i32,
    /// Timestamp of the last record, milliseconds since the epoch.
    pub timestamp: i64,
    /// Node ids of the voters, as last elected or set.
    pub voters: Vec<i32>,
    /// Records that cannot be read.
    pub unread: Vec<Unread>,
    /// Snapshots that cannot be read and were passed over.
    pub damaged_snapshots: Vec<String>,
    /// What is wrong with the log, if anything.
    pub damage: Option<Damage>,
    /// The leader epoch that Kafka noted last, which may be newer than the log.
    noted_epoch: i32,
    /// The newest control records that a snapshot of Kafka's repeats (KIP-853).
    controls: Vec<(ControlType, Vec<u8>)>,
}

/// A record that this release cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its offset, in the log or in the snapshot.
    pub offset: i64,
    /// What is wrong.
    pub error: String,
}

impl KafkaLog {
    /// The raft term that the log has come to.
    fn term(&self) -> u64 {
        u64::try_from(self.epoch.max(self.noted_epoch)).unwrap_or(0)
    }

    /// The snapshot that stands for all of the log.
    fn last_snapshot(&self) -> Checkpoint {
        Checkpoint { end_offset: self.end_offset, epoch: self.epoch }
    }
}

/// The first state of a log that is taken over.
fn first_state(log: &KafkaLog, node_id: i32) -> State {
    let mut state = State::default();
    state.conf.voters = vec![raft_id(node_id)];
    // Raft numbers entries from 1 on: all of Kafka's are in the one that the snapshot ends with.
    let term = u64::try_from(log.epoch).unwrap_or(0);
    state.snapshot = Place { index: 1, term, end_offset: log.end_offset };
    state.hard.commit = 1;
    state.hard.term = log.term();
    state.durable_offset = log.end_offset;
    state
}
