//! Changes that a leader makes to a v2 batch in place, without looking at its records.

use super::header::{
    ATTRIBUTES_AT, BASE_OFFSET_AT, CRC_AT, CRC_COVERS_FROM, LEADER_EPOCH_AT, MAX_TIMESTAMP_AT,
};
use super::{BatchError, RecordBatchView, TimestampType};

/// Sets the base offset of the batch at the front of `bytes`. The checksum does not cover it.
///
/// # Errors
/// As [`RecordBatchView::parse`].
pub fn set_base_offset(bytes: &mut [u8], base_offset: i64) -> Result<(), BatchError> {
    RecordBatchView::parse(bytes)?;
    put(bytes, BASE_OFFSET_AT, base_offset.to_be_bytes());
    Ok(())
}

/// Sets the base offset so that the last offset becomes `last_offset`.
///
/// # Errors
/// As [`RecordBatchView::parse`].
pub fn set_last_offset(bytes: &mut [u8], last_offset: i64) -> Result<(), BatchError> {
    let delta = RecordBatchView::parse(bytes)?.last_offset_delta();
    put(bytes, BASE_OFFSET_AT, last_offset.wrapping_sub(i64::from(delta)).to_be_bytes());
    Ok(())
}

/// Sets the partition leader epoch. The checksum does not cover it.
///
/// # Errors
/// As [`RecordBatchView::parse`].
pub fn set_partition_leader_epoch(bytes: &mut [u8], epoch: i32) -> Result<(), BatchError> {
    RecordBatchView::parse(bytes)?;
    put(bytes, LEADER_EPOCH_AT, epoch.to_be_bytes());
    Ok(())
}

/// Sets the max timestamp (milliseconds) and what timestamps mean, and computes the checksum
/// again; a batch that already says so keeps its bytes, as in Kafka.
///
/// # Errors
/// As [`RecordBatchView::parse`].
pub fn set_max_timestamp(
    bytes: &mut [u8],
    timestamp_type: TimestampType,
    max_timestamp: i64,
) -> Result<(), BatchError> {
    let view = RecordBatchView::parse(bytes)?;
    if view.timestamp_type() == timestamp_type && view.max_timestamp() == max_timestamp {
        return Ok(());
    }
    let attributes = view.attributes().with_timestamp_type(timestamp_type);
    let size = view.size_in_bytes();
    put(bytes, ATTRIBUTES_AT, attributes.bits().to_be_bytes());
    put(bytes, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..size]);
    put(bytes, CRC_AT, crc.to_be_bytes());
    Ok(())
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}
