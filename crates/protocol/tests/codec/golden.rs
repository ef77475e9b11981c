//! The bytes that Kafka's own classes write are read, and written the same.

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use klamm_protocol::messages::coordinator_record::{
    CoordinatorRecordKey, CoordinatorRecordType, CoordinatorRecordValue,
};
use klamm_protocol::messages::metadata_record::MetadataRecord;
use klamm_protocol::messages::remote_log_record::RemoteLogRecord;
use klamm_protocol::messages::share_record::{ShareRecordKey, ShareRecordType, ShareRecordValue};
use klamm_protocol::messages::transaction_record::{
    TransactionRecordKey, TransactionRecordType, TransactionRecordValue,
};

use super::codecs::{CODECS, codec};

/// One line of the golden file.
struct Line {
    name: String,
    version: i16,
    fill: String,
    bytes: Vec<u8>,
}

fn lines() -> Vec<Line> {
    let packed: &[u8] = include_bytes!("golden/messages.txt.gz");
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text.lines().map(parse).collect()
}

fn parse(line: &str) -> Line {
    let words: Vec<&str> = line.split(' ').collect();
    let [name, version, fill, hex] = words[..] else { panic!("line {line:?}") };
    let digits = hex.strip_prefix('-').unwrap_or(hex).as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    Line {
        name: name.to_owned(),
        version: version.parse().unwrap(),
        fill: fill.to_owned(),
        bytes: digits.chunks(2).map(byte).collect(),
    }
}

#[test]
fn kafkas_bytes_are_read_and_written_the_same() {
    let mut seen = BTreeSet::new();
    for line in lines().iter().filter(|line| !line.name.starts_with("frame:")) {
        let Line { name, version, fill, bytes } = line;
        let codec = codec(name).unwrap_or_else(|| panic!("no message {name}"));
        let again = codec.recode(bytes, *version);
        assert_eq!(again.as_ref(), Ok(bytes), "{name} {version} {fill}");
        if fill == "DEFAULT" {
            assert_eq!(&(codec.default)(*version), bytes, "{name} {version} default");
        }
        seen.insert((name.clone(), *version));
    }
    let ours = CODECS.iter().flat_map(|c| c.versions.iter().map(|v| (c.name.to_owned(), v)));
    assert_eq!(seen, ours.collect(), "messages and versions");
}

/// Reads a framed record and writes it again.
fn reframe(line: &Line) -> Vec<u8> {
    let name = line.name.trim_start_matches("frame:");
    let (bytes, version) = (&line.bytes, line.version);
    if let Some(base) = name.strip_suffix("Key") {
        return match base {
            "TransactionLog" => TransactionRecordKey::decode(bytes).unwrap().to_bytes(),
            "ShareSnapshot" | "ShareUpdate" => ShareRecordKey::decode(bytes).unwrap().to_bytes(),
            _ => CoordinatorRecordKey::decode(bytes).unwrap().to_bytes(),
        };
    }
    if let Some(base) = name.strip_suffix("Value") {
        return reframe_value(base, bytes, version);
    }
    if name.starts_with("Remote") && name.contains("Metadata") {
        return RemoteLogRecord::decode(bytes).unwrap().into_static().to_bytes(version);
    }
    MetadataRecord::decode(bytes).unwrap().into_static().to_bytes(version)
}

fn reframe_value(base: &str, bytes: &[u8], version: i16) -> Vec<u8> {
    let named = |names: Vec<String>| names.iter().position(|n| n == base);
    match base {
        "TransactionLog" => {
            let value =
                TransactionRecordValue::decode(TransactionRecordType::TransactionLog, bytes);
            value.unwrap().into_static().to_bytes(version)
        }
        "ShareSnapshot" | "ShareUpdate" => {
            let types: Vec<_> = (0..2).filter_map(ShareRecordType::from_i16).collect();
            let at = named(types.iter().map(|t| format!("{t:?}")).collect()).unwrap();
            let value = ShareRecordValue::decode(types[at], bytes);
            value.unwrap().into_static().to_bytes(version)
        }
        _ => {
            let types: Vec<_> = (0..64).filter_map(CoordinatorRecordType::from_i16).collect();
            let at = named(types.iter().map(|t| format!("{t:?}")).collect()).unwrap();
            let value = CoordinatorRecordValue::decode(types[at], bytes);
            value.unwrap().into_static().to_bytes(version)
        }
    }
}

#[test]
fn records_are_framed_as_kafka_frames_them() {
    let lines = lines();
    let framed: Vec<_> = lines.iter().filter(|line| line.name.starts_with("frame:")).collect();
    assert!(framed.len() > 250, "{} framed records", framed.len());
    for line in framed {
        assert_eq!(reframe(line), line.bytes, "{} {} {}", line.name, line.version, line.fill);
    }
}
