//! What the quorum has to be told.

use std::{path::PathBuf, sync::Arc, time::Duration};

use klamm_env::Env;
use klamm_metadata::{ConfigRules, Settings};

/// Settings of a node's part in the quorum. Names are those of Kafka's keys where there is one.
#[derive(Debug, Clone)]
pub struct QuorumConfig {
    /// Clock, disk, randomness.
    pub env: Env,
    /// `metadata.log.dir`: the directory in which `__cluster_metadata-0` is.
    pub dir: PathBuf,
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id.
    pub cluster_id: String,
    /// Node ids of the voters that a new cluster starts with; this node among them.
    pub voters: Vec<i32>,
    /// `metadata.log.segment.bytes`.
    pub segment_bytes: u64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`; none for never.
    pub snapshot_interval: Option<Duration>,
    /// Time between two ticks of raft's clock; a heartbeat every two, an election after ten to
    /// twenty silent ones.
    pub tick: Duration,
    /// Most bytes of records that may wait to be committed; more are refused as busy.
    pub uncommitted_bytes_max: u64,
    /// Most commands that may wait for the controller; more wait in their callers.
    pub commands_max: usize,
    /// Whether an append is synced before it counts as written. Off only where losing the last
    /// changes of the metadata at a power cut is acceptable.
    pub sync: bool,
}

impl QuorumConfig {
    /// A cluster of one node, with Kafka's defaults.
    pub fn single(env: Env, dir: PathBuf, node_id: i32, cluster_id: String) -> Self {
        Self {
            env,
            dir,
            node_id,
            cluster_id,
            voters: vec![node_id],
            segment_bytes: 1 << 30,
            snapshot_bytes: 20 << 20,
            snapshot_interval: Some(Duration::from_secs(3600)),
            tick: Duration::from_millis(100),
            uncommitted_bytes_max: 64 << 20,
            commands_max: 1024,
            sync: true,
        }
    }
}

/// What decisions need to know of the node's configuration.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Values of broker keys that decisions fall back to.
    pub settings: Settings,
    /// Rules of configuration keys.
    pub rules: Arc<dyn ConfigRules>,
}
