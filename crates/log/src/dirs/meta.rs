//! `meta.properties`: which cluster, node and directory this is, in Kafka's version 1 format.

use std::{io, path::Path};

use klamm_env::{Disk, disk};

/// The file's name.
pub(super) const FILE: &str = "meta.properties";

/// The contents of `meta.properties`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id`, in Kafka's base64 form.
    pub directory_id: String,
}

impl MetaProperties {
    /// Reads the file of a log directory; none if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is not of version 1.
    pub fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        if !disk.exists(&path) {
            return Ok(None);
        }
        let bad = |what: String| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
        };
        let text = text_of(disk, &path)?;
        let value = |key: &str| value_in(&text, key);
        let need = |key: &str| value(key).ok_or_else(|| bad(format!("{key} is missing")));
        match need("version")? {
            "1" => {}
            other => return Err(bad(format!("version {other} is not supported, only 1"))),
        }
        let node_id = need("node.id")?;
        Ok(Some(Self {
            cluster_id: need("cluster.id")?.to_owned(),
            node_id: node_id.parse().map_err(|_| bad(format!("node.id {node_id}")))?,
            directory_id: value("directory.id").unwrap_or_default().to_owned(),
        }))
    }

    /// The version that the file of a log directory says it has, whatever it is; none if there is
    /// no file, or none in it. Version 0 is of brokers that used ZooKeeper.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn version_in(disk: &dyn Disk, dir: &Path) -> io::Result<Option<String>> {
        let path = dir.join(FILE);
        if !disk.exists(&path) {
            return Ok(None);
        }
        Ok(value_in(&text_of(disk, &path)?, "version").map(str::to_owned))
    }

    /// Writes the file of a log directory.
    ///
    /// # Errors
    /// The disk failed.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        let Self { cluster_id, node_id, directory_id } = self;
        let text = format!(
            "cluster.id={cluster_id}\ndirectory.id={directory_id}\nnode.id={node_id}\nversion=1\n"
        );
        disk::write_file_atomically(disk, &dir.join(FILE), text.as_bytes())
    }
}

/// The largest file looked at, bytes.
const BYTES_MAX: u64 = 64 * 1024;

fn text_of(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&disk::read_file(disk, path, BYTES_MAX)?).into_owned())
}

fn value_in<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::trim))
}
