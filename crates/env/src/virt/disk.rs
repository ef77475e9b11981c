//! A disk in memory that knows what was synced, and can lose or tear what was not.
//!
//! Invariants:
//! - `durable` is what a crash cannot take: contents as of the last sync of each file, names as of
//!   the last sync of each directory.
//! - A crash keeps of the rest, for each file, either a prefix of the unsynced writes with the last
//!   one torn, or any subset of them; and a prefix of the unsynced changes of names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    Random,
    disk::{Disk, Entry, File, Job, Lock, Open, Space, at},
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

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Dir,
    File(u64),
}

#[derive(Debug, Clone)]
enum Write {
    Data { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Naming {
    Put(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
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
}

impl fmt::Debug for VirtualDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualDisk")
    }
}

impl VirtualDisk {
    /// An empty disk.
    pub fn new(random: Random) -> Self {
        Self { state: Arc::default(), random, boot: None }
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

impl Inode {
    fn write(&mut self, write: Write) {
        write.apply(&mut self.live);
        self.pending.push(write);
    }

    fn sync(&mut self) {
        for write in self.pending.drain(..) {
            write.apply(&mut self.durable);
        }
    }

    fn crash(&mut self, random: &Random) {
        let count = self.pending.len() as u64;
        let ordered = random.chance(1, 2);
        let kept = random.below(count + 1);
        for (i, mut write) in self.pending.drain(..).enumerate() {
            let keep = if ordered { (i as u64) < kept } else { random.chance(1, 2) };
            let torn = ordered && i as u64 == kept;
            if torn && let Write::Data { bytes, .. } = &mut write {
                let len = random.below(bytes.len() as u64 + 1);
                bytes.truncate(usize::try_from(len).unwrap_or(0));
            }
            if keep || (torn && matches!(write, Write::Data { .. })) {
                write.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }
}

impl Write {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Data { bytes, .. } if bytes.is_empty() => {}
            Self::Data { offset, bytes } => {
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => contents.resize(*len, 0),
        }
    }
}

impl Naming {
    fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Put(path, node) => {
                names.insert(path, node);
            }
            Self::Remove(path) => names.retain(|name, _| !name.starts_with(&path)),
            Self::Rename(from, to) => {
                let moved: Vec<_> =
                    names.iter().filter(|(n, _)| n.starts_with(&from)).map(clone_pair).collect();
                names.retain(|name, _| !name.starts_with(&from) && !name.starts_with(&to));
                for (name, node) in moved {
                    let rest = name.strip_prefix(&from).unwrap_or(&name).to_owned();
                    let target =
                        if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    names.insert(target, node);
                }
            }
        }
    }

    /// This change of a name as it reads once `later`, a change of a directory above it, is made
    /// before it; none if it has gone with the directory.
    fn follow(self, later: &Self) -> Option<Self> {
        let moved = |path: PathBuf| match later {
            Self::Remove(gone) if path.starts_with(gone) => None,
            Self::Rename(from, to) => match path.strip_prefix(from) {
                Ok(rest) if !rest.as_os_str().is_empty() => Some(to.join(rest)),
                _ => Some(path),
            },
            _ => Some(path),
        };
        Some(match self {
            Self::Put(path, node) => Self::Put(moved(path)?, node),
            Self::Remove(path) => Self::Remove(moved(path)?),
            Self::Rename(from, to) => Self::Rename(moved(from)?, moved(to)?),
        })
    }

    /// Whether this frees the name of `dir`: another directory has it since, and what is synced in
    /// that one must not show in the former.
    fn frees(&self, dir: &Path) -> bool {
        match self {
            Self::Put(..) => false,
            Self::Remove(path) | Self::Rename(path, _) => dir.starts_with(path),
        }
    }

    /// Whether a sync of `dir` makes this durable.
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Put(path, _) | Self::Remove(path) => path.parent() == Some(dir),
            Self::Rename(from, to) => to.parent() == Some(dir) || from.parent() == Some(dir),
        }
    }
}

fn clone_pair((path, node): (&PathBuf, &Node)) -> (PathBuf, Node) {
    (path.clone(), node.clone())
}

