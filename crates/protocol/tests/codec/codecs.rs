//! Every message by its name, for tests that go through all of them.

use klamm_protocol::messages::{self};
use klamm_protocol::wire::{DecodeError, Message, VersionRange};

/// Decodes in the first version and encodes in the second.
type Recode = fn(&[u8], i16, i16) -> Result<Vec<u8>, DecodeError>;

/// What tests do with a message without knowing its type.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    pub(crate) versions: VersionRange,
    recode: Recode,
    /// The default value's bytes.
    pub(crate) default: fn(i16) -> Vec<u8>,
}

impl Codec {
    /// As [`recode`](Self::recode) of bytes that may be anything; tells them if it panics.
    pub(crate) fn try_any(&self, bytes: &[u8], version: i16) {
        let _told = OnPanic { name: self.name, version, bytes };
        // Reading them must end, well or badly; what was read can be written.
        let _ = self.recode(bytes, version);
    }

    pub(crate) fn recode(&self, bytes: &[u8], version: i16) -> Result<Vec<u8>, DecodeError> {
        (self.recode)(bytes, version, version)
    }

    /// Decodes in version `from` and encodes in version `to`.
    pub(crate) fn convert(&self, bytes: &[u8], from: i16, to: i16) -> Result<Vec<u8>, DecodeError> {
        (self.recode)(bytes, from, to)
    }
}

/// Tells what was read when a test panicked.
struct OnPanic<'a> {
    name: &'static str,
    version: i16,
    bytes: &'a [u8],
}

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("reading {} {} from {:?}", self.name, self.version, self.bytes);
        }
    }
}

fn recode<'a, M: Message<'a> + Clone + PartialEq + std::fmt::Debug>(
    bytes: &'a [u8],
    from: i16,
    to: i16,
) -> Result<Vec<u8>, DecodeError> {
    Ok(M::decode_exact(bytes, from)?.to_bytes(to))
}

macro_rules! table {
    ($($name:ident)*) => {
        /// All messages, by name.
        pub(crate) static CODECS: &[Codec] = &[$(Codec {
            name: stringify!($name),
            versions: messages::$name::VERSIONS,
            recode: |bytes, from, to| recode::<messages::$name>(bytes, from, to),
            default: |version| messages::$name::default().to_bytes(version),
        },)*];
    };
}

klamm_protocol::for_each_message!(table);

/// The codec of this name.
pub(crate) fn codec(name: &str) -> Option<&'static Codec> {
    CODECS.binary_search_by_key(&name, |codec| codec.name).ok().map(|at| &CODECS[at])
}

#[test]
fn every_message_is_found() {
    for one in CODECS {
        assert_eq!(codec(one.name).map(|c| c.name), Some(one.name));
    }
}
