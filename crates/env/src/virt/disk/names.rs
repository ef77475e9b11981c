//! Names on a virtual disk, and changes of them that may not be durable yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    path::{Path, PathBuf},
};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(u64),
}

/// A change of names.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    Put(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Naming {
    pub(super) fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Put(path, node) => {
                names.insert(path, node);
            }
            Self::Remove(path) => drop(take_below(names, &path)),
            Self::Rename(from, to) => {
                let moved = take_below(names, &from);
                take_below(names, &to);
                for (name, node) in moved {
                    let rest = name.strip_prefix(&from).unwrap_or(&name).to_owned();
                    let target =
                        if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    names.insert(target, node);
                }
            }
        }
    }

    /// This change of a name as it reads once `later`, a change of a directory above it, is made
    /// before it; none if it has gone with the directory.
    pub(super) fn follow(self, later: &Self) -> Option<Self> {
        let moved = |path: PathBuf| match later {
            Self::Remove(gone) if path.starts_with(gone) => None,
            Self::Rename(from, to) => match path.strip_prefix(from) {
                Ok(rest) if !rest.as_os_str().is_empty() => Some(to.join(rest)),
                _ => Some(path),
            },
            _ => Some(path),
        };
        Some(match self {
            Self::Put(path, node) => Self::Put(moved(path)?, node),
            Self::Remove(path) => Self::Remove(moved(path)?),
            Self::Rename(from, to) => Self::Rename(moved(from)?, moved(to)?),
        })
    }

    /// Whether this frees the name of `dir`: another directory has it since, and what is synced in
    /// that one must not show in the former.
    pub(super) fn frees(&self, dir: &Path) -> bool {
        match self {
            Self::Put(..) => false,
            Self::Remove(path) | Self::Rename(path, _) => dir.starts_with(path),
        }
    }

    /// Whether a sync of `dir` makes this durable.
    pub(super) fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Put(path, _) | Self::Remove(path) => path.parent() == Some(dir),
            Self::Rename(from, to) => to.parent() == Some(dir) || from.parent() == Some(dir),
        }
    }
}

/// Names at and below a path, which follow each other in the order of paths.
pub(super) fn below<'a>(
    names: &'a BTreeMap<PathBuf, Node>,
    path: &'a Path,
) -> impl Iterator<Item = (&'a PathBuf, &'a Node)> {
    let from = (Bound::Included(path), Bound::Unbounded);
    names.range::<Path, _>(from).take_while(move |(name, _)| name.starts_with(path))
}

fn take_below(names: &mut BTreeMap<PathBuf, Node>, path: &Path) -> Vec<(PathBuf, Node)> {
    let found: Vec<PathBuf> = below(names, path).map(|(name, _)| name.clone()).collect();
    found.iter().filter_map(|name| names.remove_entry(name)).collect()
}

/// Takes out what is in directories that are not there: a durable name in a directory whose own
/// name was lost cannot be reached, and must not come back when a directory of that name is made.
pub(super) fn drop_unreachable(names: &mut BTreeMap<PathBuf, Node>) {
    let mut dirs = BTreeSet::from([PathBuf::new(), PathBuf::from("/")]);
    // A directory comes before what is in it.
    names.retain(|path, node| {
        let is_reachable = path.parent().is_none_or(|parent| dirs.contains(parent));
        if is_reachable && *node == Node::Dir {
            dirs.insert(path.clone());
        }
        is_reachable
    });
}
