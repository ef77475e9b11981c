//! Enums over the record types of Kafka's internal topics, with the framing of each.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::context::Context;
use crate::schema::{Family, Kind, MessageSpec};

/// The generated modules that are not a message.
pub(crate) const MODULES: [&str; 5] = [
    "coordinator_record",
    "metadata_record",
    "remote_log_record",
    "share_record",
    "transaction_record",
];

/// The enums' files by module.
pub(crate) fn render(families: &[Family]) -> Result<Vec<(&'static str, String)>> {
    let family = |name: &str| {
        let found = families.iter().find(|f| f.name == name);
        found.with_context(|| format!("schema file {name}.ksl is missing"))
    };
    Ok(vec![
        (
            "coordinator_record",
            keyed("Coordinator", "__consumer_offsets", family("records/consumer_offsets")?)?,
        ),
        (
            "transaction_record",
            keyed("Transaction", "__transaction_state", family("records/transaction_state")?)?,
        ),
        (
            "share_record",
            keyed("Share", "__share_group_state", family("records/share_group_state")?)?,
        ),
        (
            "metadata_record",
            framed("Metadata", "__cluster_metadata", family("records/metadata_log")?)?,
        ),
        (
            "remote_log_record",
            framed("RemoteLog", "__remote_log_metadata", family("records/remote_log")?)?,
        ),
    ])
}

/// One variant: its name, its struct with lifetime, the struct's bare name, its number.
struct Variant {
    name: String,
    ty: String,
    bare: String,
    number: i16,
}

fn variants(family: &Family, kind: Kind, suffix: &str) -> Result<Vec<Variant>> {
    let of_kind = family.messages.iter().filter(|m| m.kind == kind);
    of_kind.map(|m| variant(m, suffix)).collect()
}

fn variant(message: &MessageSpec, suffix: &str) -> Result<Variant> {
    let context = Context::new(message)?;
    let bare = message.name.clone();
    Ok(Variant {
        name: bare.strip_suffix(suffix).unwrap_or(&bare).to_owned(),
        ty: format!("{bare}{}", context.lifetime(&context.structs[0])),
        bare,
        number: message.key.with_context(|| format!("{} has no key", message.name))?,
    })
}

/// `$each` for every variant, as lines.
fn lines(variants: &[Variant], each: impl Fn(&Variant) -> String) -> String {
    variants.iter().fold(String::new(), |mut out, v| {
        let _ = writeln!(out, "{}", each(v));
        out
    })
}

fn uses(variants: &[Variant]) -> String {
    let names: Vec<&str> = variants.iter().map(|v| v.bare.as_str()).collect();
    format!("use super::{{{}}};\n", names.join(", "))
}

/// Records whose key and value are messages of their own.
fn keyed(prefix: &str, topic: &str, family: &Family) -> Result<String> {
    let keys = variants(family, Kind::RecordKey, "Key")?;
    let values = variants(family, Kind::RecordValue, "Value")?;
    Ok(KEYED
        .replace("KEY_USES\n", &uses(&keys))
        .replace("VALUE_USES\n", &uses(&values))
        .replace("KINDS\n", &lines(&keys, |v| {
            format!("    /// `{}`.\n    {} = {},", v.bare, v.name, v.number)
        }))
        .replace("KIND_OF\n", &lines(&keys, |v| {
            format!("            {} => Some(Self::{}),", v.number, v.name)
        }))
        .replace("KEYS\n", &lines(&keys, variant_line))
        .replace("VALUES\n", &lines(&values, variant_line))
        .replace("KEY_KIND\n", &lines(&keys, |v| {
            format!("            Self::{0}(_) => {prefix}RecordType::{0},", v.name)
        }))
        .replace("VALUE_KIND\n", &lines(&values, |v| {
            format!("            Self::{}(_) => {prefix}RecordType::{},", v.name, v.name)
        }))
        .replace("KEY_DECODE\n", &lines(&keys, |v| {
            format!("            {prefix}RecordType::{0} => Self::{0}({1}::decode(&mut r, 0)?),", v.name, v.bare)
        }))
        .replace("VALUE_DECODE\n", &lines(&values, |v| {
            format!("            {prefix}RecordType::{0} => Self::{0}({1}::decode(&mut r, version)?),", v.name, v.bare)
        }))
        .replace("KEY_ENCODE\n", &lines(&keys, |v| {
            format!("            Self::{}(key) => key.encode(&mut w, 0),", v.name)
        }))
        .replace("VALUE_ENCODE\n", &lines(&values, |v| {
            format!("            Self::{}(value) => value.encode(&mut w, version),", v.name)
        }))
        .replace("VALUE_VERSIONS\n", &lines(&values, |v| {
            format!("            Self::{}(_) => {}::VERSIONS,", v.name, v.bare)
        }))
        .replace("KEY_OWN\n", &lines(&keys, own_line).replace("Self::", &format!("{prefix}RecordKey::")))
        .replace("VALUE_OWN\n", &lines(&values, own_line).replace("Self::", &format!("{prefix}RecordValue::")))
        .replace("TOPIC", topic)
        .replace("PREFIX", prefix))
}

