//! The crate `kafka-protocol`, an independent implementation, reads what we write and writes what
//! we read.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};

use super::codecs::codec;
use super::schema::{Kind, MessageSpec};
use super::wire_gen::{WireGen, families};

/// How many random messages of each version are tried.
const ROUNDS: u64 = 16;

/// Their bytes for our bytes, if they know API and version.
fn theirs(message: &MessageSpec, version: i16, bytes: &[u8]) -> Option<Vec<u8>> {
    let key = ApiKey::try_from(message.key?).ok()?;
    let range = key.valid_versions();
    if version < range.min || version > range.max {
        return None;
    }
    let mut input = Bytes::copy_from_slice(bytes);
    let mut output = BytesMut::new();
    let what = format!("{} {version}", message.name);
    let done = match message.kind {
        Kind::Request => RequestKind::decode(key, &mut input, version)
            .and_then(|request| request.encode(&mut output, version)),
        _ => ResponseKind::decode(key, &mut input, version)
            .and_then(|response| response.encode(&mut output, version)),
    };
    if let Err(e) = done {
        // Their list of ranges promises a few versions that their messages lack.
        let missing = format!("{e:?}").contains("specified version not supported");
        assert!(missing, "{what}: {e:?}");
        return None;
    }
    assert!(input.is_empty(), "{what}: they left {} bytes", input.len());
    Some(output.to_vec())
}

#[test]
fn they_read_what_we_write_and_write_what_we_read() {
    let mut versions = 0;
    for message in families().iter().flat_map(|f| &f.messages) {
        if !matches!(message.kind, Kind::Request | Kind::Response) {
            continue;
        }
        let codec = codec(&message.name).unwrap();
        for version in message.versions.iter() {
            let mut known = false;
            for seed in 0..ROUNDS {
                let bytes = WireGen::new(message, version, 1000 + seed).message();
                let ours = codec.recode(&bytes, version).unwrap();
                let Some(theirs) = theirs(message, version, &ours) else { break };
                let what = format!("{} {version} seed {seed}", message.name);
                assert_eq!(codec.recode(&theirs, version).as_ref(), Ok(&bytes), "{what}");
                assert_eq!(theirs, bytes, "{what}");
                known = true;
            }
            versions += usize::from(known);
        }
    }
    assert!(versions >= 577, "{versions} versions of requests and responses compared");
}
