//! Puts files out of the page cache.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// Writes back and drops what the page cache has of all files below a folder.
///
/// # Errors
/// Where a file cannot be opened or synced. One that goes meanwhile is passed over.
pub(crate) fn evict(folder: &Path) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            evict(&path)?;
        } else if let Ok(file) = File::open(&path) {
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