fn variant_line(v: &Variant) -> String {
    format!("    /// `{}`.\n    {}({}),", v.bare, v.name, v.ty)
}

fn own_line(v: &Variant) -> String {
    let own = if v.ty == v.bare { "" } else { ".into_static()" };
    format!("            Self::{0}(v) => Self::{0}(v{own}),", v.name)
}

/// Records that are one message each, with numbers before it.
fn framed(prefix: &str, topic: &str, family: &Family) -> Result<String> {
    let records = variants(family, Kind::Metadata, "Record")?;
    Ok(FRAMED
        .replace("USES\n", &uses(&records))
        .replace("VARIANTS\n", &lines(&records, variant_line))
        .replace(
            "NUMBERS\n",
            &lines(&records, |v| format!("            Self::{}(_) => {},", v.name, v.number)),
        )
        .replace(
            "VERSIONS\n",
            &lines(&records, |v| {
                format!("            Self::{}(_) => {}::VERSIONS,", v.name, v.bare)
            }),
        )
        .replace(
            "DECODE\n",
            &lines(&records, |v| {
                format!(
                    "            {} => Self::{}({}::decode(&mut r, version)?),",
                    v.number, v.name, v.bare
                )
            }),
        )
        .replace(
            "ENCODE\n",
            &lines(&records, |v| {
                format!("            Self::{}(record) => record.encode(w, version),", v.name)
            }),
        )
        .replace(
            "OWN\n",
            &lines(&records, own_line).replace("Self::", &format!("{prefix}Record::")),
        )
        .replace("TOPIC", topic)
        .replace("PREFIX", prefix))
}

const KEYED: &str = r#"//! Records of `TOPIC`: a key is the record's type (16 bits) and the key's fields, a
//! value its version (16 bits) and its fields.

KEY_USES
VALUE_USES
use crate::wire::{DecodeError, Message, Reader, VersionRange, Writer};

/// The types of records in `TOPIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i16)]
pub enum PREFIXRecordType {
KINDS
}

impl PREFIXRecordType {
    /// The type of this number.
    pub fn from_i16(number: i16) -> Option<Self> {
        match number {
KIND_OF
            _ => None,
        }
    }

    /// Reads the type at the start of a record's key.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`], or an end of the key.
    pub fn of_key(key: &[u8]) -> Result<Self, DecodeError> {
        let number = Reader::new(key).i16()?;
        let unknown = DecodeError::UnknownType { what: "type of record", number: number.into() };
        Self::from_i16(number).ok_or(unknown)
    }
}

/// The key of a record in `TOPIC`.
#[derive(Debug, Clone, PartialEq)]
pub enum PREFIXRecordKey<'a> {
KEYS
}

impl<'a> PREFIXRecordKey<'a> {
    /// The record's type.
    pub fn record_type(&self) -> PREFIXRecordType {
        match self {
KEY_KIND
        }
    }

