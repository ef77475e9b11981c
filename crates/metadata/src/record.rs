//! Records as bytes: which version each is written in, and which unknown ones may be passed over.

use klamm_protocol::{messages::metadata_record::MetadataRecord, wire::DecodeError};

use crate::{Features, features};

/// Record types from here on are Klamm's own. A release that does not know one passes it over.
const OWN_TYPES_FROM: i64 = 16_384;

/// Reads a record.
///
/// None is a record of our own that a later release wrote. An unknown type of Kafka's is an error:
/// without it the image would be wrong.
///
/// # Errors
/// As [`MetadataRecord::decode`].
pub fn decode(bytes: &[u8]) -> Result<Option<MetadataRecord<'_>>, DecodeError> {
    match MetadataRecord::decode(bytes) {
        Ok(record) => Ok(Some(record)),
        Err(DecodeError::UnknownType { number, .. }) if number >= OWN_TYPES_FROM => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a record in the version that the finalized features ask for.
pub fn encode(record: &MetadataRecord<'_>, features: &Features) -> Vec<u8> {
    record.to_bytes(version(record, features))
}

/// Kafka's choice: the newest version that the cluster's `metadata.version` allows, or the lowest
/// that says it all where versions only add optional fields.
fn version(record: &MetadataRecord<'_>, levels: &Features) -> i16 {
    let metadata = levels.metadata_version();
    match record {
        MetadataRecord::RegisterBroker(_) => match metadata {
            features::CORDONED_DIRECTORIES.. => 4,
            features::DIRECTORY_ASSIGNMENT.. => 3,
            features::ZK_MIGRATION.. => 2,
            _ => 1,
        },
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => match metadata {
            _ if levels.eligible_leader_replicas() => 2,
            features::DIRECTORY_ASSIGNMENT.. => 1,
            _ => 0,
        },
        MetadataRecord::BrokerRegistrationChange(change) => {
            if change.cordoned_log_dirs.is_some() {
                3
            } else if !change.log_dirs.is_empty() {
                2
            } else {
                i16::from(change.in_controlled_shutdown != 0)
            }
        }
        record => record.versions().max,
    }
}
