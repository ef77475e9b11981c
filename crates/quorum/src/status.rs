//! What DescribeQuorum tells.

/// The state of the group as this node sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuorumStatus {
    /// Node id of the leader, if it is known.
    pub leader: Option<i32>,
    /// The leader's epoch: raft's term.
    pub leader_epoch: i32,
    /// Offset after the last committed record.
    pub high_watermark: i64,
    /// Voters by node id.
    pub voters: Vec<ReplicaStatus>,
    /// Other replicas by node id.
    pub observers: Vec<ReplicaStatus>,
}

/// A replica of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Node id.
    pub id: i32,
    /// Offset after its last record; -1 if it is not known.
    pub log_end_offset: i64,
    /// When it was last heard, milliseconds since the epoch; -1 if it is not known.
    pub last_fetch_ms: i64,
    /// When it last had all there was, milliseconds since the epoch; -1 if it is not known.
    pub last_caught_up_ms: i64,
}
