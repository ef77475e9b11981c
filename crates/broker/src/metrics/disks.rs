//! What is known of the log directories beyond what can be looked up.

use std::sync::atomic::AtomicU64;

/// What is known of the log directories.
#[derive(Debug, Default)]
pub(crate) struct DiskMetrics {
    /// Directories that refuse producing now because their volumes fill.
    pub(crate) restricted_directories: AtomicU64,
    /// Appends refused for that.
    pub(crate) refused_appends: AtomicU64,
    /// Segments deleted because a volume filled, beyond what retention lets go.
    pub(crate) deleted_segments: AtomicU64,
    /// Bytes deleted because a volume filled, retention's included.
    pub(crate) deleted_bytes: AtomicU64,
    /// Changes of where a directory stands.
    pub(crate) events: AtomicU64,
    /// Moves of replicas between directories that came to their end.
    pub(crate) moved_replicas: AtomicU64,
    /// Bytes copied for that.
    pub(crate) moved_bytes: AtomicU64,
}
