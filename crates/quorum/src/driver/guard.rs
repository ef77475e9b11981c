//! Messages of peers, looked at before raft sees them: it panics on impossible ones.

use raft::eraftpb::{Message, MessageType};

use super::Driver;

impl Driver {
    /// Hands a message to raft if it can be true.
    pub(super) fn step(&mut self, message: Message) {
        if let Err(reason) = self.check(&message) {
            tracing::warn!(from = message.from, "a raft message was dropped: {reason}");
            return;
        }
        if let Err(error) = self.node.step(message) {
            tracing::debug!("raft: {error}");
        }
    }

    fn check(&self, message: &Message) -> Result<(), &'static str> {
        let raft = &self.node.raft;
        if message.to != raft.id || message.from == raft.id {
            return Err("it is not for this node");
        }
        if raft.prs().get(message.from).is_none() {
            return Err("the sender is not in the quorum");
        }
        let last = raft.raft_log.last_index();
        match message.get_msg_type() {
            MessageType::MsgHeartbeat if message.commit > last => {
                Err("its commit is not in the log")
            }
            MessageType::MsgAppendResponse | MessageType::MsgHeartbeatResponse
                if message.index > last =>
            {
                Err("it speaks of entries that are not in the log")
            }
            MessageType::MsgAppend => self.check_entries(message),
            MessageType::MsgSnapshot => Err("snapshots are not taken by message"),
            MessageType::MsgRequestVote
            | MessageType::MsgRequestVoteResponse
            | MessageType::MsgRequestPreVote
            | MessageType::MsgRequestPreVoteResponse
            | MessageType::MsgHeartbeat
            | MessageType::MsgHeartbeatResponse
            | MessageType::MsgAppendResponse
            | MessageType::MsgTimeoutNow => Ok(()),
            _ => Err("its type is none that peers send"),
        }
    }

    /// Entries continue each other, and contradict nothing that is committed.
    fn check_entries(&self, message: &Message) -> Result<(), &'static str> {
        let log = &self.node.raft.raft_log;
        let (mut index, mut term) = (message.index, message.log_term);
        for entry in &message.entries {
            if Some(entry.index) != index.checked_add(1) || entry.term < term {
                return Err("its entries do not continue each other");
            }
            if entry.term > message.term {
                return Err("its entries are newer than itself");
            }
            let committed = entry.index <= log.committed;
            if committed && log.term(entry.index).is_ok_and(|known| known != entry.term) {
                return Err("its entries contradict what is committed");
            }
            (index, term) = (entry.index, entry.term);
        }
        Ok(())
    }
}
