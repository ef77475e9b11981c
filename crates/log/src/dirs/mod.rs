//! The log directories of a broker (`log.dirs`, JBOD): which logs are where, their checkpoints,
//! and what happens when one directory fails.
//!
//! Invariant: a directory that failed is never written again until the broker restarts; the logs
//! in the others go on.

mod checkpoints;
mod meta;
mod moves;
mod start;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{
    Env, Watched,
    disk::{self, Lock, Volume},
};
use klamm_metrics::{Histogram, Snapshot};
use klamm_planted::planted;
pub use meta::MetaProperties;
use parking_lot::{Mutex, RwLock};
pub use start::{CLEAN_FILE, ConfigOf, DirOpen, Known, LOCK_FILE};

use crate::{
    Log, LogConfig, OpenError, OpenLog, Report, TopicPartition,
    checkpoint::{CLEANED, HIGH_WATERMARKS, LOG_STARTS, RECOVERY_POINTS},
    log::topic_id_in,
    names::{DELETE_DIR_SUFFIX, STRAY_DIR_SUFFIX},
};

/// The id of a log directory (KIP-858), sixteen bytes of a UUID.
pub type DirId = [u8; 16];

/// One log directory.
pub struct LogDir {
    /// Its path as configured.
    pub path: PathBuf,
    /// Its id.
    pub id: DirId,
    /// Whether the broker that wrote it last stopped cleanly.
    pub clean: bool,
    /// The epoch in which that broker was registered, if it stopped cleanly.
    pub broker_epoch: Option<i64>,
    same_power_cycle: bool,
    recovery_points: BTreeMap<TopicPartition, i64>,
    start_offsets: BTreeMap<TopicPartition, i64>,
    high_watermarks: BTreeMap<TopicPartition, i64>,
    cleaned: BTreeMap<TopicPartition, i64>,
    offline: Mutex<Option<String>>,
    /// What the directory is on, if that can be synced as a whole.
    volume: Option<Arc<dyn Volume>>,
    _lock: Box<dyn Lock>,
}

impl fmt::Debug for LogDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogDir({})", self.path.display())
    }
}

impl LogDir {
    /// Why the directory is out of service, if it is.
    pub fn offline_reason(&self) -> Option<String> {
        self.offline.lock().clone()
    }

    /// What a checkpoint file of the directory said at the start.
    fn at_start(&self, file: &str) -> Option<&BTreeMap<TopicPartition, i64>> {
        match file {
            RECOVERY_POINTS => Some(&self.recovery_points),
            LOG_STARTS => Some(&self.start_offsets),
            HIGH_WATERMARKS => Some(&self.high_watermarks),
            CLEANED => Some(&self.cleaned),
            _ => None,
        }
    }

    /// What the checkpoints of this directory, the one at `at`, speak of that is not there.
    fn gone<'a>(
        &'a self,
        at: usize,
        found: &'a [(usize, TopicPartition)],
    ) -> impl Iterator<Item = &'a TopicPartition> {
        let here: BTreeSet<_> =
            found.iter().filter(|(place, _)| *place == at).map(|(_, name)| name).collect();
        let points = self.recovery_points.keys().chain(self.start_offsets.keys());
        let known = points.chain(self.cleaned.keys());
        known.filter(move |name| !here.contains(name))
    }

    /// The high watermark of a partition as of the last checkpoint.
    pub fn checkpointed_high_watermark(&self, name: &TopicPartition) -> Option<i64> {
        self.high_watermarks.get(name).copied()
    }
}

/// All log directories of a broker and the logs in them.
#[derive(Debug)]
pub struct LogDirs {
    env: Env,
    dirs: Vec<Arc<LogDir>>,
    /// Configured directories that could not be taken into service.
    left_out: Vec<PathBuf>,
    logs: RwLock<BTreeMap<TopicPartition, (usize, Arc<Log>)>>,
    /// Whether no directory is left in service.
    all_failed: Watched<bool>,
    /// How many directories have failed since the start.
    failures: Watched<usize>,
    /// The directories that get no new logs.
    cordoned: RwLock<BTreeSet<usize>>,
    /// Where logs go that are not there yet.
    preferred: Mutex<BTreeMap<TopicPartition, usize>>,
    /// Logs that are about to be in another directory, and up to where they are durable there.
    arriving: Mutex<BTreeMap<TopicPartition, (usize, i64)>>,
    /// Logs that were found at the start and could not be opened, by their directory.
    unopened: Mutex<BTreeMap<TopicPartition, usize>>,
    /// Logs that are gone and that the checkpoints may still speak of.
    unforgotten: Mutex<BTreeSet<TopicPartition>>,
    /// What was left of moves that a former run did not end.
    unfinished: Mutex<Vec<(TopicPartition, usize)>>,
    /// One checkpoint is written at a time: what is written last is what is known last.
    checkpointing: Mutex<()>,
    /// How long it took to make logs durable.
    flushes: Arc<Histogram>,
}

