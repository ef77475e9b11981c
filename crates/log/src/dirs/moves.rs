//! Which directory is which, where new logs may go, and moves between directories.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{LogDir, LogDirs};
use crate::{
    Log, Move, MoveError, TopicPartition,
    checkpoint::CLEANED,
    names::{DELETE_DIR_SUFFIX, FUTURE_DIR_SUFFIX},
};

impl LogDirs {
    /// Says which directories get no new logs (`cordoned.log.dirs`); `*` is all of them.
    pub fn cordon(&self, paths: &[String]) {
        let is_cordoned = |dir: &LogDir| {
            paths.iter().any(|path| path == "*" || Path::new(path) == dir.path.as_path())
        };
        let all = self.dirs.iter().enumerate();
        *self.cordoned.write() =
            all.filter(|(_, dir)| is_cordoned(dir)).map(|(at, _)| at).collect();
    }

    /// Whether a directory gets no new logs.
    pub fn is_cordoned(&self, dir: &LogDir) -> bool {
        self.cordoned.read().iter().any(|at| self.dirs[*at].id == dir.id)
    }

    /// The directory with this path, if it is, or was, in service.
    pub fn dir_at(&self, path: &Path) -> Option<&Arc<LogDir>> {
        self.dirs.iter().find(|dir| dir.path == path)
    }

    /// Notes where a log is to go that is not there yet.
    pub fn prefer(&self, name: &TopicPartition, dir: &LogDir) {
        if let Some(at) = self.place(dir) {
            self.preferred.lock().insert(name.clone(), at);
        }
    }

    fn place(&self, dir: &LogDir) -> Option<usize> {
        self.dirs.iter().position(|other| other.id == dir.id)
    }

    /// The moves that a former run did not end, each told once: the partition and where it was to
    /// go. What they had copied is gone.
    pub fn take_unfinished(&self) -> Vec<(TopicPartition, Arc<LogDir>)> {
        let unfinished = std::mem::take(&mut *self.unfinished.lock());
        let there = |(name, at): (TopicPartition, usize)| (name, Arc::clone(&self.dirs[at]));
        unfinished.into_iter().map(there).collect()
    }

    /// Begins to move a log to a directory; none if a cleaner is at work on it.
    ///
    /// # Errors
    /// That directory failed.
    pub fn begin_move(&self, log: &Arc<Log>, dir: &LogDir) -> Result<Option<Move>, MoveError> {
        let at = self.place(dir).unwrap_or(0);
        Move::begin(log, self.mark(at, log.name(), FUTURE_DIR_SUFFIX))
    }

    /// Ends a move: the log goes on in the directory that it was moved to. Returns the directory
    /// that it was in, renamed, which the caller removes after `file.delete.delay.ms`. Blocks, and
    /// so do appends meanwhile. The move must be settled.
    ///
    /// # Errors
    /// The log stays where it is.
    pub fn finish_move(&self, moved: Move, dir: &LogDir) -> Result<PathBuf, MoveError> {
        let log = Arc::clone(moved.log());
        let name = log.name().clone();
        let to = self.place(dir).unwrap_or(0);
        // A start must know up to where the log is durable there before it finds it.
        self.arriving.lock().insert(name.clone(), (to, moved.durable_to()));
        let finished = match self.note_arrival() {
            Ok(()) => self.change_over(moved, &log, to),
            Err(error) => {
                moved.discard();
                Err(MoveError::Target(error))
            }
        };
        self.arriving.lock().remove(&name);
        if finished.is_ok()
            && let Err(error) = self.forget_deleted()
        {
            tracing::warn!("{name}: its move may be looked at once more: {error}");
        }
        finished
    }

    /// With the list of logs held, so that the log is not deleted meanwhile.
    fn change_over(&self, moved: Move, log: &Arc<Log>, to: usize) -> Result<PathBuf, MoveError> {
        let mut logs = self.logs.write();
        let name = log.name();
        let Some((at, _)) = logs.get(name) else {
            moved.discard();
            return Err(MoveError::Aborted("the partition is deleted".to_owned()));
        };
        let retired = self.mark(*at, name, DELETE_DIR_SUFFIX);
        moved.finish(&self.dirs[to].path.join(name.to_string()), &retired)?;
        logs.insert(name.clone(), (to, Arc::clone(log)));
        Ok(retired)
    }

    fn note_arrival(&self) -> io::Result<()> {
        self.checkpoint_recovery_points()?;
        self.checkpoint_start_offsets()?;
        if self.dirs.iter().any(|dir| self.env.disk.exists(&dir.path.join(CLEANED))) {
            self.checkpoint_cleaned()?;
        }
        Ok(())
    }
}
