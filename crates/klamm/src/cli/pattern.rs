//! Formats of records, in kcat's letters: how one is printed, and how a line is taken apart.
//!
//! `%t` topic, `%p` partition, `%o` offset, `%k` key, `%s` value, `%h` headers (`key=value,...`),
//! `%T` timestamp in milliseconds, `%D` the same as date and time, `%K` and `%S` lengths of key and
//! value (-1 for null), `%%` a percent sign; `\n`, `\t`, `\r`, `\\`, `\0`, `\xHH`.

use std::{
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use klamm_client::{Record, RecordHeader};

/// A piece of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes as they are.
    Text(Vec<u8>),
    /// A part of the record, by its letter.
    Field(char),
}

/// A format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) Vec<Piece>);

/// The letters there are.
const LETTERS: &str = "tpokshTDKS";

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => match chars.next() {
                    Some('%') => plain.push(b'%'),
                    Some(letter) if LETTERS.contains(letter) => {
                        if !plain.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        }
                        pieces.push(Piece::Field(letter));
                    }
                    other => {
                        let found = other.map_or_else(|| "nothing".to_owned(), |c| format!("%{c}"));
                        let allowed = LETTERS.chars().map(|c| format!("%{c}"));
                        let allowed = allowed.collect::<Vec<_>>().join(" ");
                        return Err(format!("{found} in a format; there are {allowed} and %%"));
                    }
                },
                '\\' => plain.push(escape(&mut chars)?),
                c => plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match chars.next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('r') => Ok(b'\r'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = chars.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16)
                .map_err(|_| format!("\\x{digits} in a format; \\x has two hex digits"))
        }
        other => Err(format!(
            "\\{} in a format; there are \\n \\t \\r \\0 \\\\ \\xHH",
            other.unwrap_or(' ')
        )),
    }
}

/// Text with the escapes of formats, such as a delimiter.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => bytes.push(escape(&mut chars)?),
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(bytes)
}

impl Pattern {
    /// Appends a record in this format.
    pub(crate) fn write(&self, record: &Record, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Field(letter) => write_field(*letter, record, out),
            }
        }
    }
}

fn write_field(letter: char, record: &Record, out: &mut Vec<u8>) {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(-1, |b| b.len() as i64);
    let text = match letter {
        'k' => return out.extend_from_slice(record.key.as_deref().unwrap_or_default()),
        's' => return out.extend_from_slice(record.value.as_deref().unwrap_or_default()),
        'h' => return write_headers(&record.headers, out),
        't' => record.topic.to_string(),
        'p' => record.partition.to_string(),
        'o' => record.offset.to_string(),
        'T' => record.timestamp.to_string(),
        'D' => date(record.timestamp),
        'K' => length(&record.key).to_string(),
        _ => length(&record.value).to_string(),
    };
    out.extend_from_slice(text.as_bytes());
}

fn write_headers(headers: &[RecordHeader], out: &mut Vec<u8>) {
    for (index, header) in headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.key.as_bytes());
        out.push(b'=');
        out.extend_from_slice(header.value.as_deref().unwrap_or(b"NULL"));
    }
}

/// A timestamp as date and time in UTC; `-` where there is none.
pub(crate) fn date(ms: i64) -> String {
    let time =
        u64::try_from(ms).ok().and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    // Later years cannot be written in four digits.
    const YEAR_10000: u64 = 253_402_300_800_000;
    match time.filter(|_| ms < YEAR_10000 as i64) {
        Some(time) => humantime::format_rfc3339_millis(time).to_string(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record() -> Record {
        let header = |key: &str, value: Option<&'static str>| RecordHeader {
            key: key.to_owned(),
            value: value.map(Bytes::from),
        };
        Record {
            topic: "orders".into(),
            partition: 3,
            offset: 42,
            timestamp: 1_700_000_000_123,
            is_append_time: false,
            key: None,
            value: Some(Bytes::from("hello")),
            headers: vec![header("a", Some("1")), header("a", None)],
        }
    }

    #[test]
    fn records_are_printed_in_a_format() {
        let check = |format: &str, expected: &str| {
            let mut out = Vec::new();
            format.parse::<Pattern>().unwrap().write(&record(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{format}");
        };
        check("%t-%p@%o", "orders-3@42");
        check("[%k]\\t%s\\n", "[]\thello\n");
        check("%K %S %T %D", "-1 5 1700000000123 2023-11-14T22:13:20.123Z");
        check("%h", "a=1,a=NULL");
        check("100%% \\x41ä", "100% Aä");
    }

    #[test]
    fn wrong_formats_say_what_is_allowed() {
        let check = |format: &str, part: &str| {
            let error = format.parse::<Pattern>().unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check("%q", "%q in a format; there are %t %p");
        check("x%", "nothing in a format");
        check("\\q", "\\q in a format");
        check("\\xzz", "two hex digits");
    }

    #[test]
    fn dates_have_limits() {
        assert_eq!(date(-1), "-");
        assert_eq!(date(i64::MAX), "-");
        assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
    }
}