impl LogDirs {
    /// The directories, in the order of the configuration.
    pub fn dirs(&self) -> &[Arc<LogDir>] {
        &self.dirs
    }

    /// Whether all configured directories are in service. If not, a log that is not found may be
    /// in one that is not, and must not be begun anew elsewhere.
    pub fn are_all_in_service(&self) -> bool {
        self.left_out.is_empty() && self.dirs.iter().all(|dir| dir.offline_reason().is_none())
    }

    /// Configured directories that were out of service at the start.
    pub fn left_out(&self) -> &[PathBuf] {
        &self.left_out
    }

    /// How many directories have failed since the start.
    pub fn failures(&self) -> usize {
        self.failures.get()
    }

    /// Ends when more than so many directories have failed since the start.
    pub async fn failed_beyond(&self, known: usize) {
        self.failures.wait_for(|failures| failures > known).await;
    }

    /// Ends when no directory is left in service, with the reason of the last: as in Kafka, a broker
    /// has nothing to do then.
    pub async fn all_failed(&self) -> String {
        self.all_failed.wait_for(|all| all).await;
        let last = self.dirs.iter().rev().find_map(|dir| dir.offline_reason());
        format!("all log directories are out of service: {}", last.unwrap_or_default())
    }

    /// How long it took to make logs durable, each time since the start.
    pub fn flushes(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.flushes.add_to(&mut snapshot);
        snapshot
    }

    /// The log of a partition.
    pub fn get(&self, name: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.read().get(name).map(|(_, log)| Arc::clone(log))
    }

    /// The directory that a partition's log is in.
    pub fn dir_of(&self, name: &TopicPartition) -> Option<Arc<LogDir>> {
        self.logs.read().get(name).map(|(at, _)| Arc::clone(&self.dirs[*at]))
    }

