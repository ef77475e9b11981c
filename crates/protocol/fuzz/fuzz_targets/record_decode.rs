//! Feeds bytes to the decoders of the records in Kafka's internal topics. The first byte chooses
//! the topic, and for values the second the type.

#![no_main]

use klamm_protocol::messages::coordinator_record::{
    CoordinatorRecordKey, CoordinatorRecordType, CoordinatorRecordValue,
};
use klamm_protocol::messages::metadata_record::MetadataRecord;
use klamm_protocol::messages::remote_log_record::RemoteLogRecord;
use klamm_protocol::messages::share_record::{ShareRecordType, ShareRecordValue};
use klamm_protocol::messages::transaction_record::{TransactionRecordType, TransactionRecordValue};
use klamm_protocol::wire::DecodeError;
use libfuzzer_sys::fuzz_target;

/// A record read in one version may be written in another, where a tag that was unknown is known:
/// from then on its bytes stay as they are.
fn settles(written: Vec<u8>, again: impl Fn(&[u8]) -> Result<Vec<u8>, DecodeError>) {
    if let Ok(second) = again(&written) {
        assert_eq!(again(&second).as_ref(), Ok(&second));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [topic, number, rest @ ..] = bytes else { return };
    let number = i16::from(*number);
    match topic % 6 {
        0 => {
            if let Ok(key) = CoordinatorRecordKey::decode(rest) {
                assert_eq!(key.to_bytes(), rest);
            }
        }
        1 => {
            let Some(kind) = CoordinatorRecordType::from_i16(number) else { return };
            if let Ok(value) = CoordinatorRecordValue::decode(kind, rest) {
                let version = value.versions().max;
                settles(value.to_bytes(version), |bytes| {
                    CoordinatorRecordValue::decode(kind, bytes).map(|v| v.to_bytes(version))
                });
            }
        }
        2 => {
            if let Some(kind) = TransactionRecordType::from_i16(number) {
                let _ = TransactionRecordValue::decode(kind, rest);
            }
        }
        3 => {
            if let Some(kind) = ShareRecordType::from_i16(number) {
                let _ = ShareRecordValue::decode(kind, rest);
            }
        }
        4 => {
            if let Ok(record) = MetadataRecord::decode(rest) {
                let version = record.versions().max;
                settles(record.to_bytes(version), |bytes| {
                    MetadataRecord::decode(bytes).map(|r| r.to_bytes(version))
                });
            }
        }
        _ => {
            let _ = RemoteLogRecord::decode(rest).map(RemoteLogRecord::into_static);
        }
    }
});
