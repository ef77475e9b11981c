//! A disk in memory that knows what was synced, and can lose or tear what was not.
//!
//! Invariants:
//! - `durable` is what a crash cannot take: contents as of the last sync of each file, names as of
//!   the last sync of each directory.
//! - A crash keeps of the rest, for each file, either a prefix of the unsynced writes with the last
//!   one torn, or any subset of them; and a prefix of the unsynced changes of names.

mod contents;
mod file;
mod names;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

use self::{
    contents::Inode,
    file::{VirtualFile, VirtualLock, VirtualVolume},
    names::{Naming, Node, below, drop_unreachable},
};
use crate::{
    Clock, Random,
    disk::{Disk, Entry, File, Job, Lock, Open, Space, Volume, at},
};

/// How a virtual disk misbehaves until told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DiskFault {
    /// Not at all.
    #[default]
    None,
    /// Writes that need room fail as on a full volume.
    Full,
    /// Every write, sync and change of names below the path fails with an input/output error.
    Broken(PathBuf),
    /// After so many more writes, syncs and changes of names every one fails: for a crash at any
    /// step of what is done.
    Dying(u64),
    /// Work on the disk's threads waits this many milliseconds first.
    Stall(u64),
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    pending_names: Vec<Naming>,
    inodes: BTreeMap<u64, Inode>,
    inode_next: u64,
    locks: BTreeSet<PathBuf>,
    boot: u64,
    power_cycle: u64,
    fault: DiskFault,
    /// Volumes with a size of their own, by the directory that they begin at.
    volumes: BTreeMap<PathBuf, u64>,
}

/// The size a virtual volume reports, bytes.
const VOLUME_BYTES: u64 = 1 << 40;

/// A disk in memory. Clones share it.
#[derive(Clone)]
pub struct VirtualDisk {
    state: Arc<Mutex<State>>,
    random: Random,
    /// The process that this handle belongs to; none for the test itself.
    boot: Option<u64>,
    /// What tells when files change.
    clock: Option<Clock>,
}

impl fmt::Debug for VirtualDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualDisk")
    }
}

impl VirtualDisk {
    /// An empty disk, which does not know when its files change.
    pub fn new(random: Random) -> Self {
        Self { state: Arc::default(), random, boot: None, clock: None }
    }

    /// The same disk, which knows by this clock when its files change.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    fn now_ms(&self) -> Option<i64> {
        self.clock.as_ref().map(Clock::now_ms)
    }

    /// The same disk as the process that begins now sees it: after the next [`Self::crash`] or
    /// [`Self::kill`] nothing can be done through this handle any more, and work on the disk's
    /// threads that has not begun never will.
    #[must_use]
    pub fn mount(&self) -> Self {
        let boot = Some(self.state.lock().boot);
        Self { boot, ..self.clone() }
    }

    /// The state, unless the process of this handle is dead.
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock();
        match self.boot {
            Some(boot) if boot != state.boot => Err(io::Error::other("the process is dead")),
            _ => Ok(state),
        }
    }

    /// Sets how the disk misbehaves from now on.
    pub fn set_fault(&self, fault: DiskFault) {
        self.state.lock().fault = fault;
    }

    /// Makes everything below a directory a volume of so many bytes; none ends that. What is there
    /// already stays, though it be too much.
    pub fn set_volume(&self, dir: &Path, bytes: Option<u64>) {
        let mut state = self.state.lock();
        match bytes {
            Some(bytes) => state.volumes.insert(dir.to_owned(), bytes),
            None => state.volumes.remove(dir),
        };
    }

    /// Bytes that the files below a directory have.
    #[must_use]
    pub fn used_below(&self, dir: &Path) -> u64 {
        self.state.lock().used_below(dir)
    }

    /// How the disk misbehaves now.
    #[must_use]
    pub fn fault(&self) -> DiskFault {
        self.state.lock().fault.clone()
    }

    /// Power loss: unsynced writes and names are lost or torn; open files and locks are dead.
    pub fn crash(&self) {
        let mut state = self.state.lock();
        state.boot += 1;
        state.power_cycle += 1;
        state.locks.clear();
        let State { inodes, pending_names, durable_names, .. } = &mut *state;
        for inode in inodes.values_mut() {
            inode.crash(&self.random);
        }
        let kept = self.random.below(pending_names.len() as u64 + 1);
        for naming in pending_names.drain(..).take(usize::try_from(kept).unwrap_or(0)) {
            naming.apply(durable_names);
        }
        drop_unreachable(durable_names);
        state.names = state.durable_names.clone();
        state.collect_garbage();
    }

    /// Death of the process alone: what was written stays, open files and locks are dead.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.boot += 1;
        state.locks.clear();
    }

    /// Flips one bit of a file in place, synced or not; for tests of corruption.
    pub fn flip_bit(&self, path: &Path, byte: usize) -> io::Result<()> {
        let mut state = self.state.lock();
        let ino = state.file(path)?;
        let inode = state.inodes.entry(ino).or_default();
        for copy in [&mut inode.live, &mut inode.durable] {
            if let Some(byte) = copy.get_mut(byte) {
                *byte ^= 1;
            }
        }
        Ok(())
    }
}

