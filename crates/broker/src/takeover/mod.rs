//! Taking over the directories of a stopped, single-node Apache Kafka in place.
//!
//! Partitions, committed offsets and transactions are kept in Kafka's format by us as well, so they
//! stay where they are. What is made anew is what the metadata quorum remembers beside its log.
//!
//! *Invariants:* looking changes nothing. Applying writes nothing over what Kafka wrote, and one
//! rename decides whether Kafka or we own the directories.
//!
//! Start reading at [`Takeover::look`]; `metadata.rs` judges what the metadata says, `dirs.rs` looks
//! into the log directories, `coordinators.rs` replays groups and transactions.

mod coordinators;
mod dirs;
mod metadata;
mod report;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use dirs::Dirs;
use klamm_config::{BrokerConfig, BrokerSettings, ConfigFile, Dynamic, Layers};
use klamm_env::Env;
use klamm_quorum::{
    OpenError,
    kafka::{self, KafkaLog, Owner},
};
pub use report::{
    DirectoryFound, Found, GroupFound, MetadataFound, SettingFound, TopicFound, TransactionFound,
};

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// `log.dirs`.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`; the first of the log directories if nobody says otherwise.
    pub metadata_log_dir: Option<PathBuf>,
    /// The `metadata.log.dir` of the controller, if that was a process of its own.
    pub controller_log_dir: Option<PathBuf>,
    /// Kafka's `server.properties`, if it is at hand.
    pub file: Option<ConfigFile>,
}

/// Why nothing could be looked at, or taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The disk failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The report says why.
    #[error("it cannot be taken over as it is")]
    Refused,
}

/// What was found, and what is needed to take it over.
#[derive(Debug)]
pub struct Takeover {
    found: Found,
    dirs: Dirs,
    log: Option<KafkaLog>,
    /// Where the metadata log is to be.
    metadata_dir: PathBuf,
}

impl Takeover {
    /// Looks at everything; changes nothing. The directories stay locked as long as the value lives.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn look(env: &Env, source: &Source) -> io::Result<Self> {
        let disk = &*env.disk;
        let mut found = Found::default();
        let config = settings::look(source.file.as_ref(), &mut found);
        let (paths, metadata_dir) = places(source, &config);
        let controller = source.controller_log_dir.as_deref();
        let dirs = Dirs::look(disk, &paths, &metadata_dir, controller, &mut found)?;
        let mut takeover = Self { found, dirs, log: None, metadata_dir };
        takeover.check_identity(&config, source.file.is_some());
        if !takeover.found.refused.is_empty() {
            return Ok(takeover);
        }
        takeover.read_metadata(env, controller)?;
        if let (Some(log), Some(node_id)) = (&takeover.log, takeover.found.node_id) {
            let controller = takeover.dirs.controller().unwrap_or(node_id);
            let judge = metadata::Judge { image: &log.image, node_id, controller, config: &config };
            judge.all(log, &takeover.dirs, &mut takeover.found);
            takeover.dirs.compare(&log.image, &mut takeover.found);
            coordinators::look(env, &takeover.dirs, &mut takeover.found)?;
        }
        Ok(takeover)
    }

    /// What was found.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Takes over; returns where the copy of Kafka's metadata log is. After a crash at any step the
    /// directories are Kafka's or ours; doing it again finishes it. Blocks.
    ///
    /// # Errors
    /// There are reasons against it, or the disk failed.
    pub fn apply(mut self, env: &Env) -> Result<PathBuf, TakeoverError> {
        let (Some(log), Some(node_id)) = (&self.log, self.found.node_id) else {
            return Err(TakeoverError::Refused);
        };
        if !self.found.refused.is_empty() {
            return Err(TakeoverError::Refused);
        }
        self.dirs.lock_rest(&*env.disk)?;
        self.dirs.write_topic_ids(&*env.disk)?;
        Ok(log.adopt(env, &self.metadata_dir, node_id)?.kept)
    }

    /// Which node of which cluster it is, by the directories and the file.
    fn check_identity(&mut self, config: &BrokerConfig, has_file: bool) {
        let found = &mut self.found;
        let Some(first) = self.dirs.first_meta() else { return };
        found.cluster_id.clone_from(&first.cluster_id);
        found.node_id = Some(first.node_id);
        let node_id = BrokerSettings::of(&config.effective(Dynamic::NONE))
            .map_or(first.node_id, |settings| settings.node.node_id);
        if has_file && node_id != first.node_id {
            found.refused.push(format!(
                "the configuration is of node.id {node_id}, the directories are of node.id {}",
                first.node_id
            ));
        }
    }

    /// Reads the log of the controller, or the one that is to be ours.
    fn read_metadata(&mut self, env: &Env, controller: Option<&Path>) -> io::Result<()> {
        let disk = &*env.disk;
        let refused = &mut self.found.refused;
        let own = &*self.metadata_dir;
        let is_ours = kafka::owner(disk, own)? == Owner::Klamm;
        let dir = controller.filter(|_| !is_ours).unwrap_or(own);
        let place = dir.display();
        match kafka::owner(disk, dir)? {
            Owner::Nobody => refused.push(format!(
                "{place} has no metadata log (__cluster_metadata-0). If metadata.log.dir is another \
                 directory, name it with --metadata-log-dir"
            )),
            Owner::Formatted => refused.push(format!(
                "Kafka was formatted but never ran on {place}: there is nothing to take over; \
                 `klamm serve` with the same configuration begins the cluster"
            )),
            Owner::Klamm => refused.push(format!(
                "{place} is Klamm's already: `klamm serve` with the same configuration runs it"
            )),
            Owner::Kafka => match KafkaLog::read(disk, dir) {
                Ok(log) => self.log = Some(log),
                Err(OpenError::Io(error)) => return Err(error),
                Err(error) => refused.push(format!("the metadata cannot be read: {error}")),
            },
        }
        Ok(())
    }
}

/// The log directories, and that of the metadata.
fn places(source: &Source, config: &BrokerConfig) -> (Vec<PathBuf>, PathBuf) {
    let settings = BrokerSettings::of(&config.effective(Dynamic::NONE)).ok();
    let settings = settings.filter(|_| source.file.is_some());
    let configured = settings.as_ref().map(|of| of.log.log_dirs.iter().map(PathBuf::from));
    let log_dirs = match configured {
        Some(configured) if source.log_dirs.is_empty() => configured.collect(),
        _ => source.log_dirs.clone(),
    };
    let metadata = source.metadata_log_dir.clone().or_else(|| {
        let of = settings.filter(|_| source.log_dirs.is_empty())?;
        Some(PathBuf::from(of.quorum.metadata_log_dir))
    });
    let metadata = metadata.or_else(|| log_dirs.first().cloned()).unwrap_or_default();
    (log_dirs, metadata)
}

/// A configuration in which nothing is set.
fn no_config() -> BrokerConfig {
    BrokerConfig::resolve(Layers::default()).expect("the defaults are valid together")
}
