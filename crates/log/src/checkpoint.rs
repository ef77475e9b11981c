//! Kafka's small text files: offset checkpoints per directory, leader epochs per partition.
//!
//! Both are a version line (0), a count line, then one entry a line.

use std::{collections::BTreeMap, fmt::Write as _, io, path::Path};

use klamm_env::{Disk, disk};

use crate::TopicPartition;

/// Up to where each partition is known to be durable.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// First offset of each partition that is not the base of its first segment.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// Up to where each partition was compacted.
pub const CLEANED: &str = "cleaner-offset-checkpoint";
/// High watermark of each partition.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";

/// The largest checkpoint read, bytes: 2 million partitions of ordinary names.
const FILE_BYTES_MAX: u64 = 128 << 20;

fn bad(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}

fn lines(disk: &dyn Disk, path: &Path) -> io::Result<(usize, Vec<String>)> {
    let bytes = disk::read_file(disk, path, FILE_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| bad(path, "not UTF-8"))?;
    let mut lines = text.lines();
    match lines.next() {
        Some("0") => {}
        // Kafka makes the file before there is anything to write.
        None => return Ok((0, Vec::new())),
        other => return Err(bad(path, &format!("unknown version {other:?}, expected 0"))),
    }
    let count = lines.next().and_then(|line| line.trim().parse().ok());
    let count = count.ok_or_else(|| bad(path, "no count in line 2"))?;
    let entries: Vec<String> = lines.map(str::to_owned).collect();
    if entries.len() != count {
        let text = format!("{} entries where line 2 says {count}", entries.len());
        return Err(bad(path, &text));
    }
    Ok((count, entries))
}

/// Reads an offset checkpoint; empty if there is none.
///
/// # Errors
/// The file cannot be read or is malformed.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> io::Result<BTreeMap<TopicPartition, i64>> {
    if !disk.exists(path) {
        return Ok(BTreeMap::new());
    }
    let entry = |line: &String| {
        let mut words = line.rsplitn(3, ' ');
        let offset = words.next()?.parse().ok()?;
        let partition = words.next()?.parse().ok()?;
        Some((TopicPartition::new(words.next()?, partition), offset))
    };
    let (_, entries) = lines(disk, path)?;
    entries
        .iter()
        .map(|line| entry(line).ok_or_else(|| bad(path, &format!("malformed entry {line:?}"))))
        .collect()
}

/// Replaces an offset checkpoint.
///
/// # Errors
/// The file cannot be written; the old one stays.
pub fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &BTreeMap<TopicPartition, i64>,
) -> io::Result<()> {
    let mut text = format!("0\n{}\n", offsets.len());
    for (TopicPartition { topic, partition }, offset) in offsets {
        writeln!(text, "{topic} {partition} {offset}").map_err(io::Error::other)?;
    }
    disk::write_file_atomically(disk, path, text.as_bytes())
}

pub(crate) fn read_epochs(disk: &dyn Disk, path: &Path) -> io::Result<Vec<(i32, i64)>> {
    let entry = |line: &String| {
        let (epoch, offset) = line.split_once(' ')?;
        Some((epoch.parse().ok()?, offset.parse().ok()?))
    };
    let (_, entries) = lines(disk, path)?;
    entries
        .iter()
        .map(|line| entry(line).ok_or_else(|| bad(path, &format!("malformed entry {line:?}"))))
        .collect()
}

pub(crate) fn epochs_text(entries: impl ExactSizeIterator<Item = (i32, i64)>) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for (epoch, offset) in entries {
        text.push_str(&format!("{epoch} {offset}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use klamm_env::{Disk, Random, disk::Open, virt::VirtualDisk};

    use super::*;

    #[test]
    fn an_empty_file_has_no_entries() {
        let disk = VirtualDisk::new(Random::from_seed(1));
        disk.create_dir_all(Path::new("/data")).expect("made");
        let path = Path::new("/data/empty");
        disk.open(path, Open::Create).expect("made");
        assert_eq!(read_offsets(&disk, path).expect("read"), BTreeMap::new());
        assert_eq!(read_epochs(&disk, path).expect("read"), []);
    }
}
