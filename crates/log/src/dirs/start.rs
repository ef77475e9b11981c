//! Taking log directories into service: lock, identity, checkpoints, and opening all logs.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use klamm_env::{Disk, Env, Watched, disk};
use parking_lot::{Mutex, RwLock};

use super::{DirId, LogDir, LogDirs, MetaProperties};
use klamm_planted::planted;

use crate::{
    LogConfig, OpenError, TopicPartition,
    checkpoint::{CLEANED, HIGH_WATERMARKS, LOG_STARTS, RECOVERY_POINTS, read_offsets},
    log::topic_id_in,
    names::{DELETE_DIR_SUFFIX, parse_future_dir, parse_partition_dir},
};

/// Kafka's mark of a clean stop.
pub const CLEAN_FILE: &str = ".kafka_cleanshutdown";
/// Names the run of the operating system in which the directory was last written.
pub(super) const POWER_CYCLE_FILE: &str = ".klamm_power_cycle";
/// The file that whoever uses a log directory holds a lock on.
pub const LOCK_FILE: &str = ".lock";

/// What is needed to take the directories into service.
#[derive(Debug)]
pub struct DirOpen {
    /// The outside world.
    pub env: Env,
    /// `log.dirs`.
    pub paths: Vec<PathBuf>,
    /// `node.id`; must be that of the directories if they were used before.
    pub node_id: i32,
    /// Cluster id to give to new directories.
    pub cluster_id: String,
    /// Turns sixteen bytes into Kafka's textual form of a UUID, and back.
    pub uuid_text: fn([u8; 16]) -> String,
    /// The reverse of `uuid_text`.
    pub uuid_parse: fn(&str) -> Option<[u8; 16]>,
}

impl DirOpen {
    /// Takes the directories into service. One that fails is left out, with an error logged;
    /// no log is opened yet.
    ///
    /// # Errors
    /// No directory can be used, one is used by another process, or one belongs to another node or
    /// cluster.
    pub fn open(self) -> io::Result<LogDirs> {
        let mut dirs = Vec::new();
        let (mut failed, mut left_out) = (None, Vec::new());
        for path in &self.paths {
            match self.open_dir(path) {
                Ok(dir) => dirs.push(Arc::new(dir)),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
                Err(error) => {
                    tracing::error!("log directory {} is out of service: {error}", path.display());
                    failed = Some(error);
                    left_out.push(path.clone());
                }
            }
        }
        match failed {
            Some(error) if dirs.is_empty() => Err(error),
            _ => Ok(LogDirs {
                env: self.env,
                dirs,
                left_out,
                all_failed: Watched::new(false),
                failures: Watched::new(0),
                cordoned: RwLock::default(),
                preferred: Mutex::default(),
                arriving: Mutex::default(),
                unopened: Mutex::default(),
                unforgotten: Mutex::default(),
                unfinished: Mutex::default(),
                logs: RwLock::default(),
                checkpointing: Mutex::default(),
                flushes: Arc::default(),
            }),
        }
    }

    fn open_dir(&self, path: &Path) -> io::Result<LogDir> {
        let disk = &*self.env.disk;
        disk::create_dir_durably(disk, path)?;
        let lock = disk.lock(&path.join(LOCK_FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let text = format!("{} is in use by another process ({error})", path.display());
                io::Error::new(io::ErrorKind::InvalidInput, text)
            }
            _ => error,
        })?;
        let meta = self.identify(path)?;
        let clean_file = path.join(CLEAN_FILE);
        let clean = disk.exists(&clean_file);
        let mut broker_epoch = None;
        if clean {
            broker_epoch = epoch_in(&disk::read_file(disk, &clean_file, 4096).unwrap_or_default());
            disk.remove_file(&clean_file)?;
            disk.sync_dir(path)?;
        }
        Ok(LogDir {
            path: path.to_owned(),
            id: (self.uuid_parse)(&meta.directory_id).unwrap_or_default(),
            clean,
            broker_epoch,
            same_power_cycle: is_same_power_cycle(disk, path),
            recovery_points: offsets(disk, &path.join(RECOVERY_POINTS)),
            start_offsets: offsets(disk, &path.join(LOG_STARTS)),
            high_watermarks: offsets(disk, &path.join(HIGH_WATERMARKS)),
            cleaned: offsets(disk, &path.join(CLEANED)),
            offline: Mutex::new(None),
            volume: disk.volume(path)?,
            _lock: lock,
        })
    }

    fn identify(&self, path: &Path) -> io::Result<MetaProperties> {
        let disk = &*self.env.disk;
        let wrong = |what: String| {
            let text = format!("{}: {what}", path.join(super::meta::FILE).display());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let found = MetaProperties::read(disk, path)?;
        let mut meta = match found {
            Some(meta) => meta,
            None => MetaProperties {
                cluster_id: self.cluster_id.clone(),
                node_id: self.node_id,
                directory_id: String::new(),
            },
        };
        if meta.node_id != self.node_id {
            let (theirs, ours) = (meta.node_id, self.node_id);
            return Err(wrong(format!("belongs to node.id {theirs}, this is node.id {ours}")));
        }
        if meta.cluster_id != self.cluster_id {
            let (theirs, ours) = (&meta.cluster_id, &self.cluster_id);
            return Err(wrong(format!("belongs to cluster {theirs}, this is cluster {ours}")));
        }
        if meta.directory_id.is_empty() {
            meta.directory_id = (self.uuid_text)(self.env.random.uuid_bytes());
            meta.write(disk, path)?;
        }
        Ok(meta)
    }
}

