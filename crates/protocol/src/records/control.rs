//! Control records: the markers that end a transaction, and those of a Raft log. No application
//! sees them.

use super::RecordRef;
use super::builder::{BatchBuilder, BatchOptions, BuildError, NewRecord};

/// What a control record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The transaction is aborted.
    Abort,
    /// The transaction is committed.
    Commit,
    /// A Raft leader was elected.
    LeaderChange,
    /// First record of a snapshot.
    SnapshotHeader,
    /// Last record of a snapshot.
    SnapshotFooter,
    /// The version of the Raft protocol (KIP-853).
    KraftVersion,
    /// The voters of the quorum (KIP-853).
    KraftVoters,
    /// A type of a later release, to be passed over.
    Unknown(i16),
}

impl ControlType {
    /// The number in the key.
    #[must_use]
    pub fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KraftVersion => 5,
            Self::KraftVoters => 6,
            Self::Unknown(id) => id,
        }
    }

    /// The type of a number.
    #[must_use]
    pub fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KraftVersion,
            6 => Self::KraftVoters,
            id => Self::Unknown(id),
        }
    }

    /// Reads a control record's key. Later versions of it are read as the one we know.
    ///
    /// # Errors
    /// [`ControlError`] where it is too short, missing, or of a negative version.
    pub fn parse(key: Option<&[u8]>) -> Result<Self, ControlError> {
        let key = key.unwrap_or_default();
        let short = ControlError::TooShort { size: key.len(), needed: 4 };
        let (version, rest) = version_of(key).ok_or(short)?;
        let id = rest.first_chunk().map(|id| i16::from_be_bytes(*id)).ok_or(short)?;
        if version < 0 { Err(ControlError::Version { version }) } else { Ok(Self::from_id(id)) }
    }

    /// The key of a control record of this type.
    #[must_use]
    pub fn key(self) -> [u8; 4] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }
}

/// Why a control record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The key or the value is cut.
    #[error("{size} bytes of a control record's {needed}")]
    TooShort {
        /// Bytes that are there.
        size: usize,
        /// Bytes that it takes.
        needed: usize,
    },
    /// The version is negative.
    #[error("a control record of version {version}")]
    Version {
        /// The version.
        version: i16,
    },
    /// The record is none that ends a transaction.
    #[error("a control record of type {} ends no transaction", found.id())]
    NotAMarker {
        /// Its type.
        found: ControlType,
    },
}

/// A marker that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Committed, or else aborted.
    pub committed: bool,
    /// Epoch of the transaction coordinator that wrote it.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads the marker in a record of a control batch.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn parse(record: &RecordRef<'_>) -> Result<Self, ControlError> {
        let found = ControlType::parse(record.key)?;
        let committed = match found {
            ControlType::Commit => true,
            ControlType::Abort => false,
            _ => return Err(ControlError::NotAMarker { found }),
        };
        let value = record.value.unwrap_or_default();
        let short = ControlError::TooShort { size: value.len(), needed: 6 };
        let (version, rest) = version_of(value).ok_or(short)?;
        let epoch = rest.first_chunk().map(|epoch| i32::from_be_bytes(*epoch)).ok_or(short)?;
        if version < 0 {
            return Err(ControlError::Version { version });
        }
        Ok(Self { committed, coordinator_epoch: epoch })
    }

    /// The type in the marker's key.
    #[must_use]
    pub fn control_type(self) -> ControlType {
        if self.committed { ControlType::Commit } else { ControlType::Abort }
    }

    fn value(self) -> [u8; 6] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }
}

/// Where and when a control batch is written, and in whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlBatch {
    /// The batch's only offset.
    pub base_offset: i64,
    /// Epoch of the partition's leader.
    pub partition_leader_epoch: i32,
    /// Milliseconds.
    pub timestamp: i64,
}

impl ControlBatch {
    /// The batch that ends the transaction of a producer.
    ///
    /// # Errors
    /// [`BuildError`] where the producer's id or epoch is negative.
    pub fn end_transaction(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        marker: EndTransactionMarker,
    ) -> Result<Vec<u8>, BuildError> {
        let options =
            BatchOptions { producer_id, producer_epoch, is_transactional: true, ..self.options() };
        self.build(options, &marker.control_type().key(), &marker.value())
    }

    /// A batch of the Raft log, of the bytes of a message such as `LeaderChangeMessage`.
    ///
    /// # Errors
    /// [`BuildError`] where the value is too large.
    pub fn raft(&self, control_type: ControlType, value: &[u8]) -> Result<Vec<u8>, BuildError> {
        self.build(self.options(), &control_type.key(), value)
    }

    fn options(&self) -> BatchOptions {
        BatchOptions {
            base_offset: self.base_offset,
            partition_leader_epoch: self.partition_leader_epoch,
            is_control: true,
            ..BatchOptions::default()
        }
    }

    fn build(
        &self,
        options: BatchOptions,
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>, BuildError> {
        let mut builder = BatchBuilder::new(options);
        let timestamp = self.timestamp;
        builder.append(&NewRecord {
            timestamp,
            key: Some(key),
            value: Some(value),
            headers: &[],
        })?;
        builder.build()
    }
}

fn version_of(bytes: &[u8]) -> Option<(i16, &[u8])> {
    let (version, rest) = bytes.split_first_chunk()?;
    Some((i16::from_be_bytes(*version), rest))
}
