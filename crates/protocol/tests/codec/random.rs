//! Random messages of every version survive reading and writing, also into other versions.

use super::codecs::codec;
use super::wire_gen::{WireGen, families};

/// How many random messages of each version are tried.
const ROUNDS: u64 = 24;

#[test]
fn random_messages_are_read_and_written_the_same() {
    for message in families().iter().flat_map(|f| &f.messages) {
        let codec = codec(&message.name).unwrap();
        for version in message.versions.iter() {
            for seed in 0..ROUNDS {
                let bytes = WireGen::new(message, version, seed).message();
                let again = codec.recode(&bytes, version);
                assert_eq!(again.as_ref(), Ok(&bytes), "{} {version} seed {seed}", message.name);
            }
        }
    }
}

/// Encoding never fails: what a version cannot carry is left out, and what comes out is a valid
/// message of that version.
#[test]
fn messages_of_one_version_can_be_written_in_any_other() {
    for message in families().iter().flat_map(|f| &f.messages) {
        let codec = codec(&message.name).unwrap();
        let pairs =
            message.versions.iter().flat_map(|a| message.versions.iter().map(move |b| (a, b)));
        for (from, to) in pairs {
            for seed in 0..4 {
                let bytes = WireGen::new(message, from, seed).message();
                let other = codec.convert(&bytes, from, to).unwrap();
                let again = codec.recode(&other, to);
                let what = format!("{} {from} to {to} seed {seed}", message.name);
                assert_eq!(again.as_ref(), Ok(&other), "{what}");
            }
        }
    }
}