    /// All logs.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().values().map(|(_, log)| Arc::clone(log)).collect()
    }

    /// All logs in a directory.
    pub fn logs_in(&self, dir: &LogDir) -> Vec<Arc<Log>> {
        let logs = self.logs.read();
        let here = logs.values().filter(|(at, _)| self.dirs[*at].id == dir.id);
        here.map(|(_, log)| Arc::clone(log)).collect()
    }

    /// Opens the log of a partition where it is found, or makes it in the directory with the
    /// fewest logs.
    ///
    /// # Errors
    /// The disk failed, the log is damaged, or no directory is in service.
    pub fn open_or_create(
        &self,
        name: &TopicPartition,
        config: LogConfig,
    ) -> Result<(Arc<Log>, Report), OpenError> {
        if let Some(log) = self.get(name) {
            return Ok((log, Report::default()));
        }
        let at = match self.place_of(name) {
            Some(at) => at,
            None => {
                self.forget_former(name)?;
                self.place_for_new(name)?
            }
        };
        let (log, report) = self.open_in(at, name, config)?;
        self.preferred.lock().remove(name);
        let log = Arc::new(log);
        self.logs.write().insert(name.clone(), (at, Arc::clone(&log)));
        Ok((log, report))
    }

    /// Sees to it that no checkpoint speaks of a former log of a name that is about to be taken: a
    /// start would give the new one its start offset.
    fn forget_former(&self, name: &TopicPartition) -> io::Result<()> {
        if !self.unforgotten.lock().contains(name) {
            return Ok(());
        }
        // A directory that failed is out of service: what it says no longer counts.
        self.forget_deleted()
            .or_else(|error| if disk::is_full(&error) { Err(error) } else { Ok(()) })
    }

    /// The directory in which a partition has files.
    fn place_of(&self, name: &TopicPartition) -> Option<usize> {
        let sub = name.to_string();
        let here = |dir: &Arc<LogDir>| {
            dir.offline.lock().is_none() && self.env.disk.exists(&dir.path.join(&sub))
        };
        self.dirs.iter().position(here)
    }

    /// Where a new log goes: to the directory that was asked for, or to the one with the fewest
    /// logs, if possible not to one that is cordoned.
    fn place_for_new(&self, name: &TopicPartition) -> io::Result<usize> {
        let is_online = |at: &usize| self.dirs[*at].offline.lock().is_none();
        if let Some(at) = self.preferred.lock().get(name).copied().filter(is_online) {
            return Ok(at);
        }
        if self.dirs.len() == 1 && is_online(&0) {
            return Ok(0);
        }
        let mut counts = vec![0usize; self.dirs.len()];
        for (at, _) in self.logs.read().values() {
            counts[*at] += 1;
        }
        let cordoned = self.cordoned.read();
        let online = (0..self.dirs.len()).filter(is_online);
        online
            .min_by_key(|at| (cordoned.contains(at), counts[*at]))
            .ok_or_else(|| io::Error::other("no log directory is in service"))
    }

    fn open_in(
        &self,
        at: usize,
        name: &TopicPartition,
        config: LogConfig,
    ) -> Result<(Log, Report), OpenError> {
        let dir = &self.dirs[at];
        let path = dir.path.join(name.to_string());
        let is_new = !self.env.disk.exists(&path);
        // The checkpoints know of a log that had this name before, but not of a new one.
        let known = |offsets: &BTreeMap<_, i64>| offsets.get(name).copied().filter(|_| !is_new);
        let point = |offsets: &BTreeMap<_, i64>| known(offsets).unwrap_or(0);
        OpenLog {
            disk: Arc::clone(&self.env.disk),
            clean: dir.clean || is_new,
            dir: path,
            name: name.clone(),
            config,
            recovery_point: point(&dir.recovery_points),
            start_offset: point(&dir.start_offsets),
            cleaned_to: known(&dir.cleaned),
            same_power_cycle: dir.same_power_cycle,
            now_ms: self.env.clock.now_ms(),
        }
        .open()
        .inspect(|(log, _)| drop(log.flushes.set(Arc::clone(&self.flushes))))
    }

    /// Takes a log out of service and renames its directory; returns the directory, which the
    /// caller removes after `file.delete.delay.ms`.
    ///
    /// # Errors
    /// The directory cannot be renamed.
    pub fn delete(&self, name: &TopicPartition) -> io::Result<Option<PathBuf>> {
        let Some((at, log)) = self.logs.write().remove(name) else { return Ok(None) };
        self.unforgotten.lock().insert(name.clone());
        log.set_offline("the partition is deleted");
        if planted("take-up-former-log") {
            return Ok(None);
        }
        let renamed = self.mark(at, name, DELETE_DIR_SUFFIX);
        log.place.rename(&renamed)?;
        Ok(Some(renamed))
    }

    /// Makes it durable that logs are deleted, and forgets in the checkpoints what they had come to:
    /// other logs may take their names.
    ///
    /// # Errors
    /// A directory that is in service failed; it no longer is.
    pub fn forget_deleted(&self) -> io::Result<()> {
        let mut unforgotten = self.unforgotten.lock();
        // Both, though one directory fails: the others are to forget all the same.
        let (points, starts) = (self.checkpoint_recovery_points(), self.checkpoint_start_offsets());
        let cleaned = self.dirs.iter().any(|dir| self.env.disk.exists(&dir.path.join(CLEANED)));
        let cleaned = if cleaned { self.checkpoint_cleaned() } else { Ok(()) };
        points.and(starts).and(cleaned)?;
        unforgotten.clear();
        Ok(())
    }

    /// Sets aside what a former topic of the same name left in a partition's place.
    ///
    /// # Errors
    /// The directory cannot be renamed.
    pub fn set_former_aside(&self, name: &TopicPartition, topic_id: &str) -> io::Result<()> {
        if self.get(name).is_some() || planted("take-up-former-log") {
            return Ok(());
        }
        while let Some(at) = self.place_of(name) {
            let path = self.dirs[at].path.join(name.to_string());
            if topic_id_in(&*self.env.disk, &path).as_deref() == Some(topic_id) {
                break;
            }
            self.set_stray(at, name)?;
        }
        Ok(())
    }

    /// Sets a partition's directory aside that the cluster does not know.
    ///
    /// # Errors
    /// The directory cannot be renamed.
    pub fn set_stray(&self, at: usize, name: &TopicPartition) -> io::Result<PathBuf> {
        self.set_aside(at, name, STRAY_DIR_SUFFIX)
    }

    fn set_aside(&self, at: usize, name: &TopicPartition, suffix: &str) -> io::Result<PathBuf> {
        self.unforgotten.lock().insert(name.clone());
        let renamed = self.mark(at, name, suffix);
        self.env.disk.rename(&self.dirs[at].path.join(name.to_string()), &renamed)?;
        Ok(renamed)
    }

    /// A name of Kafka's form `<topic>-<partition>.<32 hex digits>-delete`, at most 255 long.
    fn mark(&self, at: usize, name: &TopicPartition, suffix: &str) -> PathBuf {
        let unique: String =
            self.env.random.uuid_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let rest = format!(".{unique}{suffix}");
        let mut name = name.to_string();
        name.truncate(255 - rest.len());
        self.dirs[at].path.join(name + &rest)
    }

    /// Takes a directory, and the logs in it, out of service.
    pub fn fail(&self, dir: &Path, reason: &str) {
        for (at, failed) in self.dirs.iter().enumerate().filter(|(_, d)| d.path == dir) {
            let first = failed.offline.lock().replace(reason.to_owned()).is_none();
            if first {
                tracing::error!("log directory {} is out of service: {reason}", dir.display());
            }
            for (_, log) in self.logs.read().values().filter(|(place, _)| *place == at) {
                log.set_offline(reason);
            }
        }
        let failed = self.dirs.iter().filter(|dir| dir.offline_reason().is_some()).count();
        if failed > self.failures.get() {
            self.failures.set(failed);
        }
        self.all_failed.set(self.dirs.iter().all(|dir| dir.offline_reason().is_some()));
    }
}
