//! The log directories as Kafka left them.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    io,
    path::{Path, PathBuf},
};

use klamm_env::{Disk, disk::Lock};
use klamm_log::{
    CLEAN_FILE, LOCK_FILE, MetaProperties, TopicPartition,
    checkpoint::{self, LOG_STARTS},
    inspect::{self, Contents, SetAside},
    parse_partition_dir,
};
use klamm_metadata::Image;

use super::{DirectoryFound, Found, TopicFound};

/// A partition's directory.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) path: PathBuf,
    /// The topic that it says it belongs to.
    topic_id: Option<String>,
    contents: Contents,
    log_start: i64,
    /// Producers in its newest snapshot.
    producers: usize,
}

#[derive(Debug)]
struct Dir {
    path: PathBuf,
    meta: Option<MetaProperties>,
    partitions: BTreeMap<TopicPartition, Held>,
}

/// All log directories, locked if somebody ever locked them.
#[derive(Debug, Default)]
pub(super) struct Dirs {
    dirs: Vec<Dir>,
    /// Those of the metadata, of this node and of its controller, if they are others.
    metadata: Vec<PathBuf>,
    /// The controller, if it was a process of its own.
    controller: Option<MetaProperties>,
    locks: BTreeMap<PathBuf, Box<dyn Lock>>,
    /// Partitions' directories that do not say to which topic they belong, with the topic's id.
    unnamed: Vec<(PathBuf, String)>,
}

impl Dirs {
    /// Looks into the directories.
    pub(super) fn look(
        disk: &dyn Disk,
        paths: &[PathBuf],
        metadata: &Path,
        controller: Option<&Path>,
        found: &mut Found,
    ) -> io::Result<Self> {
        let others = [Some(metadata), controller].into_iter().flatten().map(Path::to_owned);
        let metadata = others.filter(|path| !paths.contains(path)).collect();
        let mut dirs = Self { metadata, ..Self::default() };
        if let Some(path) = controller {
            dirs.controller = identify(disk, path, found)?;
        }
        if paths.is_empty() {
            found.refused.push("no log directories are named".to_owned());
        }
        for path in paths {
            dirs.look_into(disk, path, found)?;
        }
        let cluster = dirs.first_meta().map(|meta| meta.cluster_id.clone());
        let node = dirs.first_meta().map(|meta| meta.node_id);
        if let Some(meta) =
            dirs.controller.as_ref().filter(|c| Some(&c.cluster_id) != cluster.as_ref())
        {
            let theirs = &meta.cluster_id;
            found.refused.push(format!("the controller belongs to another cluster, {theirs}"));
        }
        for dir in &dirs.dirs {
            let Some(meta) = &dir.meta else { continue };
            if (Some(&meta.cluster_id), Some(meta.node_id)) != (cluster.as_ref(), node) {
                found.refused.push(format!(
                    "{} belongs to node.id {} of cluster {}, unlike the first directory",
                    dir.path.display(),
                    meta.node_id,
                    meta.cluster_id
                ));
            }
        }
        for path in dirs.metadata.clone() {
            dirs.lock(disk, &path, found)?;
        }
        Ok(dirs)
    }

    fn look_into(&mut self, disk: &dyn Disk, path: &Path, found: &mut Found) -> io::Result<()> {
        let place = path.display();
        if !disk.exists(path) {
            found.refused.push(format!("{place}: there is no such directory"));
            return Ok(());
        }
        // Files of a broker that runs come and go.
        if !self.lock(disk, path, found)? {
            return Ok(());
        }
        let meta = identify(disk, path, found)?;
        let starts = checkpoint::read_offsets(disk, &path.join(LOG_STARTS)).unwrap_or_default();
        let mut partitions = BTreeMap::new();
        for entry in disk.list(path)?.into_iter().filter(|entry| entry.is_dir) {
            if let Some(aside) = SetAside::from_name(&entry.name) {
                note_aside(aside, &path.join(&entry.name), found);
                continue;
            }
            let Some(name) = parse_partition_dir(&entry.name) else { continue };
            if name.topic == "__cluster_metadata" {
                continue;
            }
            let start = starts.get(&name).copied();
            let held = Held::look(disk, path.join(&entry.name), start)?;
            partitions.insert(name, held);
        }
        found.directories.push(DirectoryFound {
            path: path.to_owned(),
            id: meta.as_ref().map(|meta| meta.directory_id.clone()).unwrap_or_default(),
            clean: disk.exists(&path.join(CLEAN_FILE)),
            partitions: partitions.len(),
            bytes: partitions.values().map(|held| held.contents.bytes).sum(),
        });
        self.dirs.push(Dir { path: path.to_owned(), meta, partitions });
        Ok(())
    }

