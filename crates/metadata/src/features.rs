//! The features whose levels a cluster finalizes (KIP-584), with what this release supports.

/// The level of Kafka's metadata records.
pub const METADATA_VERSION: &str = "metadata.version";
/// Eligible leader replicas (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";
/// Share groups (KIP-932).
pub const SHARE_VERSION: &str = "share.version";
/// How transactions are kept (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// The protocol between voters (KIP-853). Kafka keeps its level in a record of its quorum; here it
/// is a level like others, because the quorum is another.
pub const KRAFT_VERSION: &str = "kraft.version";

/// First `metadata.version` with RegisterBroker records of version 2 (3.4-IV0).
pub const ZK_MIGRATION: i16 = 8;
/// First `metadata.version` with directories in partitions and registrations (3.7-IV2).
pub const DIRECTORY_ASSIGNMENT: i16 = 17;
/// First `metadata.version` with cordoned log directories (4.3-IV0).
pub const CORDONED_DIRECTORIES: i16 = 30;

/// A feature: the range of levels this release supports, and the level that a new cluster gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supported {
    /// Its name.
    pub name: &'static str,
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
    /// The level that formatting a cluster finalizes; 0 is none.
    pub initial: i16,
}

const fn feature(name: &'static str, min: i16, max: i16, initial: i16) -> Supported {
    Supported { name, min, max, initial }
}

/// Every feature, as Apache Kafka 4.3.1 has them.
pub const SUPPORTED: [Supported; 7] = [
    feature(METADATA_VERSION, 7, 30, 30),
    feature(ELR_VERSION, 0, 1, 1),
    feature("group.version", 0, 1, 1),
    feature(SHARE_VERSION, 0, 1, 1),
    feature("streams.version", 0, 1, 1),
    feature(TRANSACTION_VERSION, 0, 2, 2),
    feature(KRAFT_VERSION, 0, 1, 0),
];

/// What this release supports of the feature `name`.
pub fn supported(name: &str) -> Option<&'static Supported> {
    SUPPORTED.iter().find(|feature| feature.name == name)
}

/// Every feature with the lowest and highest level that this release supports.
pub fn supported_features() -> impl Iterator<Item = (&'static str, i16, i16)> {
    SUPPORTED.iter().map(|feature| (feature.name, feature.min, feature.max))
}
