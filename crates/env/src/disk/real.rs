//! The operating system's file system.
//!
//! Cost: a vectored append is one `pwritev`; `is_cached` is one `preadv2(RWF_NOWAIT)` of one byte
//! at each end of the range.

use std::{
    fs,
    io::{self, IoSlice},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::FileExt,
    },
    path::Path,
    sync::Arc,
    time::UNIX_EPOCH,
};

use rustix::{fs as sys, io::Errno};

use super::{Disk, Entry, File, Job, Lock, Open, Space, Volume, at};

/// Files of the operating system, with tokio's blocking threads for work that may block.
#[derive(Debug, Default)]
pub struct RealDisk {}

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(how != Open::Read).create(how == Open::Create);
        let file = options.open(path).map_err(|e| at(path, e))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path).map_err(|e| at(path, e))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).map_err(|e| at(dir, e))? {
            let entry = entry?;
            // A file that vanishes between listing and looking is not there.
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = metadata.is_dir();
            let len = if is_dir { 0 } else { metadata.len() };
            entries.push(Entry { name, is_dir, len, modified_ms: modified_ms(&metadata) });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(|e| at(from, e))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|e| at(path, e))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path).map_err(|e| at(path, e))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| at(dir, e))
    }

    fn volume(&self, dir: &Path) -> io::Result<Option<Arc<dyn Volume>>> {
        volume(dir).map_err(|e| at(dir, e))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = sys::statvfs(path)?;
        let unit = stat.f_frsize;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(unit),
            usable: stat.f_bavail.saturating_mul(unit),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let operation = sys::FlockOperation::NonBlockingLockExclusive;
        // Two kinds of locks that do not see each other: the first keeps brokers of one process
        // apart, the second, which is of the whole process, is the one that Java takes.
        match sys::flock(&file, operation).and_then(|()| sys::fcntl_lock(&file, operation)) {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn power_cycle(&self) -> Option<String> {
        power_cycle()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam to the blocking threads")]
    fn spawn(&self, job: Job) {
        drop(tokio::task::spawn_blocking(job));
    }
}

fn modified_ms(metadata: &fs::Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(-1)
}

#[derive(Debug)]
struct RealLock {
    _file: fs::File,
}

impl Lock for RealLock {}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn write_all_at(&self, parts: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        let mut first = 0; // part being written
        let mut within = 0; // bytes of it already written
        while first < parts.len() {
            let written = if within == 0 && parts.len() - first > 1 {
                write_vectored(&self.0, &parts[first..], offset)?
            } else {
                self.0.write_at(&parts[first][within..], offset)?
            };
            if written == 0 && parts[first].len() > within {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            within += written;
            while first < parts.len() && within >= parts[first].len() {
                within -= parts[first].len();
                first += 1;
            }
        }
        Ok(())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buf.len() {
            match self.0.read_at(&mut buf[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        try_read(&self.0, self, buf, offset)
    }

    fn is_cached(&self, offset: u64, len: u64) -> bool {
        is_cached_at(&self.0, offset) && (len < 2 || is_cached_at(&self.0, offset + len - 1))
    }

    fn prefetch(&self, offset: u64, len: u64) -> io::Result<()> {
        // Reading, not advising: when this returns the pages are there.
        let mut buf = vec![0; 128 * 1024];
        let end = offset + len;
        let mut position = offset;
        while position < end {
            let want = usize::try_from(end - position).unwrap_or(usize::MAX).min(buf.len());
            let read = self.read_at(&mut buf[..want], position)?;
            if read == 0 {
                break;
            }
            position += read as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn set_modified_ms(&self, ms: i64) -> io::Result<()> {
        let since = std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        self.0.set_modified(UNIX_EPOCH + since)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

#[cfg(target_os = "linux")]
fn power_cycle() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(not(target_os = "linux"))]
fn power_cycle() -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
fn volume(dir: &Path) -> io::Result<Option<Arc<dyn Volume>>> {
    // Since Linux 5.8 syncfs(2) fails if a write failed after the directory was opened.
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (5, 8) {
        return Ok(None);
    }
    Ok(Some(Arc::new(RealVolume(fs::File::open(dir)?))))
}

#[cfg(not(target_os = "linux"))]
fn volume(_dir: &Path) -> io::Result<Option<Arc<dyn Volume>>> {
    Ok(None)
}

/// A directory on the volume.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct RealVolume(fs::File);

#[cfg(target_os = "linux")]
impl Volume for RealVolume {
    fn sync(&self) -> io::Result<()> {
        Ok(sys::syncfs(&self.0)?)
    }
}

/// The most parts one vectored write takes (`IOV_MAX` is 1024 on Linux and macOS).
const PARTS_MAX: usize = 1024;

#[cfg(target_os = "linux")]
fn write_vectored(file: &fs::File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, &parts[..parts.len().min(PARTS_MAX)], offset)?)
}

#[cfg(not(target_os = "linux"))]
fn write_vectored(file: &fs::File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    match parts[..parts.len().min(PARTS_MAX)].iter().find(|part| !part.is_empty()) {
        Some(part) => file.write_at(part, offset),
        None => Ok(0),
    }
}

#[cfg(target_os = "linux")]
fn try_read(
    file: &fs::File,
    whole: &RealFile,
    buf: &mut [u8],
    offset: u64,
) -> io::Result<Option<usize>> {
    let mut parts = [io::IoSliceMut::new(buf)];
    match rustix::io::preadv2(file, &mut parts, offset, rustix::io::ReadWriteFlags::NOWAIT) {
        Err(Errno::AGAIN) => Ok(None),
        Ok(read) if read == buf.len() => Ok(Some(read)),
        // Part of it was cached, the file ends here, or the file system does not know the flag.
        Ok(0) | Err(_) => whole.read_at(buf, offset).map(Some),
        Ok(_) => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn try_read(
    _file: &fs::File,
    whole: &RealFile,
    buf: &mut [u8],
    offset: u64,
) -> io::Result<Option<usize>> {
    whole.read_at(buf, offset).map(Some)
}

#[cfg(target_os = "linux")]
fn is_cached_at(file: &fs::File, offset: u64) -> bool {
    let mut byte = [0];
    let mut parts = [io::IoSliceMut::new(&mut byte)];
    // A file system that does not know the flag cannot tell: then take the cheap path.
    !matches!(
        rustix::io::preadv2(file, &mut parts, offset, rustix::io::ReadWriteFlags::NOWAIT),
        Err(Errno::AGAIN)
    )
}

#[cfg(not(target_os = "linux"))]
fn is_cached_at(_file: &fs::File, _offset: u64) -> bool {
    true
}