    /// Locks a directory that somebody has locked before; a lock file is not made. Says whether
    /// nobody else holds it.
    fn lock(&mut self, disk: &dyn Disk, path: &Path, found: &mut Found) -> io::Result<bool> {
        let file = path.join(LOCK_FILE);
        if !disk.exists(&file) || self.locks.contains_key(path) {
            return Ok(true);
        }
        match disk.lock(&file) {
            Ok(lock) => {
                self.locks.insert(path.to_owned(), lock);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                found.refused.push(format!(
                    "{} is in use by another process, which holds {LOCK_FILE}: stop Kafka first",
                    path.display()
                ));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Locks the others, before anything is changed.
    pub(super) fn lock_rest(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let paths = self.dirs.iter().map(|dir| dir.path.clone()).chain(self.metadata.clone());
        for path in paths.collect::<Vec<_>>() {
            let file = path.join(LOCK_FILE);
            if let Entry::Vacant(vacant) = self.locks.entry(path) {
                vacant.insert(disk.lock(&file)?);
            }
        }
        Ok(())
    }

    /// The identity that all directories share.
    pub(super) fn first_meta(&self) -> Option<&MetaProperties> {
        self.dirs.iter().find_map(|dir| dir.meta.as_ref())
    }

    /// The node id of the controller that was a process of its own.
    pub(super) fn controller(&self) -> Option<i32> {
        self.controller.as_ref().map(|meta| meta.node_id)
    }

    /// The ids of the directories.
    pub(super) fn ids(&self) -> BTreeSet<&str> {
        let metas = self.dirs.iter().filter_map(|dir| dir.meta.as_ref());
        metas.map(|meta| meta.directory_id.as_str()).filter(|id| !id.is_empty()).collect()
    }

    /// The directories of a topic's partitions, by index; a partition may have several.
    pub(super) fn of_topic(&self, topic: &str) -> impl Iterator<Item = (i32, &Held)> {
        let all = self.dirs.iter().flat_map(|dir| dir.partitions.iter());
        all.filter(move |(name, _)| name.topic == topic).map(|(name, held)| (name.partition, held))
    }

    /// Lays the partitions' directories beside what the metadata knows.
    pub(super) fn compare(&mut self, image: &Image, found: &mut Found) {
        let mut by_name: BTreeMap<&TopicPartition, Vec<&Held>> = BTreeMap::new();
        for dir in &self.dirs {
            for (name, held) in &dir.partitions {
                by_name.entry(name).or_default().push(held);
            }
        }
        let mut unnamed = Vec::new();
        for topic in image.topics() {
            let id = topic.id.to_string();
            let mut sum = TopicFound::of(image, topic);
            for (index, _) in topic.partitions() {
                let name = TopicPartition::new(&*topic.name, index);
                let held = by_name.remove(&name).unwrap_or_default();
                let of_topic =
                    |held: &&&Held| held.topic_id.as_ref().is_none_or(|theirs| *theirs == id);
                let (ours, former): (Vec<&&Held>, Vec<&&Held>) = held.iter().partition(of_topic);
                for held in &ours {
                    sum.add(held);
                    if held.topic_id.is_none() {
                        unnamed.push((held.path.clone(), id.clone()));
                    }
                }
                for held in former {
                    found.notes.push(stray(&held.path, "is of a former topic of that name"));
                }
                check_place(&name, &ours, found);
            }
            found.topics.push(sum);
        }
        for held in by_name.into_values().flatten() {
            found.notes.push(stray(&held.path, "is not in the cluster's metadata"));
        }
        self.unnamed = unnamed;
    }

    /// Writes `partition.metadata` where Kafka had not come to it: a directory without it is taken
    /// for one in which nothing was ever made durable.
    pub(super) fn write_topic_ids(&self, disk: &dyn Disk) -> io::Result<()> {
        self.unnamed.iter().try_for_each(|(dir, id)| inspect::write_topic_id(disk, dir, id))
    }
}

impl Held {
    fn look(disk: &dyn Disk, path: PathBuf, start: Option<i64>) -> io::Result<Self> {
        let contents = inspect::extent(disk, &path)?;
        let producers = inspect::producers(disk, &path)?.map_or(0, |(all, _)| all);
        Ok(Self {
            topic_id: inspect::topic_id_in(disk, &path),
            log_start: start.unwrap_or(0).max(contents.start_offset),
            contents,
            producers,
            path,
        })
    }
}

impl TopicFound {
    fn of(image: &Image, topic: &klamm_metadata::Topic) -> Self {
        let resource = klamm_metadata::Resource::topic(&*topic.name);
        let configs = image.config(&resource);
        Self {
            name: topic.name.to_string(),
            id: topic.id.to_string(),
            partitions: topic.partition_count(),
            offsets: 0,
            bytes: 0,
            producers: 0,
            configs: configs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    fn add(&mut self, held: &Held) {
        self.offsets += (held.contents.end_offset - held.log_start).max(0);
        self.bytes += held.contents.bytes;
        self.producers += held.producers;
    }
}

/// A partition is in one of the directories, or it never was in any.
fn check_place(name: &TopicPartition, held: &[&&Held], found: &mut Found) {
    match held {
        [only] => {
            if let Some(damage) = &only.contents.damage {
                let (file, position) = (damage.file.display(), damage.position);
                let error = &damage.error;
                found.notes.push(format!(
                    "{name}: {file}, position {position}: {error}; its recovery decides"
                ));
            }
        }
        // All directories of the broker are there, or that is refused: Kafka had not made it yet.
        [] => found.notes.push(format!("{name} has no directory: it begins empty")),
        several => {
            let paths: Vec<String> =
                several.iter().map(|held| held.path.display().to_string()).collect();
            found.refused.push(format!("{name} is in several directories: {}", paths.join(", ")));
        }
    }
}

fn stray(path: &Path, why: &str) -> String {
    format!("{} {why}: it is set aside, as Kafka does", path.display())
}

fn note_aside(aside: SetAside, path: &Path, found: &mut Found) {
    let place = path.display();
    match aside {
        SetAside::Deleted => {
            found.notes.push(format!("{place}: the deletion that Kafka began is finished"));
        }
        SetAside::Future => found
            .notes
            .push(format!("{place}: a move between log directories was under way; it begins anew")),
        // Our own copies of the metadata log have names of this kind.
        SetAside::Stray => {}
    }
}

fn identify(disk: &dyn Disk, path: &Path, found: &mut Found) -> io::Result<Option<MetaProperties>> {
    let place = path.display();
    match MetaProperties::version_in(disk, path)?.as_deref() {
        Some("1") => {}
        Some("0") => {
            found.refused.push(format!(
                "{place} is of a Kafka that used ZooKeeper (meta.properties version 0): migrate it \
                 to KRaft with Apache Kafka 3.9 first (KIP-866), then take it over"
            ));
            return Ok(None);
        }
        Some(other) => {
            found.refused.push(format!(
                "{place}: meta.properties is of version {other}, this release reads version 1"
            ));
            return Ok(None);
        }
        None => {
            found.refused.push(format!(
                "{place} is no log directory of Apache Kafka: it has no meta.properties"
            ));
            return Ok(None);
        }
    }
    match MetaProperties::read(disk, path) {
        Ok(meta) => Ok(meta),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            found.refused.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
