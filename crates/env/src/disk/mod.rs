//! Disk: the file operations that the log, the quorum and the checkpoints need.

mod real;

use std::{
    fmt::Debug,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use real::RealDisk;
use tokio::sync::oneshot;

/// Work that may block, run on the disk's own threads.
pub type Job = Box<dyn FnOnce() + Send>;

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Must exist; read only.
    Read,
    /// Must exist; read and write.
    Write,
    /// Created if missing; read and write; contents kept.
    Create,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// File name without its directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Size in bytes; 0 for directories.
    pub len: u64,
    /// When its contents last changed, milliseconds since the epoch; -1 if unknown.
    pub modified_ms: i64,
}

/// Room on the volume that holds a path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the volume.
    pub total: u64,
    /// What an unprivileged process may still write.
    pub usable: u64,
}

/// An exclusive lock on a directory, held until dropped.
pub trait Lock: Send + Sync + Debug {}

/// A file system.
///
/// Calls may block for as long as the device takes. Those that usually do (sync, cold reads,
/// deletes) are run with [`run`] by callers on an async worker.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Creates a directory and its parents; no error if it exists.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Moves a file or directory, replacing a file at the destination.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Deletes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Deletes a directory with all that is in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and deletions in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The volume that `dir` is on; none if the system cannot sync one and tell what failed.
    fn volume(&self, dir: &Path) -> io::Result<Option<Arc<dyn Volume>>>;
    /// Room on the volume of `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes the exclusive lock file `path`; `WouldBlock` if another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
    /// Whether there is a file or directory at `path`.
    fn exists(&self, path: &Path) -> bool;
    /// What names this run of the operating system, if it can be told. Between two opens with the
    /// same name only processes died: everything they had written is there.
    fn power_cycle(&self) -> Option<String>;
    /// Runs `job` where it may block.
    fn spawn(&self, job: Job);
}

/// A volume.
pub trait Volume: Send + Sync + Debug {
    /// Makes all that was written on it durable, names included: cheaper than syncing thousands of
    /// files. Fails if any write since it was opened was lost, though another program's.
    fn sync(&self) -> io::Result<()>;
}

/// An open file. Reads and writes name their position; there is no cursor.
pub trait File: Send + Sync + Debug {
    /// Writes all of `parts`, one after the other, at `offset`.
    ///
    /// After an error any part of it may have been written.
    fn write_all_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Like [`File::read_at`], but returns none instead of waiting for the device, as far as the
    /// system can tell.
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>>;
    /// Whether `len` bytes at `offset` can be read without waiting for the device, as far as that
    /// can be told cheaply.
    fn is_cached(&self, offset: u64, len: u64) -> bool;
    /// Asks the system to read `len` bytes at `offset` ahead; may block while it does.
    fn prefetch(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&self) -> io::Result<()>;
    /// Size in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Sets when its contents last changed, milliseconds since the epoch.
    fn set_modified_ms(&self, ms: i64) -> io::Result<()>;
    /// The operating system's descriptor, for sending without a copy; none if simulated.
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>>;
}

/// Runs `work` on the disk's threads and waits for its result.
///
/// The work goes on if the caller stops waiting.
pub async fn run<T, F>(disk: &Arc<dyn Disk>, work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (done, result) = oneshot::channel();
    disk.spawn(Box::new(move || {
        // A caller that stopped waiting is no error: the work is done all the same.
        drop(done.send(work()));
    }));
    result.await.map_err(|_| io::Error::other("the disk's worker stopped before it was done"))
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_file(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let len = file.len()?;
    if len > limit {
        let text = format!("{} has {len} bytes, more than the {limit} allowed", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut buf = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let read = file.read_at(&mut buf, 0)?;
    buf.truncate(read);
    Ok(buf)
}

/// Replaces a small file so that after a crash either the old or the new contents are there:
/// temporary file, sync, rename, sync of the directory.
pub fn write_file_atomically(disk: &dyn Disk, path: &Path, contents: &[u8]) -> io::Result<()> {
    write_beside(disk, path, contents)?.sync()?;
    put_in_place(disk, path)?;
    disk.sync_dir(parent(path))
}

/// Writes what is to replace a small file into a temporary one beside it.
pub fn write_beside(disk: &dyn Disk, path: &Path, contents: &[u8]) -> io::Result<Arc<dyn File>> {
    let file = disk.open(&beside(path), Open::Create)?;
    replace_contents(&*file, contents)?;
    Ok(file)
}

/// Replaces all that is in a file, which is not durable before [`File::sync`].
pub fn replace_contents(file: &dyn File, contents: &[u8]) -> io::Result<()> {
    let len = contents.len() as u64;
    // A file that is cut, though it had nothing, is written out by some systems as it is closed.
    if file.len()? > len {
        file.set_len(len)?;
    }
    file.write_all_at(&[IoSlice::new(contents)], 0)
}

/// Replaces a file by what [`write_beside`] wrote, which is to be durable by then.
pub fn put_in_place(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.rename(&beside(path), path)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Makes a directory, and the names of all that had to be made durable; its own also if a process
/// that died had made it before.
pub fn create_dir_durably(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let missing = dir.ancestors().skip(1).take_while(|above| !disk.exists(above));
    let missing: Vec<&Path> = missing.filter(|above| !above.as_os_str().is_empty()).collect();
    disk.create_dir_all(dir)?;
    for made in std::iter::once(dir).chain(missing) {
        match disk.sync_dir(parent(made)) {
            // One may use a directory without being allowed to read the one it is in.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            result => result?,
        }
    }
    Ok(())
}

/// The directory a path is in.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// An error that names the file it is about.
pub fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Whether an error says that the volume, or the quota on it, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
    )
}
