//! What is typed or piped into `klamm produce`: lines, and the records they stand for.

use std::{
    io::{BufRead, BufReader, Read},
    str::FromStr,
};

use bytes::Bytes;
use klamm_client::{OutgoingRecord, RecordHeader};
use tokio::sync::mpsc;

use super::{
    pairs,
    pattern::{Pattern, Piece},
    record_json::RecordJson,
};

/// The longest line in bytes; every broker with Kafka's defaults refuses far shorter ones.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of lines that are handed over together.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that may wait; reading stops beyond that.
const CHUNKS_MAX: usize = 4;

/// Some lines; none at the end of the input.
pub(crate) type Chunk = std::io::Result<Vec<Vec<u8>>>;

/// Reads standard input on a thread of its own, because a read from a terminal cannot be ended.
pub(crate) fn stdin() -> mpsc::Receiver<Chunk> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    std::thread::spawn(move || {
        let mut input = BufReader::with_capacity(CHUNK_BYTES, std::io::stdin());
        loop {
            let chunk = read_chunk(&mut input);
            let is_last = !matches!(&chunk, Ok(lines) if !lines.is_empty());
            if sender.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// One line, and those that are at hand behind it: waiting for more would keep back what a person
/// has typed.
fn read_chunk(input: &mut BufReader<impl Read>) -> Chunk {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while let Some(line) = read_line(input)? {
        bytes += line.len();
        lines.push(line);
        if bytes >= CHUNK_BYTES || !input.buffer().contains(&b'\n') {
            break;
        }
    }
    Ok(lines)
}

fn read_line(input: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.len() as u64 == LINE_BYTES_MAX {
        return Err(std::io::Error::other(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
    }
    match line.pop() {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(last) => line.push(last),
    }
    Ok(Some(line))
}

/// How lines become records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// An object as `klamm consume -o json` prints it.
    Json,
    /// Parts between fixed texts.
    Pattern(Pattern),
}

impl FromStr for LineFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "json" {
            return Ok(Self::Json);
        }
        let pattern: Pattern = text.parse()?;
        Self::checked(pattern)
    }
}

impl LineFormat {
    /// The whole line is the value.
    pub(crate) fn value() -> Self {
        Self::Pattern(Pattern(vec![Piece::Field('s')]))
    }

    /// Key and value with a delimiter between them.
    pub(crate) fn keyed(delimiter: Vec<u8>) -> Self {
        let pieces = vec![Piece::Field('k'), Piece::Text(delimiter), Piece::Field('s')];
        Self::Pattern(Pattern(pieces))
    }

    /// A pattern that lines can be taken apart by.
    fn checked(pattern: Pattern) -> Result<Self, String> {
        let field = |piece: &Piece| match piece {
            Piece::Field(letter) => Some(*letter),
            Piece::Text(_) => None,
        };
        if let Some(letter) = pattern.0.iter().filter_map(field).find(|l| !"kshpT".contains(*l)) {
            return Err(format!("%{letter} cannot be given; %k %s %h %p %T can"));
        }
        let touching = pattern.0.windows(2).any(|pair| pair.iter().all(|p| field(p).is_some()));
        match touching {
            true => Err("two fields of a format need a text between them".to_owned()),
            false => Ok(Self::Pattern(pattern)),
        }
    }

    /// The record that a line stands for. A key, value or header that is `null` is null.
    ///
    /// # Errors
    /// A text for the user.
    pub(crate) fn record(
        &self,
        line: Vec<u8>,
        null: Option<&str>,
    ) -> Result<OutgoingRecord, String> {
        match self {
            Self::Json => {
                let record: RecordJson =
                    serde_json::from_slice(&line).map_err(|error| error.to_string())?;
                record.outgoing(true)
            }
            Self::Pattern(pattern) => take_apart(pattern, Bytes::from(line), null),
        }
    }
}

fn take_apart(
    pattern: &Pattern,
    line: Bytes,
    null: Option<&str>,
) -> Result<OutgoingRecord, String> {
    let mut record = OutgoingRecord::default();
    let mut rest = line;
    let mut pieces = pattern.0.iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => {
                if !rest.starts_with(text) {
                    return Err(missing(text));
                }
                rest = rest.slice(text.len()..);
            }
            Piece::Field(letter) => {
                let end = match pieces.peek() {
                    Some(Piece::Text(text)) => find(&rest, text).ok_or_else(|| missing(text))?,
                    _ => rest.len(),
                };
                let part = rest.split_to(end);
                set(&mut record, *letter, part, null)?;
            }
        }
    }
    match rest.is_empty() {
        true => Ok(record),
        false => Err(format!("`{}` is left over", String::from_utf8_lossy(&rest))),
    }
}

