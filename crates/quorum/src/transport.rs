//! How raft messages reach other voters.

use std::fmt::Debug;

pub use raft::eraftpb::Message;

/// Carries raft messages to peers. Messages may be lost, repeated and reordered.
pub trait Transport: Debug + Send {
    /// Hands over messages; those that cannot be sent now are dropped.
    fn send(&mut self, messages: Vec<Message>);
}

/// A group of one: there is nobody to send to.
#[derive(Debug, Default)]
pub struct NoPeers;

impl Transport for NoPeers {
    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            tracing::debug!(to = message.to, "a raft message to a peer that is not there");
        }
    }
}
