//! Reading a log of coordinator records from its start.

use std::io;

use klamm_log::ReadLimits;
use klamm_protocol::records::{Batches, DecompressionLimit};

use crate::partition::Partition;

/// Bytes read at once.
const READ_BYTES: u64 = 1 << 20;

/// Gives every key and value in the log to `each`, in order. Control batches are passed over, and
/// so are transactional ones, whose outcome nothing here can tell.
pub(crate) fn replay(
    partition: &Partition,
    limit: DecompressionLimit,
    mut each: impl FnMut(&[u8], Option<&[u8]>),
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
            if view.is_control() || view.is_transactional() {
                continue;
            }
            let records = view.records(limit).map_err(io::Error::other)?;
            for record in records.iter() {
                let record = record.map_err(io::Error::other)?;
                if let Some(key) = record.key {
                    each(key, record.value);
                }
            }
        }
        if next == before {
            return Err(io::Error::other("the log cannot be read on"));
        }
    }
    Ok(())
}
