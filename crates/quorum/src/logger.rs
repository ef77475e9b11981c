//! What raft logs, handed on to `tracing`.

use slog::{Drain, Level, Logger, OwnedKVList, Record};

/// A logger for raft. Its chatter about elections is of no use to an operator: debug.
pub(crate) fn raft_logger() -> Logger {
    Logger::root(Tracing.fuse(), slog::o!())
}

struct Tracing;

impl Drain for Tracing {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, _values: &OwnedKVList) -> Result<(), slog::Never> {
        let text = record.msg();
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "raft", "{text}"),
            Level::Warning => tracing::warn!(target: "raft", "{text}"),
            Level::Info | Level::Debug => tracing::debug!(target: "raft", "{text}"),
            Level::Trace => tracing::trace!(target: "raft", "{text}"),
        }
        Ok(())
    }
}
