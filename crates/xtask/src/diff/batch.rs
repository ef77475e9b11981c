//! Record batches: made of a few fields, and read back as fields.

use anyhow::{Result, bail};

use super::value::Value;

/// Bytes of a batch before its records.
const HEADER: usize = 61;
/// Where the checksum stands; it covers what comes after it.
const CRC: usize = 17;

/// The bytes of `batch{values: ["a"], …}`.
///
/// Fields: `values` (texts or null), `producer`, `epoch`, `sequence`, `timestamp`, `offset`,
/// `attributes`, `magic`, `count`, `last` (offset delta), `length`, `cut` (bytes off the end) and
/// `flip` (a byte to be damaged after the checksum), each of which replaces what would be right.
pub(crate) fn build(batch: &Value) -> Result<Vec<u8>> {
    let given =
        |name: &str, otherwise: i64| batch.get(name).and_then(Value::int).unwrap_or(otherwise);
    let values = batch.get("values").map_or(&[] as &[Value], Value::list);
    let records = values.iter().enumerate();
    let records: Vec<u8> = records.map(|(i, v)| record(i, v)).collect::<Result<Vec<_>>>()?.concat();
    let count = i64::try_from(values.len())?;
    let time = given("timestamp", 1_700_000_000_000);
    let mut out = Vec::new();
    out.extend(given("offset", 0).to_be_bytes());
    let length = i64::try_from(HEADER - 12 + records.len())?;
    push(&mut out, given("length", length), 4);
    push(&mut out, -1, 4);
    push(&mut out, given("magic", 2), 1);
    push(&mut out, 0, 4);
    push(&mut out, given("attributes", 0), 2);
    push(&mut out, given("last", count - 1), 4);
    push(&mut out, time, 8);
    push(&mut out, given("max_timestamp", time), 8);
    push(&mut out, given("producer", -1), 8);
    push(&mut out, given("epoch", -1), 2);
    push(&mut out, given("sequence", -1), 4);
    push(&mut out, given("count", count), 4);
    out.extend(records);
    let crc = crc32c::crc32c(&out[CRC + 4..]);
    out[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    if let Some(byte) = usize::try_from(given("flip", -1)).ok().and_then(|at| out.get_mut(at)) {
        *byte ^= 0x55;
    }
    out.truncate(out.len().saturating_sub(usize::try_from(given("cut", 0))?));
    Ok(out)
}

fn push(out: &mut Vec<u8>, value: i64, width: usize) {
    out.extend(&value.to_be_bytes()[8 - width..]);
}

/// One record: `"text"`, `null` or `{key, value}`.
fn record(index: usize, value: &Value) -> Result<Vec<u8>> {
    let (key, value) = match value {
        Value::Struct(_) => (value.get("key"), value.get("value")),
        other => (None, Some(other)),
    };
    let mut body = vec![0, 0];
    varint(&mut body, i64::try_from(index)?);
    for part in [key, value] {
        match part {
            None | Some(Value::Null) => varint(&mut body, -1),
            Some(Value::Text(text)) => {
                varint(&mut body, i64::try_from(text.len())?);
                body.extend(text.as_bytes());
            }
            Some(other) => bail!("{other} in a record"),
        }
    }
    varint(&mut body, 0);
    let mut out = Vec::new();
    varint(&mut out, i64::try_from(body.len())?);
    out.extend(body);
    Ok(out)
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// The batches of a fetch's answer: fields of the header, records as bytes. The checksum covers
/// ids that differ, so that only its correctness is told.
pub(crate) fn read(mut bytes: &[u8]) -> Value {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let length = bytes.get(8..12).map_or(0, |b| int(b).max(0) as usize) + 12;
        let whole = length <= bytes.len() && length > HEADER && bytes[16] == 2;
        if !whole {
            batches.push(Value::Bytes(bytes.to_vec()));
            break;
        }
        let (batch, rest) = bytes.split_at(length);
        batches.push(one(batch));
        bytes = rest;
    }
    Value::List(batches)
}

fn one(batch: &[u8]) -> Value {
    let field = |name: &str, at: usize, width: usize| {
        (name.to_owned(), Value::Int(int(&batch[at..at + width])))
    };
    let right =
        i64::from(crc32c::crc32c(&batch[CRC + 4..])) == int(&batch[CRC..CRC + 4]) & 0xffff_ffff;
    Value::Struct(vec![
        field("base_offset", 0, 8),
        field("partition_leader_epoch", 12, 4),
        ("crc_is_right".to_owned(), Value::Bool(right)),
        field("attributes", 21, 2),
        field("last_offset_delta", 23, 4),
        field("base_timestamp", 27, 8),
        field("max_timestamp", 35, 8),
        field("producer_id", 43, 8),
        field("producer_epoch", 51, 2),
        field("base_sequence", 53, 4),
        field("count", 57, 4),
        ("records".to_owned(), Value::Bytes(batch[HEADER..].to_vec())),
    ])
}

/// A signed number, most significant byte first.
fn int(bytes: &[u8]) -> i64 {
    let first = if bytes.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(first, |n, byte| (n << 8) | i64::from(*byte))
}
