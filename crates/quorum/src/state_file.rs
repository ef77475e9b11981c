//! What raft must remember beside its log: a small text file, replaced atomically.

use std::{collections::BTreeMap, fmt::Write as _, io, path::Path};

use klamm_env::{Disk, disk};
use raft::eraftpb::{ConfState, HardState};

use crate::OpenError;

/// The file's name.
pub(crate) const NAME: &str = "raft-state";
const BYTES_MAX: u64 = 1 << 20;

/// A place in the log: the entry of this raft index and term ends before this offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) end_offset: i64,
}

/// Contents of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) hard: HardState,
    pub(crate) conf: ConfState,
    /// The last snapshot; the log begins behind it.
    pub(crate) snapshot: Place,
    /// Everything in the log before this offset was synced when the file was written.
    pub(crate) durable_offset: i64,
    /// The run of the operating system in which the file was written, if it can be told.
    pub(crate) power_cycle: String,
}

impl State {
    /// Reads the file; none if there is none.
    pub(crate) fn load(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(NAME);
        if !disk.exists(&path) {
            return Ok(None);
        }
        let bytes = disk::read_file(disk, &path, BYTES_MAX)?;
        let text = String::from_utf8_lossy(&bytes);
        let parsed = Self::parse(&text);
        let damaged = || OpenError::Inconsistent(format!("{} is damaged", path.display()));
        parsed.map(Some).ok_or_else(damaged)
    }

    /// Writes the file durably; blocks.
    pub(crate) fn store(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        disk::write_file_atomically(disk, &dir.join(NAME), self.to_text().as_bytes())
    }

    fn to_text(&self) -> String {
        let ids = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let mut text = String::from("version: 1\n");
        let lines = [
            ("term", self.hard.term.to_string()),
            ("vote", self.hard.vote.to_string()),
            ("commit", self.hard.commit.to_string()),
            ("voters", ids(&self.conf.voters)),
            ("voters_outgoing", ids(&self.conf.voters_outgoing)),
            ("learners", ids(&self.conf.learners)),
            ("learners_next", ids(&self.conf.learners_next)),
            ("auto_leave", self.conf.auto_leave.to_string()),
            ("snapshot_index", self.snapshot.index.to_string()),
            ("snapshot_term", self.snapshot.term.to_string()),
            ("snapshot_end_offset", self.snapshot.end_offset.to_string()),
            ("durable_offset", self.durable_offset.to_string()),
            ("power_cycle", self.power_cycle.clone()),
        ];
        for (name, value) in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(k, v)| (k, v.trim()))
            .collect();
        let number = |name: &str| fields.get(name)?.parse::<u64>().ok();
        let offset = |name: &str| fields.get(name)?.parse::<i64>().ok();
        let ids = |name: &str| -> Option<Vec<u64>> {
            fields
                .get(name)?
                .split(',')
                .filter(|id| !id.is_empty())
                .map(|id| id.parse().ok())
                .collect()
        };
        if number("version") != Some(1) {
            return None;
        }
        let mut state = Self::default();
        state.hard.term = number("term")?;
        state.hard.vote = number("vote")?;
        state.hard.commit = number("commit")?;
        state.conf.voters = ids("voters")?;
        state.conf.voters_outgoing = ids("voters_outgoing")?;
        state.conf.learners = ids("learners")?;
        state.conf.learners_next = ids("learners_next")?;
        state.conf.auto_leave = *fields.get("auto_leave")? == "true";
        state.snapshot = Place {
            index: number("snapshot_index")?,
            term: number("snapshot_term")?,
            end_offset: offset("snapshot_end_offset")?,
        };
        state.durable_offset = offset("durable_offset")?;
        state.power_cycle = (*fields.get("power_cycle")?).to_owned();
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, State};

    #[test]
    fn reads_what_it_writes() {
        let mut state = State::default();
        state.hard.term = 7;
        state.hard.commit = 12;
        state.conf.voters = vec![1, 2, 3];
        state.snapshot = Place { index: 3, term: 2, end_offset: 99 };
        state.durable_offset = 120;
        state.power_cycle = "a1b2".to_owned();
        assert_eq!(State::parse(&state.to_text()), Some(state));
        assert_eq!(State::parse("version: 2\n"), None);
        assert_eq!(State::parse(""), None);
    }
}
