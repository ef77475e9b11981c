//! Why the controller does not do what it was asked.

use klamm_protocol::ErrorCode;

/// A refusal: Kafka's error code, and the text that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// What is wrong, in Kafka's words where it has some.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn unknown_topic() -> Self {
        let text = "This server does not host this topic-partition.";
        Self::new(ErrorCode::UnknownTopicOrPartition, text)
    }

    pub(crate) fn unknown_topic_id() -> Self {
        Self::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID.")
    }

    pub(crate) fn invalid_assignment(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidReplicaAssignment, message)
    }

    pub(crate) fn invalid_replication_factor(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidReplicationFactor, message)
    }

    /// The code as it goes into a response.
    pub fn number(&self) -> i16 {
        self.code as i16
    }
}
