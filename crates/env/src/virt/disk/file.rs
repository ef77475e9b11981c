//! An open file and a lock on a virtual disk, as long as the process lives that has them.

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    path::PathBuf,
};

use super::{
    State, VirtualDisk,
    contents::{Inode, Write},
};
use crate::disk::{File, Lock, Volume, at};

#[derive(Debug)]
pub(super) struct VirtualLock {
    pub(super) disk: VirtualDisk,
    pub(super) path: PathBuf,
    pub(super) boot: u64,
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
pub(super) struct VirtualFile {
    pub(super) disk: VirtualDisk,
    pub(super) ino: u64,
    pub(super) boot: u64,
    pub(super) path: PathBuf,
}

#[derive(Debug)]
pub(super) struct VirtualVolume {
    /// As the process sees it that opened the volume.
    pub(super) disk: VirtualDisk,
    pub(super) path: PathBuf,
}

impl Volume for VirtualVolume {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.alive()?;
        state.refuse(&self.path)?;
        let State { inodes, pending_names, durable_names, .. } = &mut *state;
        inodes.values_mut().for_each(Inode::sync);
        for naming in pending_names.drain(..) {
            naming.apply(durable_names);
        }
        Ok(())
    }
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
        self.with(|inode| inode.write(Write::Data { offset, bytes }, self.disk.now_ms()))
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
        self.with(|inode| inode.write(Write::SetLen(len), self.disk.now_ms()))
    }

    fn set_modified_ms(&self, ms: i64) -> io::Result<()> {
        self.with(|inode| inode.modified_ms = Some(ms))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
