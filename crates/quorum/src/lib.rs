//! The metadata log: a raft group that writes Kafka's `__cluster_metadata` log and snapshots, and
//! applies them to an [`Image`](klamm_metadata::Image).
//!
//! Start reading at [`Quorum::start`]; `driver` is the loop that owns everything, `store` is what
//! is on disk; `kafka` takes over the log of an Apache Kafka.
//!
//! *Architecture invariant:* the driver decides nothing about metadata. It hands commands to the
//! decisions of `klamm_metadata`, makes their records durable in order, applies them, and answers.
//! One node is a group of one voter: there is no other path.

mod batch;
mod checkpoint;
mod command;
mod config;
mod driver;
mod entropy;
mod error;
mod handle;
pub mod kafka;
mod logger;
mod open;
mod state_file;
mod status;
mod store;
mod transport;
mod updates;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use command::Desk;
pub use config::{Defaults, QuorumConfig};
pub use error::{OpenError, QuorumError};
pub use handle::{Answer, Quorum};
pub use status::{QuorumStatus, ReplicaStatus};
pub use transport::{Message, NoPeers, Transport};
pub use updates::{Update, Updates};
