//! What is known of the log directories beyond what can be looked up.

use klamm_metrics::{Counter, Gauge};

/// What is known of the log directories.
#[derive(Debug, Default)]
pub(crate) struct DiskMetrics {
    /// Directories that refuse producing now because their volumes fill.
    pub(crate) restricted_directories: Gauge,
    /// Appends refused for that.
    pub(crate) refused_appends: Counter,
    /// Segments deleted because a volume filled, beyond what retention lets go.
    pub(crate) deleted_segments: Counter,
    /// Bytes deleted because a volume filled, retention's included.
    pub(crate) deleted_bytes: Counter,
    /// Changes of where a directory stands.
    pub(crate) events: Counter,
    /// Moves of replicas between directories that came to their end.
    pub(crate) moved_replicas: Counter,
    /// Bytes copied for that.
    pub(crate) moved_bytes: Counter,
}
