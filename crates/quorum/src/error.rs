//! What can go wrong, by what the caller does about it.

use std::{io, path::PathBuf};

use klamm_metadata::Refusal;
use klamm_protocol::ErrorCode;

use crate::checkpoint::CheckpointError;

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// The controller refuses the whole request.
    #[error("{0}")]
    Refused(Refusal),
    /// This node is not the active controller: ask the one that is, or again when there is one.
    #[error("this node is not the active controller{}", known(*.leader))]
    NotLeader {
        /// The node that is, if it is known.
        leader: Option<i32>,
    },
    /// Leadership was lost before the records were committed: they may still be, or never.
    #[error("this node stopped being the active controller before the change was committed")]
    Unknown,
    /// Too much is waiting for the disk or for other voters: try again later.
    #[error("too many changes of the metadata are under way")]
    Busy,
    /// The quorum has stopped.
    #[error("the metadata quorum has stopped: {0}")]
    Stopped(String),
}

impl QuorumError {
    /// The code that a client is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::NotLeader { .. } | Self::Unknown => ErrorCode::NotController,
            Self::Busy => ErrorCode::RequestTimedOut,
            Self::Stopped(_) => ErrorCode::BrokerNotAvailable,
        }
    }
}

impl From<Refusal> for QuorumError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<QuorumError> for ErrorCode {
    fn from(error: QuorumError) -> Self {
        error.code()
    }
}

fn known(leader: Option<i32>) -> String {
    leader.map_or_else(String::new, |id| format!("; node {id} is"))
}

/// Why the metadata log cannot be opened. Nothing on disk was changed, unless the disk failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The log is damaged.
    #[error("the metadata log: {0}")]
    Log(#[from] klamm_log::OpenError),
    /// A snapshot is damaged.
    #[error("{path}: {error}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: CheckpointError,
    },
    /// What is on disk does not fit together.
    #[error("{0}")]
    Inconsistent(String),
    /// The settings make no sense.
    #[error("{0}")]
    Config(String),
}
