//! One quick pass over the records of a v2 batch that are as nearly all are. Producers' batches of
//! small records cost their broker more here than anywhere else, so it builds no record and no
//! error: of whatever is unusual it says nothing, and [`super::iter`] reads it again with care.
//!
//! Cost: about 120 instructions a record, no allocation.

use super::iter::{Base, read_headers};
use super::varint::{VARINT_SIZE_MAX, VARLONG_SIZE_MAX, read_unsigned, unzigzag64};

/// What a batch of well-formed records with consecutive offsets is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// Milliseconds.
    pub(super) min_timestamp: i64,
    /// Milliseconds.
    pub(super) max_timestamp: i64,
    /// Place of the first record with the latest timestamp.
    pub(super) index_of_max: i32,
    /// Whether every record has a key.
    pub(super) has_keys: bool,
}

/// Walks over so many records. None if one is malformed, or bytes follow the last one, or offsets
/// are not consecutive, or there is no record.
pub(super) fn walk(bytes: &[u8], base: Base, count: i32) -> Option<Walk> {
    let mut walk =
        Walk { min_timestamp: i64::MAX, max_timestamp: i64::MIN, index_of_max: 0, has_keys: true };
    let mut cursor = Cursor { bytes, at: 0 };
    for index in 0..count {
        let size = cursor.size()??;
        let end = cursor.at + size;
        // The attributes, of which Kafka has not given out any.
        cursor.at += 1;
        let timestamp = base.timestamp.wrapping_add(unzigzag64(cursor.unsigned(VARLONG_SIZE_MAX)?));
        if timestamp > walk.max_timestamp {
            walk.max_timestamp = timestamp;
            walk.index_of_max = index;
        }
        walk.min_timestamp = walk.min_timestamp.min(timestamp);
        if cursor.unsigned(VARINT_SIZE_MAX)? != 2 * u64::from(index.unsigned_abs()) {
            return None;
        }
        let key = cursor.size()?;
        walk.has_keys &= key.is_some();
        cursor.at += key.unwrap_or(0);
        cursor.at += cursor.size()?.unwrap_or(0);
        // Positions only grow: where the last field ends with the record, no field went beyond it.
        cursor.headers(end)?;
    }
    (count > 0 && cursor.at == bytes.len()).then_some(walk)
}

/// A place among the records.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// A varint as it stands there; none if it is cut or too long.
    #[inline(always)]
    fn unsigned(&mut self, max: usize) -> Option<u64> {
        let first = *self.bytes.get(self.at)?;
        if first < 0x80 {
            self.at += 1;
            return Some(u64::from(first));
        }
        let second = *self.bytes.get(self.at + 1)?;
        if second < 0x80 {
            self.at += 2;
            return Some(u64::from(first & 0x7f) | u64::from(second) << 7);
        }
        self.long(max)
    }

    #[cold]
    fn long(&mut self, max: usize) -> Option<u64> {
        let mut rest = self.bytes.get(self.at..)?;
        let before = rest.len();
        let raw = read_unsigned(&mut rest, max).ok()?;
        self.at += before - rest.len();
        Some(raw)
    }

    /// The size of a field; none inside if it is negative, as that of a field that is not there.
    #[inline(always)]
    fn size(&mut self) -> Option<Option<usize>> {
        // Bits above the 32nd are dropped, as Java's shift drops them.
        let raw = self.unsigned(VARINT_SIZE_MAX)? as u32;
        Some((raw & 1 == 0).then_some((raw >> 1) as usize))
    }

    /// The headers of a record that ends there.
    #[inline(always)]
    fn headers(&mut self, end: usize) -> Option<()> {
        if self.at + 1 == end && self.bytes.get(self.at) == Some(&0) {
            self.at = end;
            return Some(());
        }
        read_headers(self.bytes.get(self.at..end)?).ok()?;
        self.at = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        BatchBuilder, BatchOptions, DecompressionLimit, Header, NewRecord, RecordBatchView,
    };
    use super::*;

    /// Numbers that follow from a seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % limit
        }
    }

    fn batch(random: &mut Random) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let bytes = vec![7; 20_000];
        for _ in 0..=random.below(5) {
            let mut field = |odds| match random.below(8) {
                0 => None,
                1 => Some(&bytes[..random.below(odds) as usize]),
                _ => Some(&bytes[..random.below(80) as usize]),
            };
            let (key, value, of_header) = (field(200), field(20_000), field(10));
            let header = Header { key: b"k", value: of_header };
            let headers = vec![header; random.below(9).saturating_sub(6) as usize];
            let timestamp = 1_000_000 + random.below(20_000) as i64;
            builder.append(&NewRecord { timestamp, key, value, headers: &headers }).unwrap();
        }
        builder.build().unwrap()
    }

    /// What reading the records with care says.
    fn read(view: &RecordBatchView<'_>) -> Option<Walk> {
        let records = view.records(DecompressionLimit(0)).ok()?;
        let records: Result<Vec<_>, _> = records.iter().collect();
        let records = records.ok()?;
        let max_timestamp = records.iter().map(|record| record.timestamp).max()?;
        let is_latest = |record: &super::super::RecordRef<'_>| record.timestamp == max_timestamp;
        let consecutive = records.iter().zip(0..).all(|(record, offset)| record.offset == offset);
        consecutive.then(|| Walk {
            min_timestamp: records.iter().map(|record| record.timestamp).min().unwrap(),
            max_timestamp,
            index_of_max: records.iter().position(is_latest).unwrap() as i32,
            has_keys: records.iter().all(|record| record.key.is_some()),
        })
    }

    #[test]
    fn the_quick_look_sees_what_the_careful_one_sees() {
        let (mut well, mut damaged) = (0, 0);
        for seed in 0..20_000 {
            let mut random = Random(seed);
            let mut bytes = batch(&mut random);
            for _ in 0..random.below(3) {
                let at = 61 + random.below(bytes.len() as u64 - 61) as usize;
                bytes[at] = random.below(256) as u8;
            }
            let view = RecordBatchView::parse(&bytes).unwrap();
            let records = view.records(DecompressionLimit(0)).unwrap();
            let careful = read(&view);
            assert_eq!(records.walk(), careful, "seed {seed}");
            *(if careful.is_some() { &mut well } else { &mut damaged }) += 1;
        }
        assert!(well > 5000 && damaged > 1000, "{well} well-formed, {damaged} damaged");
    }
}
