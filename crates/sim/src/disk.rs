//! A disk on which one directory can be at fault while the rest is well, or at fault in its own way.

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{
    disk::{Disk, Entry, File, Job, Lock, Open, Space, Volume},
    virt::VirtualDisk,
};
use parking_lot::Mutex;

/// What is wrong with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirFault {
    /// Writes that need room fail.
    Full,
    /// Every write, sync and change of names fails.
    Broken,
}

/// The directory, and what is wrong with it now. Clones share that.
#[derive(Debug, Clone)]
pub(crate) struct FaultyDir {
    path: PathBuf,
    fault: Arc<Mutex<Option<DirFault>>>,
}

impl FaultyDir {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.into(), fault: Arc::default() }
    }

    pub(crate) fn set(&self, fault: Option<DirFault>) {
        *self.fault.lock() = fault;
    }

    pub(crate) fn fault(&self) -> Option<DirFault> {
        *self.fault.lock()
    }

    /// The disk as a process sees it.
    pub(crate) fn on(&self, disk: VirtualDisk) -> Arc<dyn Disk> {
        Arc::new(FaultyDisk { disk, dir: self.clone() })
    }

    fn check(&self, path: &Path) -> io::Result<()> {
        match self.fault() {
            Some(DirFault::Broken) if path.starts_with(&self.path) => {
                Err(io::Error::other(format!("{}: injected error", path.display())))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct FaultyDisk {
    disk: VirtualDisk,
    dir: FaultyDir,
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        if how == Open::Create && !self.disk.exists(path) {
            self.dir.check(path)?;
        }
        let file = self.disk.open(path, how)?;
        if !path.starts_with(&self.dir.path) {
            return Ok(file);
        }
        Ok(Arc::new(FaultyFile { file, path: path.to_owned(), dir: self.dir.clone() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.dir.check(path)?;
        self.disk.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.dir.check(from)?;
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.dir.check(path)?;
        self.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.dir.check(path)?;
        self.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.dir.check(dir)?;
        self.disk.sync_dir(dir)
    }

    fn volume(&self, dir: &Path) -> io::Result<Option<Arc<dyn Volume>>> {
        let volume = self.disk.volume(dir)?;
        if !dir.starts_with(&self.dir.path) {
            return Ok(volume);
        }
        let faulty = |volume| FaultyVolume { volume, path: dir.to_owned(), dir: self.dir.clone() };
        Ok(volume.map(|volume| Arc::new(faulty(volume)) as Arc<dyn Volume>))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.disk.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }

    fn power_cycle(&self) -> Option<String> {
        self.disk.power_cycle()
    }

    fn spawn(&self, job: Job) {
        self.disk.spawn(job);
    }
}

#[derive(Debug)]
struct FaultyVolume {
    volume: Arc<dyn Volume>,
    path: PathBuf,
    dir: FaultyDir,
}

impl Volume for FaultyVolume {
    fn sync(&self) -> io::Result<()> {
        self.dir.check(&self.path)?;
        self.volume.sync()
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn File>,
    path: PathBuf,
    dir: FaultyDir,
}

impl FaultyFile {
    fn grow(&self, end: u64) -> io::Result<()> {
        self.dir.check(&self.path)?;
        if self.dir.fault() == Some(DirFault::Full) && end > self.file.len()? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl File for FaultyFile {
    fn write_all_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
        self.grow(offset + len)?;
        self.file.write_all_at(parts, offset)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.file.try_read_at(buf, offset)
    }

    fn is_cached(&self, offset: u64, len: u64) -> bool {
        self.file.is_cached(offset, len)
    }

    fn prefetch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.prefetch(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.dir.check(&self.path)?;
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.grow(len)?;
        self.file.set_len(len)
    }

    fn set_modified_ms(&self, ms: i64) -> io::Result<()> {
        self.file.set_modified_ms(ms)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }
}