impl State {
    fn name(&mut self, naming: Naming) {
        naming.clone().apply(&mut self.names);
        self.pending_names.push(naming);
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(ino)) => Ok(*ino),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(at(path, io::ErrorKind::NotFound.into())),
        }
    }

    fn refuse(&mut self, path: &Path) -> io::Result<()> {
        match &mut self.fault {
            DiskFault::Dying(0) => Err(at(path, io::Error::other("the disk has died"))),
            DiskFault::Dying(left) => {
                *left -= 1;
                Ok(())
            }
            DiskFault::Broken(below) if path.starts_with(&*below) => {
                Err(at(path, io::Error::other("injected input/output error")))
            }
            _ => Ok(()),
        }
    }

    /// The volume that a path is on, if it has a size of its own, and that.
    fn volume(&self, path: &Path) -> Option<(&PathBuf, u64)> {
        let all = self.volumes.iter().filter(|(dir, _)| path.starts_with(dir));
        all.map(|(dir, bytes)| (dir, *bytes)).next_back()
    }

    fn used_below(&self, dir: &Path) -> u64 {
        let len = |(_, node): (&PathBuf, &Node)| match node {
            Node::File(ino) => self.inodes.get(ino).map_or(0, |inode| inode.live.len() as u64),
            Node::Dir => 0,
        };
        below(&self.names, dir).map(len).sum()
    }

    /// Whether there is no room for so many bytes more where a path is.
    fn is_full(&self, path: &Path, more: u64) -> bool {
        let volume = self.volume(path);
        self.fault == DiskFault::Full
            || volume.is_some_and(|(dir, bytes)| self.used_below(dir) + more > bytes)
    }

    fn collect_garbage(&mut self) {
        let named: BTreeSet<u64> = [&self.names, &self.durable_names]
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|node| if let Node::File(ino) = node { Some(*ino) } else { None })
            .collect();
        self.inodes.retain(|ino, _| named.contains(ino));
    }
}

impl Disk for VirtualDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.alive()?;
        let ino = match state.file(path) {
            Ok(ino) => ino,
            Err(error) if error.kind() == io::ErrorKind::NotFound && how == Open::Create => {
                state.refuse(path)?;
                if path.parent().is_some_and(|dir| !state.names.contains_key(dir)) {
                    return Err(error);
                }
                state.inode_next += 1;
                let ino = state.inode_next;
                let inode = Inode { modified_ms: self.now_ms(), ..Inode::default() };
                state.inodes.insert(ino, inode);
                state.name(Naming::Put(path.to_owned(), Node::File(ino)));
                ino
            }
            Err(error) => return Err(error),
        };
        let (disk, boot) = (self.clone(), state.boot);
        Ok(Arc::new(VirtualFile { disk, ino, boot, path: path.to_owned() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.refuse(path)?;
        let mut missing: Vec<&Path> =
            path.ancestors().filter(|dir| !state.names.contains_key(*dir)).collect();
        missing.reverse();
        for dir in missing {
            state.name(Naming::Put(dir.to_owned(), Node::Dir));
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.alive()?;
        if state.names.get(dir) != Some(&Node::Dir) {
            return Err(at(dir, io::ErrorKind::NotFound.into()));
        }
        let entry = |(path, node): (&PathBuf, &Node)| {
            let inode = match node {
                Node::File(ino) => state.inodes.get(ino),
                Node::Dir => None,
            };
            Entry {
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                is_dir: *node == Node::Dir,
                len: inode.map_or(0, |inode| inode.live.len() as u64),
                modified_ms: inode.and_then(|inode| inode.modified_ms).unwrap_or(-1),
            }
        };
        let below = below(&state.names, dir);
        Ok(below.filter(|(path, _)| path.parent() == Some(dir)).map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.refuse(from)?;
        if !state.names.contains_key(from) {
            return Err(at(from, io::ErrorKind::NotFound.into()));
        }
        state.name(Naming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.refuse(path)?;
        state.file(path)?;
        state.name(Naming::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.refuse(path)?;
        if !state.names.contains_key(path) {
            return Err(at(path, io::ErrorKind::NotFound.into()));
        }
        state.name(Naming::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.refuse(dir)?;
        let pending = std::mem::take(&mut state.pending_names);
        let mut left: Vec<Naming> = Vec::with_capacity(pending.len());
        for naming in pending {
            if naming.is_in(dir) || naming.frees(dir) {
                // What was changed in a directory before it was moved, or removed, goes with it:
                // it must not show in another directory that takes the name.
                left = left.into_iter().filter_map(|earlier| earlier.follow(&naming)).collect();
                naming.apply(&mut state.durable_names);
            } else {
                left.push(naming);
            }
        }
        state.pending_names = left;
        Ok(())
    }

    fn volume(&self, dir: &Path) -> io::Result<Option<Arc<dyn Volume>>> {
        drop(self.alive()?);
        Ok(Some(Arc::new(VirtualVolume { disk: self.mount(), path: dir.to_owned() })))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let state = self.alive()?;
        if let Some((dir, total)) = state.volume(path) {
            let usable = total.saturating_sub(state.used_below(dir));
            return Ok(Space { total, usable });
        }
        let used: u64 = state.inodes.values().map(|inode| inode.live.len() as u64).sum();
        let full = state.fault == DiskFault::Full;
        let usable = if full { 0 } else { VOLUME_BYTES.saturating_sub(used) };
        Ok(Space { total: VOLUME_BYTES, usable })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.open(path, Open::Create)?;
        let mut state = self.alive()?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let boot = state.boot;
        Ok(Box::new(VirtualLock { disk: self.clone(), path: path.to_owned(), boot }))
    }

    fn exists(&self, path: &Path) -> bool {
        self.alive().is_ok_and(|state| state.names.contains_key(path))
    }

    fn power_cycle(&self) -> Option<String> {
        Some(self.state.lock().power_cycle.to_string())
    }

    fn spawn(&self, job: Job) {
        let stall = match self.state.lock().fault {
            DiskFault::Stall(ms) => Duration::from_millis(ms),
            _ => Duration::ZERO,
        };
        let process = self.clone();
        tokio::spawn(async move {
            if !stall.is_zero() {
                tokio::time::sleep(stall).await;
            }
            if process.alive().is_ok() {
                job();
            }
        });
    }
}
