//! What a crash left of putting compacted segments in place, by Kafka's rules: `.deleted` and
//! `.cleaned` files go; what has the name of a `.swap` log counts, and takes the place of all
//! segments whose base offsets it covers.

use std::io;

use klamm_env::disk::{Entry, Open};

use crate::{
    names::{
        CLEANED_SUFFIX, DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, SWAP_SUFFIX,
        TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, file_name, offset_of,
    },
    scan::walk_headers,
    segment::Place,
};

/// Finishes or takes back what was under way. Returns what is in the directory then.
pub(crate) fn settle(place: &Place) -> io::Result<Vec<Entry>> {
    let disk = &*place.disk;
    let entries = disk.list(&place.dir())?;
    let is_temporary = |name: &str| {
        [DELETED_SUFFIX, CLEANED_SUFFIX, ".tmp"].iter().any(|suffix| name.ends_with(suffix))
    };
    let is_left = |entry: &Entry| is_temporary(&entry.name) || entry.name.ends_with(SWAP_SUFFIX);
    if !entries.iter().any(is_left) {
        return Ok(entries);
    }
    let names: Vec<String> =
        entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect();
    // A `.swap` beyond a `.cleaned` is of a split that did not come to its end (KAFKA-6264).
    let first_cleaned = names.iter().filter_map(|n| base_of(n.strip_suffix(CLEANED_SUFFIX)?)).min();
    let is_valid = |name: &&String| {
        let Some(base) = base_of(plain(name)) else { return false };
        // An index whose log has not followed it counts as little as that.
        let log = file_name(base, LOG_SUFFIX) + CLEANED_SUFFIX;
        first_cleaned.is_none_or(|first| base <= first) && !names.contains(&log)
    };
    let swaps = names.iter().filter(|name| name.ends_with(SWAP_SUFFIX));
    let (valid, void): (Vec<&String>, Vec<&String>) = swaps.partition(is_valid);
    for name in names.iter().filter(|name| is_temporary(name)).chain(void) {
        disk.remove_file(&place.file(name))?;
    }
    if valid.is_empty() {
        return disk.list(&place.dir());
    }
    remove_replaced(place, &names, &valid)?;
    disk.sync_dir(&place.dir())?;
    // The log last, as when they got these names.
    let is_log = |name: &&&String| plain(name).ends_with(LOG_SUFFIX);
    for name in valid.iter().filter(|n| !is_log(n)).chain(valid.iter().filter(is_log)) {
        disk.rename(&place.file(name), &place.file(plain(name)))?;
    }
    disk.sync_dir(&place.dir())?;
    disk.list(&place.dir())
}

/// A name without `.swap`.
fn plain(name: &str) -> &str {
    name.strip_suffix(SWAP_SUFFIX).unwrap_or(name)
}

/// The base offset of the segment, or the snapshot, that a file belongs to.
fn base_of(name: &str) -> Option<i64> {
    [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, SNAPSHOT_SUFFIX]
        .iter()
        .find_map(|suffix| offset_of(name, suffix))
}

/// Removes the segments that the valid `.swap` logs were made of.
fn remove_replaced(place: &Place, names: &[String], valid: &[&String]) -> io::Result<()> {
    let mut range: Option<(i64, i64)> = None;
    for name in valid {
        let Some(base) = offset_of(plain(name), LOG_SUFFIX) else { continue };
        // Its own names at least, though all records were superseded.
        let end = end_of(place, name)?.max(base + 1);
        let (first, last) = range.unwrap_or((base, end));
        range = Some((first.min(base), last.max(end)));
    }
    let Some((first, end)) = range else { return Ok(()) };
    for name in names.iter().filter(|name| !name.ends_with(SWAP_SUFFIX)) {
        let Some(base) = base_of(name).filter(|base| (first..end).contains(base)) else { continue };
        let is_snapshot = name.ends_with(SNAPSHOT_SUFFIX);
        if !(is_snapshot && base == first) {
            place.disk.remove_file(&place.file(name))?;
        }
    }
    Ok(())
}

/// The offset after the last in a log file.
fn end_of(place: &Place, name: &str) -> io::Result<i64> {
    let file = place.disk.open(&place.file(name), Open::Read)?;
    let mut end = 0;
    let walk = walk_headers(&*file, 0, file.len()?, |_, facts| {
        end = facts.last_offset.saturating_add(1);
        std::ops::ControlFlow::<()>::Continue(())
    })?;
    walk.map(|_| end).map_err(|(position, error)| {
        io::Error::other(format!("{name}, position {position}: {error}"))
    })
}
