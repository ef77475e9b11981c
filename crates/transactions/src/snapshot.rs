//! The producer snapshot file (`<offset>.snapshot`) in Kafka's version 1 format: version, CRC-32C
//! of what follows it, then the entries with the last batch of each producer.

use std::collections::VecDeque;

use crate::{Entry, Producers, Remembered};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 2 + 4;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// Why a snapshot file cannot be used. It is rebuilt from the log then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The file ends early or has bytes left over.
    #[error("the producer snapshot has {0} bytes, which its entries do not fill")]
    Length(usize),
    /// Not version 1.
    #[error("unknown producer snapshot version {0}")]
    Version(i16),
    /// The checksum is not that of the contents.
    #[error("the producer snapshot's checksum is wrong")]
    Checksum,
}

/// The bytes of a snapshot of `producers`.
pub fn encode(producers: &Producers) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + 4 + producers.len() * ENTRY_BYTES);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    let count = u32::try_from(producers.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    for (producer_id, entry) in producers.iter() {
        let last = entry.batches.back();
        out.extend_from_slice(&producer_id.to_be_bytes());
        out.extend_from_slice(&entry.epoch.to_be_bytes());
        out.extend_from_slice(&entry.last_sequence().to_be_bytes());
        out.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        out.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        out.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&entry.transaction_start.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c::crc32c(&out[HEADER_BYTES..]);
    out[2..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads a snapshot back.
///
/// # Errors
/// The file is not a whole, correct version 1 snapshot.
pub fn decode(bytes: &[u8]) -> Result<Producers, SnapshotError> {
    let mut input = Input(bytes);
    let length = SnapshotError::Length(bytes.len());
    let version = i16::from_be_bytes(input.take().ok_or(length)?);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let crc = u32::from_be_bytes(input.take().ok_or(length)?);
    if crc != crc32c::crc32c(input.0) {
        return Err(SnapshotError::Checksum);
    }
    let count = u32::from_be_bytes(input.take().ok_or(length)?);
    if usize::try_from(count).ok().and_then(|n| n.checked_mul(ENTRY_BYTES)) != Some(input.0.len()) {
        return Err(length);
    }
    let mut producers = Producers::default();
    for _ in 0..count {
        let (producer_id, entry) = entry(&mut input).ok_or(length)?;
        producers.restore(producer_id, entry);
    }
    Ok(producers)
}

fn entry(input: &mut Input<'_>) -> Option<(i64, Entry)> {
    let producer_id = i64::from_be_bytes(input.take()?);
    let epoch = i16::from_be_bytes(input.take()?);
    let last_sequence = i32::from_be_bytes(input.take()?);
    let last_offset = i64::from_be_bytes(input.take()?);
    let offset_delta = i32::from_be_bytes(input.take()?);
    let timestamp = i64::from_be_bytes(input.take()?);
    let coordinator_epoch = i32::from_be_bytes(input.take()?);
    let transaction_start = i64::from_be_bytes(input.take()?);
    let mut batches = VecDeque::new();
    if last_offset >= 0 {
        batches.push_back(Remembered { last_sequence, last_offset, offset_delta, timestamp });
    }
    let entry = Entry {
        epoch,
        batches,
        last_timestamp: timestamp,
        coordinator_epoch,
        transaction_start: (transaction_start >= 0).then_some(transaction_start),
    };
    Some((producer_id, entry))
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;

    #[test]
    fn what_is_written_is_read_back() {
        let mut producers = Producers::default();
        for (producer_id, transactional) in [(1, false), (2, true)] {
            producers.apply(&Batch {
                producer_id,
                epoch: 3,
                first_sequence: 0,
                offset_delta: 4,
                last_offset: 10 * producer_id + 4,
                timestamp: 99,
                transactional,
            });
        }
        let bytes = encode(&producers);
        assert_eq!(decode(&bytes), Ok(producers));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), Err(SnapshotError::Checksum));
        assert_eq!(decode(&[]), Err(SnapshotError::Length(0)));
        let mut flipped = bytes;
        flipped[20] ^= 1;
        assert_eq!(decode(&flipped), Err(SnapshotError::Checksum));
    }
}
