//! Opening the metadata log: the state file, the snapshot it names, the log behind it.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{Disk, disk};
use klamm_log::{Log, LogConfig, OpenLog, TopicPartition};
use klamm_metadata::Image;
use klamm_protocol::{messages::metadata_record::MetadataRecord, records::Batches, wire::Uuid};

use crate::{
    OpenError, QuorumConfig,
    checkpoint::Checkpoint,
    state_file::State,
    store::{self, EntryPlace, Store, raft_id},
};

/// The topic whose partition 0 the metadata log is.
pub(crate) const TOPIC: &str = "__cluster_metadata";

/// Kafka's snapshot of what a new cluster begins with, made by `kafka-storage format`.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// An opened metadata log.
pub(crate) struct Opened {
    pub(crate) store: Store,
    /// The image at the snapshot.
    pub(crate) image: Image,
    /// What the cluster begins with if the log turns out to be empty.
    pub(crate) bootstrap: Option<Vec<MetadataRecord<'static>>>,
}

/// Opens or creates the log; blocks.
pub(crate) fn open(config: &QuorumConfig) -> Result<Opened, OpenError> {
    check(config)?;
    let disk = &config.env.disk;
    disk::create_dir_durably(&**disk, &config.dir)?;
    let dir = config.dir.join(format!("{TOPIC}-0"));
    let state = match State::load(&**disk, &dir)? {
        Some(state) => state,
        None if store::is_fresh(&**disk, &dir)? => first_state(config),
        None => {
            let text = format!("{} has a log but no state of the quorum", dir.display());
            return Err(OpenError::Inconsistent(text));
        }
    };
    let image = snapshot_image(&**disk, &dir, &state)?;
    let log = Arc::new(open_log(config, &dir, &state)?);
    let places = places(&log, state.snapshot.end_offset)?;
    let mut store = Store {
        env: config.env.clone(),
        dir,
        log,
        written: state.snapshot.index + places.len() as u64,
        state,
        places,
        cache: VecDeque::new(),
        dirty: true,
        compacted: false,
    };
    reconcile(&mut store)?;
    let bootstrap = bootstrap(&**disk, &config.dir)?;
    Ok(Opened { store, image, bootstrap })
}

fn check(config: &QuorumConfig) -> Result<(), OpenError> {
    let bad = |text: &str| Err(OpenError::Config(text.to_owned()));
    if config.node_id < 0 {
        return bad("node.id must not be negative");
    }
    if config.voters.is_empty() || config.tick.is_zero() || config.commands_max == 0 {
        return bad("the quorum needs a voter, a tick above zero and room for commands");
    }
    Ok(())
}

fn first_state(config: &QuorumConfig) -> State {
    let mut state = State::default();
    state.conf.voters = config.voters.iter().map(|id| raft_id(*id)).collect();
    state
}

fn snapshot_image(disk: &dyn Disk, dir: &Path, state: &State) -> Result<Image, OpenError> {
    let snapshot = state.snapshot;
    if snapshot.index == 0 {
        return Ok(Image::default());
    }
    let epoch = i32::try_from(snapshot.term).unwrap_or(i32::MAX);
    let path = Checkpoint { end_offset: snapshot.end_offset, epoch }.path(dir);
    read_checkpoint(disk, path)
}

fn read_checkpoint(disk: &dyn Disk, path: PathBuf) -> Result<Image, OpenError> {
    Checkpoint::read(disk, &path)?.map_err(|error| OpenError::Checkpoint { path, error })
}

/// Segments are closed by size alone, and nothing is deleted that no snapshot covers.
fn log_config(config: &QuorumConfig) -> LogConfig {
    LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: i64::MAX,
        retention_ms: -1,
        retention_bytes: -1,
        delete: false,
        ..LogConfig::default()
    }
}

fn open_log(config: &QuorumConfig, dir: &Path, state: &State) -> Result<Log, OpenError> {
    let disk = &config.env.disk;
    let now_ms = config.env.clock.now_ms();
    let known = disk.power_cycle().filter(|name| !name.is_empty());
    let opening = OpenLog {
        disk: Arc::clone(disk),
        dir: dir.to_owned(),
        name: TopicPartition::new(TOPIC, 0),
        config: log_config(config),
        recovery_point: state.durable_offset,
        cleaned_to: None,
        start_offset: state.snapshot.end_offset,
        clean: false,
        same_power_cycle: known.is_some_and(|name| name == state.power_cycle),
        now_ms,
    };
    let (log, report) = opening.open()?;
    if let Some(damage) = &report.damage {
        let cut = report.bytes_cut;
        tracing::warn!("the metadata log had a torn end, {cut} bytes were cut off: {damage}");
    }
    if log.end_offset() < state.snapshot.end_offset {
        log.truncate_fully(state.snapshot.end_offset, now_ms)?;
    }
    log.write_partition_metadata(&Uuid::ONE.to_string())?;
    Ok(log)
}

/// The place of every batch behind `start`.
fn places(log: &Log, start: i64) -> Result<VecDeque<EntryPlace>, OpenError> {
    let mut places = VecDeque::new();
    let mut offset = start;
    while offset < log.end_offset() {
        let bytes = store::read_batches(log, offset).map_err(OpenError::Inconsistent)?;
        let before = offset;
        for entry in Batches::new(&bytes) {
            let batch = entry.and_then(|entry| entry.batch());
            let view = batch.map_err(|error| OpenError::Inconsistent(error.to_string()))?;
            if view.base_offset() >= offset {
                offset = view.next_offset();
                let term = u64::try_from(view.partition_leader_epoch()).unwrap_or(0);
                places.push_back(EntryPlace { term, end_offset: offset });
            }
        }
        if offset == before {
            let text = format!("the metadata log cannot be read at offset {offset}");
            return Err(OpenError::Inconsistent(text));
        }
    }
    Ok(places)
}

/// Brings the state in line with the log, which may be a little newer.
fn reconcile(store: &mut Store) -> Result<(), OpenError> {
    let last = store.last();
    let last_term = store.place(last).map_or(0, |place| place.term);
    let hard = &mut store.state.hard;
    if hard.commit > last {
        return Err(OpenError::Inconsistent(format!(
            "{} committed entries of the metadata log are missing. Restore the directory, or \
             remove it to let the node copy the log from the other controllers",
            hard.commit - last
        )));
    }
    hard.commit = hard.commit.max(store.state.snapshot.index);
    if hard.term < last_term {
        // The entries arrived, but not the note of their term. No vote was given in it: that
        // would have been noted before anybody was told.
        hard.term = last_term;
        hard.vote = 0;
    }
    store.state.power_cycle = store.env.disk.power_cycle().unwrap_or_default();
    Ok(())
}

/// The records of Kafka's bootstrap snapshot, if there is one.
fn bootstrap(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<Option<Vec<MetadataRecord<'static>>>, OpenError> {
    let path = dir.join(BOOTSTRAP);
    if !disk.exists(&path) {
        return Ok(None);
    }
    Ok(Some(read_checkpoint(disk, path)?.snapshot()))
}