    /// Reads a record's key.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`] for a type that is not known, and those of the fields.
    pub fn decode(key: &'a [u8]) -> Result<Self, DecodeError> {
        let record_type = PREFIXRecordType::of_key(key)?;
        let mut r = Reader::new(key);
        r.i16()?;
        let key = match record_type {
KEY_DECODE
        };
        r.finish()?;
        Ok(key)
    }

    /// The bytes of the record's key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.i16(self.record_type() as i16);
        match self {
KEY_ENCODE
        }
        w.into_parts().0
    }

    /// The same key, independent of the record.
    pub fn into_static(self) -> PREFIXRecordKey<'static> {
        match self {
KEY_OWN
        }
    }
}

/// The value of a record in `TOPIC`.
#[derive(Debug, Clone, PartialEq)]
pub enum PREFIXRecordValue<'a> {
VALUES
}

impl<'a> PREFIXRecordValue<'a> {
    /// The record's type.
    pub fn record_type(&self) -> PREFIXRecordType {
        match self {
VALUE_KIND
        }
    }

    /// The versions that the value can be written in.
    pub fn versions(&self) -> VersionRange {
        match self {
VALUE_VERSIONS
        }
    }

    /// Reads a record's value; the type comes from its key.
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedVersion`] for a version that is not known, and those of the
    /// fields.
    pub fn decode(record_type: PREFIXRecordType, value: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(value);
        let version = r.i16()?;
        let value = match record_type {
VALUE_DECODE
        };
        r.finish()?;
        Ok(value)
    }

    /// The bytes of the record's value in `version`, one of [`versions`](Self::versions).
    pub fn to_bytes(&self, version: i16) -> Vec<u8> {
        let mut w = Writer::new();
        w.i16(version);
        match self {
VALUE_ENCODE
        }
        w.into_parts().0
    }

    /// The same value, independent of the record.
    pub fn into_static(self) -> PREFIXRecordValue<'static> {
        match self {
VALUE_OWN
        }
    }
}
"#;

const FRAMED: &str = r#"//! Records of `TOPIC`: before the fields stand, as variable-length integers,
//! the version of this framing (1), the record's type and the record's version.

USES
use crate::wire::{DecodeError, Message, Reader, VersionRange, Writer};

/// The only version of the framing there is.
const FRAME_VERSION: u32 = 1;

/// A record of `TOPIC`.
#[derive(Debug, Clone, PartialEq)]
pub enum PREFIXRecord<'a> {
VARIANTS
}

impl<'a> PREFIXRecord<'a> {
    /// The number of the record's type.
    pub fn api_key(&self) -> i16 {
        match self {
NUMBERS
        }
    }

    /// The versions that the record can be written in.
    pub fn versions(&self) -> VersionRange {
        match self {
VERSIONS
        }
    }

    /// Reads a record that fills `buf`.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`] for a frame version or record type that is not known,
    /// [`DecodeError::UnsupportedVersion`], and those of the fields.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(buf);
        let frame = r.uvarint()?;
        if frame != FRAME_VERSION {
            return Err(DecodeError::UnknownType { what: "frame version", number: frame.into() });
        }
        let number = i64::from(r.uvarint()?);
        // A version beyond 16 bits is none of ours.
        let version = i16::try_from(r.uvarint()?).unwrap_or(i16::MAX);
        let record = match number {
DECODE
            _ => return Err(DecodeError::UnknownType { what: "type of record", number }),
        };
        r.finish()?;
        Ok(record)
    }

    /// Writes the record in `version`, one of [`versions`](Self::versions).
    pub fn encode(&self, w: &mut Writer, version: i16) {
        w.uvarint(FRAME_VERSION);
        w.uvarint(u32::from(self.api_key().cast_unsigned()));
        w.uvarint(u32::from(version.cast_unsigned()));
        match self {
ENCODE
        }
    }

    /// The record's bytes in `version`.
    pub fn to_bytes(&self, version: i16) -> Vec<u8> {
        let mut w = Writer::new();
        self.encode(&mut w, version);
        w.into_parts().0
    }

    /// The same record, independent of the log.
    pub fn into_static(self) -> PREFIXRecord<'static> {
        match self {
OWN
        }
    }
}
"#;
