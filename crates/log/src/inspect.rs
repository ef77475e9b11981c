//! Looking into a partition's directory without changing anything in it: for one that another
//! broker wrote and that is not ours yet.

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{Disk, File, disk::Open};

pub use crate::{
    log::{topic_id_in, write_topic_id},
    names::SetAside,
};
use crate::{
    names::{INDEX_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, file_name, offset_of},
    recovery::{check, is_blank, valid_batch_follows},
    scan::{WalkEnd, facts, walk_batches, walk_headers},
};

/// What is in the segment files of a partition's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Base offset of the first segment; 0 if there is none.
    pub start_offset: i64,
    /// Offset after the last whole batch.
    pub end_offset: i64,
    /// How many segments there are.
    pub segments: usize,
    /// Size of the segment files, bytes.
    pub bytes: u64,
    /// What is not a whole batch, if anything.
    pub damage: Option<Damage>,
}

/// Bytes that are not a whole, valid batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// Where they begin, bytes.
    pub position: u64,
    /// What is wrong with them.
    pub error: String,
    /// How many there are to the end of the file, bytes.
    pub following: u64,
    /// Whether nothing valid follows: a batch that was being written when the broker died.
    pub is_torn_end: bool,
}

struct Found {
    base: i64,
    path: PathBuf,
    len: u64,
}

fn segments(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Found>> {
    let entries = disk.list(dir)?.into_iter().filter(|entry| !entry.is_dir);
    let found = entries.filter_map(|entry| {
        let base = offset_of(&entry.name, LOG_SUFFIX)?;
        Some(Found { base, path: dir.join(&entry.name), len: entry.len })
    });
    let mut found: Vec<Found> = found.collect();
    found.sort_by_key(|segment| segment.base);
    Ok(found)
}

fn contents_of(segments: &[Found]) -> Contents {
    let first = segments.first().map_or(0, |segment| segment.base);
    Contents {
        start_offset: first,
        end_offset: segments.last().map_or(first, |last| last.base),
        segments: segments.len(),
        bytes: segments.iter().map(|segment| segment.len).sum(),
        damage: None,
    }
}

/// Reads every batch of a partition's segment files, checks it, and gives it to `each`, in order.
/// Ends at the first that is damaged, or before one that is cut.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn walk(disk: &dyn Disk, dir: &Path, mut each: impl FnMut(&[u8])) -> io::Result<Contents> {
    let segments = segments(disk, dir)?;
    let mut contents = contents_of(&segments);
    let mut end = contents.start_offset;
    for (at, segment) in segments.iter().enumerate() {
        let file = disk.open(&segment.path, Open::Read)?;
        end = end.max(segment.base);
        let walked = walk_batches(&*file, 0, segment.len, |_, facts, bytes| {
            check(bytes, facts, end)?;
            end = facts.last_offset + 1;
            each(bytes);
            Ok(())
        })?;
        let (position, error) = match walked {
            WalkEnd::Whole => continue,
            WalkEnd::Cut(position) => (position, "the last batch is cut".to_owned()),
            WalkEnd::Bad(position, error) => (position, error),
        };
        let rest_is_empty = segments[at + 1..].iter().all(|later| later.len == 0);
        contents.damage = damage(&file, segment, (position, error), rest_is_empty)?;
        if contents.damage.is_some() {
            break;
        }
    }
    contents.end_offset = end;
    Ok(contents)
}

/// What is wrong at a position; none if nothing was written from there on.
fn damage(
    file: &Arc<dyn File>,
    segment: &Found,
    (position, error): (u64, String),
    is_last: bool,
) -> io::Result<Option<Damage>> {
    if is_last && is_blank(&**file, position, segment.len)? {
        return Ok(None);
    }
    let follows = !is_last || valid_batch_follows(&**file, position, segment.len, segment.base)?;
    Ok(Some(Damage {
        file: segment.path.clone(),
        position,
        error,
        following: segment.len - position,
        is_torn_end: !follows,
    }))
}

/// The same without reading more than the headers of the last batches: where the log ends, and how
/// large it is. Checksums are not looked at.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn extent(disk: &dyn Disk, dir: &Path) -> io::Result<Contents> {
    let segments = segments(disk, dir)?;
    let mut contents = contents_of(&segments);
    let Some(last) = segments.last() else { return Ok(contents) };
    let file = disk.open(&last.path, Open::Read)?;
    let from = last_indexed(disk, dir, last, &*file);
    let walked = walk_headers(&*file, from, last.len, |_, facts| {
        contents.end_offset = facts.last_offset + 1;
        ControlFlow::<()>::Continue(())
    })?;
    if let Err((position, error)) = walked {
        contents.damage = damage(&file, last, (position, error.to_string()), true)?;
    }
    Ok(contents)
}

/// Size of an entry of an offset index: relative offset, position.
const INDEX_ENTRY_BYTES: u64 = 8;
/// Entries of an index that are read from its end.
const INDEX_ENTRIES: u64 = 512;

/// The position of a batch near the end of a segment, as its offset index has it; 0 if it cannot be
/// told. An index that is still written to ends with zeros.
fn last_indexed(disk: &dyn Disk, dir: &Path, segment: &Found, file: &dyn File) -> u64 {
    let near = || -> Option<u64> {
        let path = dir.join(file_name(segment.base, INDEX_SUFFIX));
        let index = disk.open(&path, Open::Read).ok()?;
        let len = index.len().ok()? / INDEX_ENTRY_BYTES * INDEX_ENTRY_BYTES;
        let from = len.saturating_sub(INDEX_ENTRY_BYTES * INDEX_ENTRIES);
        let mut bytes = vec![0; usize::try_from(len - from).ok()?];
        let read = index.read_at(&mut bytes, from).ok()?;
        let entries = bytes[..read].chunks_exact(8);
        let entry = entries.rev().find(|entry| entry.iter().any(|byte| *byte != 0))?;
        let number = |at: usize| entry[at..].first_chunk().map(|b| u32::from_be_bytes(*b));
        let (relative, position) = (i64::from(number(0)?), u64::from(number(4)?));
        let mut header = [0; 64];
        let read = file.read_at(&mut header, position).ok()?;
        let facts = facts(&header[..read]).ok()?;
        // The offset is that of the last batch of a write, the position that of the first.
        let offset = segment.base + relative;
        (segment.base..=offset).contains(&facts.base_offset).then_some(position)
    };
    near().unwrap_or(0)
}

/// The producers that the newest readable snapshot of a partition knows: how many, and how many of
/// them have a transaction open there; none if there is no snapshot.
///
/// # Errors
/// The directory cannot be read.
pub fn producers(disk: &dyn Disk, dir: &Path) -> io::Result<Option<(usize, usize)>> {
    const BYTES_MAX: u64 = 1 << 30;
    let names = disk.list(dir)?.into_iter().map(|entry| entry.name);
    let mut offsets: Vec<i64> =
        names.filter_map(|name| offset_of(&name, SNAPSHOT_SUFFIX)).collect();
    offsets.sort_unstable();
    for offset in offsets.into_iter().rev() {
        let path = dir.join(file_name(offset, SNAPSHOT_SUFFIX));
        let bytes = klamm_env::disk::read_file(disk, &path, BYTES_MAX)?;
        if let Ok(producers) = klamm_transactions::snapshot::decode(&bytes) {
            let open = producers.iter().filter(|(_, of)| of.transaction_start.is_some()).count();
            return Ok(Some((producers.len(), open)));
        }
    }
    Ok(None)
}