/// The broker epoch in the mark of a clean stop, `{"version":0,"brokerEpoch":7}`.
fn epoch_in(mark: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(mark).ok()?;
    let (_, rest) = text.split_once("\"brokerEpoch\":")?;
    rest.trim().trim_end_matches('}').trim().parse().ok()
}

/// A checkpoint that cannot be read costs a longer recovery, no data.
fn offsets(disk: &dyn Disk, path: &Path) -> BTreeMap<TopicPartition, i64> {
    read_offsets(disk, path).unwrap_or_else(|error| {
        tracing::warn!("starting without {error}");
        BTreeMap::new()
    })
}

/// Says whether the machine has run on since the logs in the directory were last found whole.
fn is_same_power_cycle(disk: &dyn Disk, path: &Path) -> bool {
    let noted = disk::read_file(disk, &path.join(POWER_CYCLE_FILE), 4096);
    disk.power_cycle().is_some_and(|now| noted.is_ok_and(|noted| noted == now.as_bytes()))
}

/// What the cluster knows of a partition.
#[derive(Debug)]
pub struct Known {
    /// The topic's id, in its textual form.
    pub topic_id: String,
    /// The partition's settings.
    pub config: LogConfig,
    /// The directory that this broker last said it is in; zero if it said nothing.
    pub dir: DirId,
}

/// What the cluster knows of a partition; none if it does not know it.
pub type ConfigOf = dyn Fn(&TopicPartition) -> Option<Known> + Send + Sync;

/// Logs found in a directory, to be opened.
type Found = Vec<(usize, TopicPartition)>;

impl LogDirs {
    /// Opens all logs found in the directories, `threads` at a time per directory
    /// (`num.recovery.threads.per.data.dir`). `config_of` gives the topic id and the settings of a
    /// partition. A directory that the cluster does not know, or that is of a former topic of the
    /// same name, is set aside. Returns the partitions whose logs could not be opened, with the
    /// reason.
    ///
    /// # Errors
    /// A directory cannot be listed.
    pub async fn open_all(
        self: &Arc<Self>,
        threads: usize,
        config_of: Arc<ConfigOf>,
    ) -> io::Result<Vec<(TopicPartition, OpenError)>> {
        let found = Arc::new(self.find_logs(&*config_of)?);
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = Vec::new();
        for _ in 0..threads.max(1) * self.dirs.len() {
            let (this, found, next) = (Arc::clone(self), Arc::clone(&found), Arc::clone(&next));
            let config_of = Arc::clone(&config_of);
            let work = move || this.open_next(&found, &next, &*config_of);
            workers.push(tokio::spawn({
                let disk = Arc::clone(&self.env.disk);
                async move { disk::run(&disk, work).await }
            }));
        }
        let mut failed = Vec::new();
        for worker in workers {
            failed.extend(worker.await.map_err(io::Error::other)??);
        }
        if failed.is_empty() {
            self.note_power_cycle();
        }
        let gone = self.dirs.iter().enumerate().flat_map(|(at, dir)| dir.gone(at, &found));
        self.unforgotten.lock().extend(gone.cloned());
        let is_all_known = self.unforgotten.lock().is_empty();
        if !is_all_known {
            // The next log of that name must not be taken for the one that was checkpointed. Where
            // there is no room for it none is begun.
            drop(self.forget_deleted());
        }
        Ok(failed)
    }

    /// Notes this run of the machine in all directories: from now on a hole in a log is damage.
    /// Not before all logs are recovered: a process that dies while it recovers them leaves the
    /// holes of the power loss to the next.
    fn note_power_cycle(&self) {
        let Some(now) = self.env.disk.power_cycle() else { return };
        for dir in self.dirs.iter().filter(|dir| !dir.same_power_cycle) {
            let file = dir.path.join(POWER_CYCLE_FILE);
            let noted = disk::write_file_atomically(&*self.env.disk, &file, now.as_bytes());
            if let Err(error) = noted {
                // The next start forgives more than it need.
                tracing::warn!("cannot note the power cycle: {error}");
            }
        }
    }

