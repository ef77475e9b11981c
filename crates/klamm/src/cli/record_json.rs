//! Records as JSON, one object per line: what `klamm consume -o json` prints and
//! `klamm produce -f json` reads.
//!
//! Bytes that are no UTF-8 stand in hexadecimal digits in fields that end in `_hex`.

use bytes::Bytes;
use klamm_client::{OutgoingRecord, Record, RecordHeader};
use serde::{Deserialize, Serialize};

/// A record; fields that are absent, or null, are so in the record.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecordJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    headers: Vec<HeaderJson>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HeaderJson {
    key: String,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
}

/// Text, or else hexadecimal digits.
fn split(bytes: Option<&Bytes>) -> (Option<String>, Option<String>) {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => (None, None),
        Some((Ok(text), _)) => (Some(text.to_owned()), None),
        Some((Err(_), bytes)) => {
            (None, Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
        }
    }
}

fn join(text: Option<String>, hex: Option<&str>) -> Result<Option<Bytes>, String> {
    let Some(hex) = hex else { return Ok(text.map(Bytes::from)) };
    let wrong = || format!("`{hex}` are not pairs of hexadecimal digits");
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return Err(wrong()) };
    let byte = |pair: &[u8; 2]| {
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
        let number = digit(pair[0])? * 16 + digit(pair[1])?;
        u8::try_from(number).map_err(|_| wrong())
    };
    pairs.iter().map(byte).collect::<Result<Vec<u8>, _>>().map(|bytes| Some(bytes.into()))
}

impl From<&Record> for RecordJson {
    fn from(record: &Record) -> Self {
        let (key, key_hex) = split(record.key.as_ref());
        let (value, value_hex) = split(record.value.as_ref());
        let header = |header: &RecordHeader| {
            let (value, value_hex) = split(header.value.as_ref());
            HeaderJson { key: header.key.clone(), value, value_hex }
        };
        Self {
            topic: Some(record.topic.to_string()),
            partition: Some(record.partition),
            offset: Some(record.offset),
            timestamp: Some(record.timestamp),
            key,
            key_hex,
            value,
            value_hex,
            headers: record.headers.iter().map(header).collect(),
        }
    }
}

impl RecordJson {
    /// A record to be sent. Topic and offset are another's and are left out; the partition too,
    /// unless `keep_partition`.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn outgoing(self, keep_partition: bool) -> Result<OutgoingRecord, String> {
        let header = |header: HeaderJson| {
            let value = join(header.value, header.value_hex.as_deref())?;
            Ok(RecordHeader { key: header.key, value })
        };
        Ok(OutgoingRecord {
            partition: self.partition.filter(|_| keep_partition),
            timestamp: self.timestamp.filter(|&ms| ms >= 0),
            key: join(self.key, self.key_hex.as_deref())?,
            value: join(self.value, self.value_hex.as_deref())?,
            headers: self.headers.into_iter().map(header).collect::<Result<_, String>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let header = RecordHeader { key: "h".to_owned(), value: None };
        let record = Record {
            topic: "t".into(),
            partition: 1,
            offset: 2,
            timestamp: 3,
            is_append_time: false,
            key: Some(Bytes::from_static(&[0xff, 0])),
            value: Some(Bytes::from("v")),
            headers: vec![header.clone(), header],
        };
        let text = serde_json::to_string(&RecordJson::from(&record)).unwrap();
        assert!(text.contains(r#""key_hex":"ff00","value":"v""#), "{text}");
        let back: RecordJson = serde_json::from_str(&text).unwrap();
        let back = back.outgoing(true).unwrap();
        assert_eq!((back.key, back.value), (record.key, record.value));
        assert_eq!((back.partition, back.timestamp), (Some(1), Some(3)));
        assert_eq!(back.headers, record.headers);
    }

    #[test]
    fn odd_digits_are_refused() {
        for hex in ["f", "zz", "+1", "ä"] {
            assert!(join(None, Some(hex)).is_err(), "{hex}");
        }
    }
}