/// Takes out what is in directories that are not there: a durable name in a directory whose own
/// name was lost cannot be reached, and must not come back when a directory of that name is made.
fn drop_unreachable(names: &mut BTreeMap<PathBuf, Node>) {
    let mut dirs = BTreeSet::from([PathBuf::new(), PathBuf::from("/")]);
    // A directory comes before what is in it.
    names.retain(|path, node| {
        let is_reachable = path.parent().is_none_or(|parent| dirs.contains(parent));
        if is_reachable && *node == Node::Dir {
            dirs.insert(path.clone());
        }
        is_reachable
    });
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
        let below = self.names.range(dir.to_owned()..).take_while(|(p, _)| p.starts_with(dir));
        let len = |(_, node): (&PathBuf, &Node)| match node {
            Node::File(ino) => self.inodes.get(ino).map_or(0, |inode| inode.live.len() as u64),
            Node::Dir => 0,
        };
        below.map(len).sum()
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
                state.inodes.insert(ino, Inode::default());
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
        let entry = |(path, node): (&PathBuf, &Node)| Entry {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            is_dir: *node == Node::Dir,
            len: match node {
                Node::File(ino) => state.inodes.get(ino).map_or(0, |i| i.live.len() as u64),
                Node::Dir => 0,
            },
            modified_ms: -1,
        };
        let below = state.names.range(dir.to_owned()..).take_while(|(p, _)| p.starts_with(dir));
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

#[derive(Debug)]
struct VirtualLock {
    disk: VirtualDisk,
    path: PathBuf,
    boot: u64,
}

impl Lock for VirtualLock {}

impl Drop for VirtualLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.boot == self.boot {
            state.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct VirtualFile {
    disk: VirtualDisk,
    ino: u64,
    boot: u64,
    path: PathBuf,
}

impl VirtualFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let mut state = self.disk.state.lock();
        if state.boot != self.boot {
            return Err(io::Error::other("the process that opened this file is dead"));
        }
        Ok(work(state.inodes.entry(self.ino).or_default()))
    }

    fn grow(&self, end: usize) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.refuse(&self.path)?;
        let len = state.inodes.get(&self.ino).map_or(0, |inode| inode.live.len());
        if end > len && state.is_full(&self.path, (end - len) as u64) {
            return Err(at(&self.path, io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }
}

impl File for VirtualFile {
    fn write_all_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.grow(offset + bytes.len())?;
        self.with(|inode| inode.write(Write::Data { offset, bytes }))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|inode| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(inode.live.len());
            let count = buf.len().min(inode.live.len() - start);
            buf[..count].copy_from_slice(&inode.live[start..start + count]);
            count
        })
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.is_cached(offset, 1) { self.read_at(buf, offset).map(Some) } else { Ok(None) }
    }

    fn is_cached(&self, _offset: u64, _len: u64) -> bool {
        self.disk.random.chance(3, 4)
    }

    fn prefetch(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state.lock().refuse(&self.path)?;
        self.with(Inode::sync)
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|inode| inode.live.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.grow(len)?;
        self.with(|inode| inode.write(Write::SetLen(len)))
    }

    fn set_modified_ms(&self, _ms: i64) -> io::Result<()> {
        self.with(|_| ())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was left to do in a directory that was moved is not done in the next of its name.
    #[test]
    fn unsynced_names_move_with_their_directory() {
        for seed in 0..20 {
            let disk = VirtualDisk::new(Random::from_seed(seed));
            let [a, moved] = ["/a", "/moved"].map(Path::new);
            disk.create_dir_all(a).unwrap();
            disk.open(&a.join("f"), Open::Create).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.sync_dir(a).unwrap();
            disk.rename(&a.join("f"), &a.join("gone")).unwrap();
            disk.rename(a, moved).unwrap();
            disk.create_dir_all(a).unwrap();
            disk.open(&a.join("f"), Open::Create).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.sync_dir(a).unwrap();
            disk.crash();
            assert!(disk.exists(&a.join("f")), "seed {seed}");
            assert!(disk.exists(moved), "seed {seed}");
            assert!(!disk.exists(&a.join("gone")), "seed {seed}");
        }
    }

    /// What is synced in a directory does not show in the former of its name, whose move was not.
    #[test]
    fn synced_names_stay_out_of_the_former_directory() {
        for seed in 0..20 {
            let disk = VirtualDisk::new(Random::from_seed(seed));
            let [a, moved] = ["/a", "/moved"].map(Path::new);
            disk.create_dir_all(a).unwrap();
            disk.open(&a.join("old"), Open::Create).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.sync_dir(a).unwrap();
            disk.rename(a, moved).unwrap();
            disk.create_dir_all(a).unwrap();
            disk.open(&a.join("new"), Open::Create).unwrap();
            disk.sync_dir(a).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.crash();
            let found = [a.join("new"), moved.join("old")].map(|path| disk.exists(&path));
            assert_eq!(found, [true, true], "seed {seed}");
            let mixed = [a.join("old"), moved.join("new")].map(|path| disk.exists(&path));
            assert_eq!(mixed, [false, false], "seed {seed}");
        }
    }
}
