//! Making Kafka's metadata log ours: a copy of Kafka's files is set aside, a snapshot of the whole
//! log is written, then the state that names it.

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
};

use klamm_env::{
    Disk, Env,
    disk::{self, Open},
};

use super::{KafkaLog, first_state, log_dir};
use crate::open::TOPIC;

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What was made of Kafka's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Where the copy of Kafka's files is.
    pub kept: PathBuf,
}

impl KafkaLog {
    /// Makes the log ours, with this node as the only voter. After a crash at any step it is Kafka's
    /// or ours; doing it again finishes it. Blocks.
    ///
    /// `parent` is the `metadata.log.dir` that it is to be in: the one that it was read from, or that
    /// of a broker whose controller was a process of its own. The broker has a copy of the log,
    /// perhaps a shorter one.
    ///
    /// # Errors
    /// The disk failed, or a record is too large for a snapshot.
    pub fn adopt(&self, env: &Env, parent: &Path, node_id: i32) -> io::Result<Adopted> {
        let disk = &*env.disk;
        let dir = log_dir(parent);
        disk::create_dir_durably(disk, &dir)?;
        let kept = keep_kafkas_files(disk, parent, &dir)?;
        sync_segments(disk, &dir)?;
        self.write_snapshot(env, &dir)?;
        let mut state = first_state(self, node_id);
        state.power_cycle = disk.power_cycle().unwrap_or_default();
        state.store(disk, &dir)?;
        Ok(Adopted { kept })
    }

    /// One that Kafka made of the whole log is left as it is.
    fn write_snapshot(&self, env: &Env, dir: &Path) -> io::Result<()> {
        let last = self.last_snapshot();
        if self.snapshot == Some(last) && env.disk.exists(&last.path(dir)) {
            return Ok(());
        }
        let now_ms = env.clock.now_ms();
        let bytes = last.encode_with(&self.controls, &self.image, self.timestamp, now_ms);
        let bytes = bytes.map_err(io::Error::other)?;
        disk::write_file_atomically(&*env.disk, &last.path(dir), &bytes)
    }
}

/// The state will say that all of the log is durable, which Kafka may have left to the system.
fn sync_segments(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for entry in disk.list(dir)?.iter().filter(|entry| entry.name.ends_with(".log")) {
        disk.open(&dir.join(&entry.name), Open::Write)?.sync()?;
    }
    disk.sync_dir(dir)
}

/// Copies the files of Kafka's log beside it, under a name that neither Kafka nor we take for a
/// partition's.
fn keep_kafkas_files(disk: &dyn Disk, parent: &Path, dir: &Path) -> io::Result<PathBuf> {
    let unfinished = parent.join(format!("{TOPIC}-0.unfinished-copy-stray"));
    if disk.exists(&unfinished) {
        disk.remove_dir_all(&unfinished)?;
    }
    let mut number = 1;
    let kept = loop {
        let kept = parent.join(match number {
            1 => format!("{TOPIC}-0.kafka-stray"),
            more => format!("{TOPIC}-0.kafka-{more}-stray"),
        });
        if !disk.exists(&kept) {
            break kept;
        }
        // A run that was interrupted had come this far.
        if is_copy(disk, &kept, dir)? {
            return Ok(kept);
        }
        number += 1;
    };
    disk::create_dir_durably(disk, &unfinished)?;
    for entry in disk.list(dir)?.iter().filter(|entry| !entry.is_dir) {
        copy_file(disk, &dir.join(&entry.name), &unfinished.join(&entry.name))?;
    }
    disk.sync_dir(&unfinished)?;
    disk.rename(&unfinished, &kept)?;
    disk.sync_dir(parent)?;
    Ok(kept)
}

/// Whether a directory has nothing that the log has not: files are only added while it is taken over.
fn is_copy(disk: &dyn Disk, kept: &Path, dir: &Path) -> io::Result<bool> {
    let files = disk.list(dir)?;
    let has = |name: &str, len: u64| files.iter().any(|file| file.name == name && file.len == len);
    Ok(disk.list(kept)?.iter().all(|entry| has(&entry.name, entry.len)))
}

fn copy_file(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let source = disk.open(from, Open::Read)?;
    let target = disk.open(to, Open::Create)?;
    target.set_len(0)?;
    let mut buf = vec![0; COPY_BYTES];
    let mut offset = 0;
    loop {
        let read = source.read_at(&mut buf, offset)?;
        if read == 0 {
            return target.sync();
        }
        target.write_all_at(&[IoSlice::new(&buf[..read])], offset)?;
        offset += read as u64;
    }
}