    fn open_next(
        &self,
        found: &Found,
        next: &AtomicUsize,
        config_of: &ConfigOf,
    ) -> Vec<(TopicPartition, OpenError)> {
        let mut failed = Vec::new();
        while let Some((at, name)) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(Known { config, dir, .. }) = config_of(name) else { continue };
            if self.is_out_of_reach(dir) {
                let text = "it was last in a log directory that is out of service";
                tracing::error!("{name} is offline: {text}");
                self.unopened.lock().insert(name.clone(), *at);
                failed.push((name.clone(), OpenError::Io(io::Error::other(text))));
                continue;
            }
            match self.open_in(*at, name, config) {
                Ok((log, report)) => {
                    if let Some(damage) = &report.damage {
                        let bytes = report.bytes_cut;
                        tracing::warn!("{name}: cut {bytes} bytes off the torn end: {damage}");
                    }
                    self.logs.write().insert(name.clone(), (*at, Arc::new(log)));
                }
                Err(error) => {
                    tracing::error!("{name} is offline: {error}");
                    self.unopened.lock().insert(name.clone(), *at);
                    failed.push((name.clone(), error));
                }
            }
        }
        failed
    }

    fn find_logs(&self, config_of: &ConfigOf) -> io::Result<Found> {
        let mut found: BTreeMap<TopicPartition, usize> = BTreeMap::new();
        for (at, dir) in self.dirs.iter().enumerate() {
            for entry in self.env.disk.list(&dir.path)?.into_iter().filter(|entry| entry.is_dir) {
                if entry.name.ends_with(DELETE_DIR_SUFFIX) {
                    self.env.disk.remove_dir_all(&dir.path.join(&entry.name))?;
                    continue;
                }
                if let Some(name) = parse_future_dir(&entry.name) {
                    if planted("unfinished-move-stays") {
                        continue;
                    }
                    // What it has is not needed: the move begins again.
                    if let Err(error) = self.env.disk.remove_dir_all(&dir.path.join(&entry.name)) {
                        tracing::warn!("cannot delete what is left of a move: {error}");
                    }
                    self.unfinished.lock().push((name, at));
                    continue;
                }
                let Some(name) = parse_partition_dir(&entry.name) else { continue };
                if name.topic == "__cluster_metadata" || self.get(&name).is_some() {
                    continue;
                }
                let id = topic_id_in(&*self.env.disk, &dir.path.join(&entry.name));
                // A directory without an id has nothing that was ever made durable.
                let known = config_of(&name).filter(|known| id.as_ref() == Some(&known.topic_id));
                if let Some(known) = known {
                    self.add_found(&mut found, at, name, known.dir)?;
                } else {
                    let aside = self.set_stray(at, &name)?;
                    tracing::warn!(
                        "{name} of topic id {id:?} is not in the cluster's metadata; set aside as {}",
                        aside.display()
                    );
                }
            }
        }
        Ok(found.into_iter().map(|(name, at)| (at, name)).collect())
    }

    /// Adds a log to those found. Where it is in two directories, a move was not ended: the one in
    /// which the cluster knows it counts, the other goes.
    fn add_found(
        &self,
        found: &mut BTreeMap<TopicPartition, usize>,
        at: usize,
        name: TopicPartition,
        known: DirId,
    ) -> io::Result<()> {
        let Some(twin) = found.get(&name).copied() else {
            found.insert(name, at);
            return Ok(());
        };
        if planted("moved-twin-stays") {
            return Ok(());
        }
        let counts = self.dirs[at].id == known;
        let (counting, former) = if counts { (at, twin) } else { (twin, at) };
        let aside = self.set_aside(former, &name, DELETE_DIR_SUFFIX)?;
        tracing::warn!(
            "{name} was found in two directories, of which {} counts; the other is deleted with the \
             next start as {}",
            self.dirs[counting].path.display(),
            aside.display()
        );
        found.insert(name, counting);
        Ok(())
    }

    /// Whether a log may be in a directory that is configured and not in service.
    fn is_out_of_reach(&self, dir: DirId) -> bool {
        let is_known = dir != DirId::default();
        let is_online = |d: &Arc<LogDir>| d.id == dir && d.offline_reason().is_none();
        is_known && !self.are_all_in_service() && !self.dirs.iter().any(is_online)
    }
}
