//! What happened in a run, as text and as one number.

/// The lines of a run, and a hash over all of them.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    count: usize,
    /// Kept only if somebody wants to read them.
    lines: Option<Vec<String>>,
}

/// FNV-1a, 64 bits: the same in every process and release.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

impl Trace {
    pub(crate) fn new(keep_lines: bool) -> Self {
        Self { hash: OFFSET_BASIS, count: 0, lines: keep_lines.then(Vec::new) }
    }

    pub(crate) fn push(&mut self, line: String) {
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        self.count += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
