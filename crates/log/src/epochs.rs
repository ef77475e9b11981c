//! Which leader epoch wrote which offsets (KIP-101), and Kafka's `leader-epoch-checkpoint` file.
//!
//! Invariant: epochs and start offsets both ascend.

use std::{io, path::Path};

use klamm_env::Disk;

use crate::checkpoint;

/// The first offset of a leader epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// Leader epoch.
    pub epoch: i32,
    /// Offset of the first record that it wrote.
    pub start_offset: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Epochs {
    entries: Vec<EpochEntry>,
    /// Whether the file is behind.
    pub(crate) dirty: bool,
}

impl Epochs {
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        if !disk.exists(path) {
            return Ok(Self::default());
        }
        let mut epochs = Self::default();
        for (epoch, start_offset) in checkpoint::read_epochs(disk, path)? {
            epochs.assign(epoch, start_offset);
        }
        epochs.dirty = false;
        Ok(epochs)
    }

    pub(crate) fn to_text(&self) -> String {
        checkpoint::epochs_text(self.entries.iter().map(|e| (e.epoch, e.start_offset)))
    }

    /// Notes that `epoch` wrote the record at `offset`.
    pub(crate) fn assign(&mut self, epoch: i32, offset: i64) {
        if epoch < 0 || self.latest().is_some_and(|last| last.epoch >= epoch) {
            return;
        }
        while self.entries.last().is_some_and(|last| last.start_offset >= offset) {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset: offset });
        self.dirty = true;
    }

    pub(crate) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    pub(crate) fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// Where the largest epoch not above `asked` ends, and that epoch.
    pub(crate) fn end_offset(&self, asked: i32, log_end: i64) -> Option<(i32, i64)> {
        let latest = self.latest()?;
        if asked == latest.epoch {
            return Some((asked, log_end));
        }
        if asked > latest.epoch {
            return None;
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= asked);
        let end = self.entries[after].start_offset;
        match after.checked_sub(1) {
            // An epoch before all that are known ends where the known ones begin.
            None => Some((asked, end)),
            Some(floor) => Some((self.entries[floor].epoch, end)),
        }
    }

    /// The epoch that wrote the record at `offset`.
    pub(crate) fn of_offset(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    pub(crate) fn truncate_from_end(&mut self, end: i64) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start_offset < end);
        self.dirty |= self.entries.len() != before;
    }

    /// Forgets epochs that ended before `start`; the one it falls into begins there.
    pub(crate) fn truncate_from_start(&mut self, start: i64) {
        let after = self.entries.partition_point(|entry| entry.start_offset <= start);
        let Some(floor) = after.checked_sub(1) else { return };
        if self.entries[floor].start_offset < start {
            self.entries[floor].start_offset = start;
            self.entries.drain(..floor);
            self.dirty = true;
        } else if floor > 0 {
            self.entries.drain(..floor);
            self.dirty = true;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.dirty = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, offset) in entries {
            epochs.assign(*epoch, *offset);
        }
        epochs
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        let epochs = epochs(&[(1, 0), (3, 10), (5, 20)]);
        let end = |asked| epochs.end_offset(asked, 30);
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(2), Some((1, 10)));
        assert_eq!(end(3), Some((3, 20)));
        assert_eq!(end(5), Some((5, 30)));
        assert_eq!(end(6), None);
        assert_eq!(end(0), Some((0, 0)));
        assert_eq!((epochs.of_offset(9), epochs.of_offset(10)), (Some(1), Some(3)));
    }

    #[test]
    fn truncation_keeps_what_is_still_in_the_log() {
        let mut cut = epochs(&[(1, 0), (3, 10), (5, 20)]);
        cut.truncate_from_end(20);
        assert_eq!(cut.latest().map(|e| e.epoch), Some(3));
        cut.truncate_from_start(4);
        assert_eq!(cut.entries()[0], EpochEntry { epoch: 1, start_offset: 4 });
        cut.truncate_from_start(10);
        assert_eq!(cut.entries(), [EpochEntry { epoch: 3, start_offset: 10 }]);
    }
}
