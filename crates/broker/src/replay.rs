//! Reading a log of coordinator records from its start.

use std::io;

use klamm_log::ReadLimits;
use klamm_protocol::records::{
    Batches, DecompressionLimit, RecordBatchView, control::EndTransactionMarker,
};

use crate::partition::Partition;

/// Bytes read at once.
const READ_BYTES: u64 = 1 << 20;

/// What is found in a log.
pub(crate) enum Replayed<'a> {
    /// A record.
    Record {
        offset: i64,
        /// The producer, if the record is part of a transaction.
        producer_id: Option<i64>,
        key: &'a [u8],
        value: Option<&'a [u8]>,
    },
    /// The end of a producer's transaction.
    End { producer_id: i64, committed: bool },
}

/// Gives every record and every end of a transaction in the log to `each`, in order.
pub(crate) fn replay(
    partition: &Partition,
    limit: DecompressionLimit,
    mut each: impl FnMut(Replayed<'_>),
) -> io::Result<()> {
    let Some(log) = partition.log() else { return Err(io::ErrorKind::NotFound.into()) };
    let mut next = log.start_offset();
    let upper = log.end_offset();
    while next < upper {
        let limits = ReadLimits { bytes_max: READ_BYTES, upper, first_whole: true };
        let slice = log.read(next, &limits).map_err(io::Error::other)?;
        let Some(file) = slice.file else { return Ok(()) };
        let mut bytes = vec![0; usize::try_from(slice.len).map_err(io::Error::other)?];
        let read = file.read_at(&mut bytes, slice.position)?;
        let before = next;
        for entry in Batches::new(&bytes[..read]) {
            let view = entry.and_then(|entry| entry.batch()).map_err(io::Error::other)?;
            next = view.next_offset();
            replay_batch(&view, limit, &mut each)?;
        }
        if next == before {
            return Err(io::Error::other("the log cannot be read on"));
        }
    }
    Ok(())
}

/// The same for one batch.
pub(crate) fn replay_batch(
    view: &RecordBatchView<'_>,
    limit: DecompressionLimit,
    each: &mut impl FnMut(Replayed<'_>),
) -> io::Result<()> {
    let producer_id = view.is_transactional().then(|| view.producer_id());
    let records = view.records(limit).map_err(io::Error::other)?;
    for record in records.iter() {
        let record = record.map_err(io::Error::other)?;
        if view.is_control() {
            if let Ok(EndTransactionMarker { committed, .. }) = EndTransactionMarker::parse(&record)
            {
                each(Replayed::End { producer_id: view.producer_id(), committed });
            }
        } else if let Some(key) = record.key {
            let (offset, value) = (record.offset, record.value);
            each(Replayed::Record { offset, producer_id, key, value });
        }
    }
    Ok(())
}
