//! What is found in the directories of an Apache Kafka, as a report.

use std::path::PathBuf;

use serde::Serialize;

/// Everything that was found. The order of all lists is that of their names.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Found {
    /// Id of the cluster.
    pub cluster_id: String,
    /// Node id of the broker.
    pub node_id: Option<i32>,
    /// The metadata log.
    pub metadata: Option<MetadataFound>,
    /// The log directories.
    pub directories: Vec<DirectoryFound>,
    /// Topics, internal ones included.
    pub topics: Vec<TopicFound>,
    /// Users with a SCRAM credential.
    pub scram_users: Vec<String>,
    /// Number of access control entries.
    pub acls: usize,
    /// Number of entities that have client quotas.
    pub quotas: usize,
    /// Number of delegation tokens.
    pub delegation_tokens: usize,
    /// What has a configuration besides topics: brokers, groups, client metrics.
    pub configured: Vec<String>,
    /// Groups.
    pub groups: Vec<GroupFound>,
    /// Number of transactional ids.
    pub transactional_ids: usize,
    /// Transactions that are open, or whose end is decided and not complete.
    pub transactions: Vec<TransactionFound>,
    /// What became of each key of the configuration file.
    pub settings: Vec<SettingFound>,
    /// Why nothing can be taken over as it is. Empty if it can.
    pub refused: Vec<String>,
    /// What the new broker will not have, or not do.
    pub not_carried_over: Vec<String>,
    /// What will happen at the first start.
    pub notes: Vec<String>,
}

/// The metadata log.
#[derive(Debug, Clone, Serialize)]
pub struct MetadataFound {
    /// `metadata.log.dir`.
    pub directory: PathBuf,
    /// Offset after its last record.
    pub end_offset: i64,
    /// Leader epoch of its last batch.
    pub epoch: i32,
    /// The level of `metadata.version`.
    pub version: i16,
    /// The other finalized features with their levels.
    pub features: Vec<(String, i16)>,
}

/// A log directory.
#[derive(Debug, Clone, Serialize)]
pub struct DirectoryFound {
    /// Its path.
    pub path: PathBuf,
    /// Its id (KIP-858), if it has one.
    pub id: String,
    /// Whether Kafka stopped cleanly.
    pub clean: bool,
    /// Number of partitions in it.
    pub partitions: usize,
    /// Size of their segments, bytes.
    pub bytes: u64,
}

/// A topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicFound {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Number of partitions.
    pub partitions: usize,
    /// Sum of the differences between log end and log start, over all partitions.
    pub offsets: i64,
    /// Size of its segments, bytes.
    pub bytes: u64,
    /// Producers that its partitions knew when they last wrote a snapshot.
    pub producers: usize,
    /// What is configured on it.
    pub configs: Vec<(String, String)>,
}

/// A group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupFound {
    /// Its id.
    pub group: String,
    /// Its type, as in ListGroups.
    pub kind: String,
    /// Its state, as in ListGroups.
    pub state: String,
    /// Partitions that it has committed offsets for.
    pub offsets: usize,
    /// Partitions whose committed offset an open transaction may change.
    pub pending_offsets: usize,
}

/// A transaction that has not come to its end.
#[derive(Debug, Clone, Serialize)]
pub struct TransactionFound {
    /// The transactional id.
    pub id: String,
    /// Its state, as in ListTransactions.
    pub state: String,
    /// Producer id.
    pub producer_id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// How long it may take, milliseconds.
    pub timeout_ms: i32,
    /// Partitions that take part.
    pub partitions: usize,
}

/// A key of the configuration file.
#[derive(Debug, Clone, Serialize)]
pub struct SettingFound {
    /// The key.
    pub key: String,
    /// The line it is in, from 1.
    pub line: usize,
    /// Whether it does what its documentation says.
    pub honoured: bool,
    /// Why not.
    pub reason: Option<String>,
}
