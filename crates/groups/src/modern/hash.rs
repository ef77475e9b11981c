//! The fingerprint of the topics that a group subscribes to, as Kafka 4.1 and later keep it in
//! the group's record: if it changes, the group is due for a new assignment.
//!
//! Kafka hashes with XXH3 a stream of little-endian numbers and UTF-16 texts, each text followed
//! by its length. The same topics must give the same number there, or a group that moves between
//! the two would rebalance for nothing.

use std::collections::BTreeSet;

use klamm_metadata::{Image, Topic};
use twox_hash::XxHash3_64;

use super::topics::racks;
use crate::name::Name;

/// The version of the layout below.
const LAYOUT: u8 = 0;

/// The fingerprint of those topics that exist; 0 if none does.
pub(crate) fn of_topics(image: &Image, names: &BTreeSet<Name>) -> i64 {
    let mut bytes = Vec::new();
    for topic in names.iter().filter_map(|name| image.topic(name)) {
        bytes.extend(of_topic(image, topic).to_le_bytes());
    }
    if bytes.is_empty() { 0 } else { hash(&bytes) }
}

fn of_topic(image: &Image, topic: &Topic) -> i64 {
    let mut bytes = vec![LAYOUT];
    let (most, least) = topic.id.as_bytes().split_at(8);
    bytes.extend(most.iter().rev());
    bytes.extend(least.iter().rev());
    put_text(&mut bytes, &topic.name);
    put_number(&mut bytes, topic.partition_count());
    for (index, partition) in topic.partitions() {
        bytes.extend(index.to_le_bytes());
        for rack in racks(image, &partition.replicas) {
            put_number(&mut bytes, rack.encode_utf16().count());
            put_text(&mut bytes, &rack);
        }
    }
    hash(&bytes)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let before = bytes.len();
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    put_number(bytes, (bytes.len() - before) / 2);
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn hash(bytes: &[u8]) -> i64 {
    XxHash3_64::oneshot(bytes).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_hash_as_in_kafka() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "foo");
        assert_eq!(hash(&bytes), 7_324_479_985_248_136_222);
        assert_eq!(hash(&5i64.to_le_bytes()), -8_213_464_378_072_455_284);
        let mut bytes = vec![LAYOUT];
        bytes.extend(0x0102_0304_0506_0708_i64.to_le_bytes());
        bytes.extend(0x1112_1314_1516_1718_i64.to_le_bytes());
        put_text(&mut bytes, "foo");
        put_number(&mut bytes, 2);
        put_number(&mut bytes, 0);
        put_number(&mut bytes, 2);
        put_text(&mut bytes, "r1");
        put_number(&mut bytes, 1);
        assert_eq!(hash(&bytes), 9_170_251_074_921_019_829);
    }
}