fn missing(text: &[u8]) -> String {
    format!("`{}` is missing", String::from_utf8_lossy(text).escape_debug())
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len().max(1)).position(|window| window == text)
}

fn set(
    record: &mut OutgoingRecord,
    letter: char,
    part: Bytes,
    null: Option<&str>,
) -> Result<(), String> {
    let is_null = null.is_some_and(|null| part == null.as_bytes());
    let text = || std::str::from_utf8(&part).map_err(|_| format!("%{letter} is not UTF-8"));
    let number = |name| format!("`{}` is not a {name}", String::from_utf8_lossy(&part));
    match letter {
        'k' => record.key = (!is_null).then_some(part),
        's' => record.value = (!is_null).then_some(part),
        'p' => record.partition = Some(text()?.parse().map_err(|_| number("partition"))?),
        'T' => record.timestamp = Some(text()?.parse().map_err(|_| number("timestamp"))?),
        _ => {
            for pair in text()?.split(',').filter(|pair| !pair.is_empty()) {
                record.headers.push(header(pair, null)?);
            }
        }
    }
    Ok(())
}

/// `key=value`.
pub(crate) fn header(text: &str, null: Option<&str>) -> Result<RecordHeader, String> {
    let (key, value) = pairs::parse(text)?;
    let value = (null != Some(value.as_str())).then(|| Bytes::from(value));
    Ok(RecordHeader { key, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is key, value, partition, headers.
    fn check(format: &str, line: &str, expected: &str) {
        let format: LineFormat = format.parse().unwrap();
        let got = match format.record(line.as_bytes().to_vec(), Some("NULL")) {
            Err(error) => error,
            Ok(record) => {
                let text = |bytes: &Option<Bytes>| {
                    let text =
                        bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    text.unwrap_or_else(|| "-".to_owned())
                };
                let headers = record.headers.iter();
                let headers: Vec<_> =
                    headers.map(|h| format!("{}={}", h.key, text(&h.value))).collect();
                let partition = record.partition.map_or_else(String::new, |p| p.to_string());
                format!(
                    "{}|{}|{partition}|{}",
                    text(&record.key),
                    text(&record.value),
                    headers.join(";")
                )
            }
        };
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn lines_become_records() {
        check("%s", "hello", "-|hello||");
        check("%s", "", "-|||");
        check("%k:%s", "a:b:c", "a|b:c||");
        check("%k:%s", "a:NULL", "a|-||");
        check("%k:%s", "no key", "`:` is missing");
        check("%h\\t%k\\t%s", "x=1,x=2\tk\tv", "k|v||x=1;x=2");
        check("[%p] %s", "[3] v", "-|v|3|");
        check("[%p] %s", "[x] v", "`x` is not a partition");
        check("<%s>", "<v> more", "` more` is left over");
        check(
            "json",
            r#"{"key":"k","value":null,"headers":[{"key":"h","value":"1"}]}"#,
            "k|-||h=1",
        );
    }

    #[test]
    fn formats_that_cannot_be_read_are_refused() {
        for format in ["%k%s", "%o %s", "%"] {
            assert!(format.parse::<LineFormat>().is_err(), "{format}");
        }
    }

    #[test]
    fn lines_are_read_as_far_as_they_are_at_hand() {
        let mut input = BufReader::new(&b"a\n\nlast"[..]);
        let mut chunk = || read_chunk(&mut input).unwrap();
        assert_eq!(chunk(), vec![b"a".to_vec(), Vec::new()]);
        assert_eq!(chunk(), vec![b"last".to_vec()]);
        assert!(chunk().is_empty());
    }
}
