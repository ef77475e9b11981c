//! The contents of a file on a virtual disk, and what was written to it and not synced.

use crate::Random;

/// A change of contents.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Data { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// A file.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Write>,
    /// When it was made, last written, or said to be: milliseconds since the epoch. A crash takes
    /// nothing of it.
    pub(super) modified_ms: Option<i64>,
}

impl Inode {
    pub(super) fn write(&mut self, write: Write, now_ms: Option<i64>) {
        self.modified_ms = now_ms;
        write.apply(&mut self.live);
        self.pending.push(write);
    }

    pub(super) fn sync(&mut self) {
        for write in self.pending.drain(..) {
            write.apply(&mut self.durable);
        }
    }

    pub(super) fn crash(&mut self, random: &Random) {
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
