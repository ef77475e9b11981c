//! No bytes make the codec panic, and no small frame makes it allocate much.

use klamm_protocol::wire::{DecodeError, Message, Reader};

use super::codecs::{CODECS, codec};
use super::wire_gen::{Rng, WireGen, families};

#[test]
fn random_bytes_are_refused_or_read() {
    for (i, codec) in CODECS.iter().enumerate() {
        for version in codec.versions.iter() {
            let mut rng = Rng(i as u64 * 1000 + version as u64);
            for _ in 0..40 {
                let small = rng.below(2) == 0;
                let byte = |rng: &mut Rng| if small { rng.below(4) } else { rng.next() } as u8;
                let bytes: Vec<u8> = (0..rng.below(200)).map(|_| byte(&mut rng)).collect();
                codec.try_any(&bytes, version);
            }
        }
    }
}

#[test]
fn damaged_messages_are_refused_or_read() {
    for message in families().iter().flat_map(|f| &f.messages) {
        let codec = codec(&message.name).unwrap();
        for version in message.versions.iter() {
            let whole = WireGen::new(message, version, 7).message();
            let mut rng = Rng(u64::from(version.unsigned_abs()));
            for _ in 0..30 {
                let mut bytes = whole.clone();
                for _ in 0..=rng.below(3) {
                    let at = rng.below(bytes.len().max(1) as u64) as usize;
                    bytes.get_mut(at).map(|b| *b = rng.next() as u8).unwrap_or_default();
                }
                bytes.truncate(rng.below(bytes.len() as u64 * 2 + 1) as usize);
                codec.try_any(&bytes, version);
            }
        }
    }
}

/// Every proper beginning of a message that has no optional end is an error.
#[test]
fn cut_messages_are_refused() {
    for message in families().iter().flat_map(|f| &f.messages) {
        let codec = codec(&message.name).unwrap();
        for version in message.versions.iter() {
            let whole = WireGen::new(message, version, 3).message();
            for len in (0..whole.len()).rev().take(64) {
                let cut = codec.recode(&whole[..len], version);
                assert!(cut.is_err(), "{} {version} cut to {len}", message.name);
            }
            let longer = [whole.as_slice(), &[0]].concat();
            let refused = codec.recode(&longer, version);
            assert!(matches!(refused, Err(DecodeError::TrailingBytes { count: 1, .. })));
        }
    }
}

#[test]
fn versions_outside_the_range_are_refused() {
    for codec in CODECS {
        for version in [codec.versions.min - 1, codec.versions.max + 1, i16::MIN, i16::MAX] {
            let refused = codec.recode(&[0; 64], version);
            assert!(matches!(refused, Err(DecodeError::UnsupportedVersion { .. })));
        }
    }
}

#[test]
fn arrays_are_charged_to_the_heap_budget() {
    use klamm_protocol::messages::MetadataResponse;
    // A million brokers that take ten bytes each on the wire and a hundred in memory.
    let count: i32 = 1_000_000;
    let broker = [0, 0, 0, 1, 0, 0, 0, 0, 0, 9];
    let mut bytes = count.to_be_bytes().to_vec();
    (0..count).for_each(|_| bytes.extend(broker));
    bytes.extend([0; 4]);
    assert!(MetadataResponse::decode_exact(&bytes, 0).is_ok());
    let mut reader = Reader::new(&bytes).with_heap_budget(1 << 20);
    let refused = MetadataResponse::decode(&mut reader, 0);
    assert!(matches!(refused, Err(DecodeError::HeapBudget { at: 4, .. })));
}
