//! Why a request was not done, as the client is told.

use klamm_protocol::ErrorCode;

/// An error code and a text beside it. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(error: ErrorCode, text: impl Into<String>) -> Self {
        Self { error, text: text.into() }
    }
}
