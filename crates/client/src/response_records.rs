//! The records in a partition's part of a fetch answer.

use std::{collections::BTreeSet, iter::Peekable, vec::IntoIter};

use bytes::Bytes;
use klamm_protocol::{
    messages::fetch_response::PartitionData,
    records::{
        Batches, DecompressionLimit, EntryView, RecordError, RecordRef, TimestampType,
        control::ControlType,
    },
};

use crate::{ClientError, Isolation, Record, RecordHeader, TopicPartition};

/// Bytes that a batch may take when decompressed.
const BATCH_BYTES_MAX: DecompressionLimit = DecompressionLimit(256 << 20);

/// Appends the records from `position` on, and returns the position after them.
pub(crate) fn records_of(
    at: &TopicPartition,
    position: i64,
    data: &PartitionData<'_>,
    isolation: Isolation,
    records: &mut Vec<Record>,
) -> Result<i64, ClientError> {
    let mut aborted = Aborted::of(data, isolation);
    read(at, position, data.records.bytes(), &mut aborted, records).map_err(|source| {
        let (topic, partition) = (at.topic.to_string(), at.partition);
        ClientError::Records { topic, partition, offset: position, source }
    })
}

fn read(
    at: &TopicPartition,
    position: i64,
    bytes: &[u8],
    aborted: &mut Aborted,
    records: &mut Vec<Record>,
) -> Result<i64, RecordError> {
    let mut next = position;
    for entry in Batches::new(bytes) {
        let entry = entry?.view()?;
        if entry.last_offset() < position {
            continue;
        }
        entry.check_crc()?;
        if !aborted.hides(&entry)? {
            let is_append_time = entry.timestamp_type() == Some(TimestampType::LogAppendTime);
            for record in &entry.records(BATCH_BYTES_MAX)? {
                let record = record?;
                if record.offset >= position {
                    records.push(owned(at, &record, is_append_time));
                }
            }
        }
        next = next.max(entry.last_offset().saturating_add(1));
    }
    Ok(next)
}

fn owned(at: &TopicPartition, record: &RecordRef<'_>, is_append_time: bool) -> Record {
    let header = |header: klamm_protocol::records::Header<'_>| RecordHeader {
        key: header.key_text().into_owned(),
        value: header.value.map(Bytes::copy_from_slice),
    };
    Record {
        topic: at.topic.clone(),
        partition: at.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        is_append_time,
        key: record.key.map(Bytes::copy_from_slice),
        value: record.value.map(Bytes::copy_from_slice),
        headers: record.headers.map(header).collect(),
    }
}

/// The transactions whose records are not to be seen, as the answer lists them.
struct Aborted {
    /// Producer ids by the offset from which they are hidden.
    coming: Peekable<IntoIter<(i64, i64)>>,
    hidden: BTreeSet<i64>,
}

impl Aborted {
    fn of(data: &PartitionData<'_>, isolation: Isolation) -> Self {
        let listed = data.aborted_transactions.iter().flatten();
        let mut coming: Vec<_> = match isolation {
            Isolation::ReadUncommitted => Vec::new(),
            Isolation::ReadCommitted => listed.map(|t| (t.first_offset, t.producer_id)).collect(),
        };
        coming.sort_unstable();
        Self { coming: coming.into_iter().peekable(), hidden: BTreeSet::new() }
    }

    /// Whether an entry is a marker or belongs to a transaction that was aborted.
    fn hides(&mut self, entry: &EntryView<'_>) -> Result<bool, RecordError> {
        let EntryView::Batch(batch) = entry else { return Ok(false) };
        while let Some((_, id)) = self.coming.next_if(|(first, _)| *first <= batch.last_offset()) {
            self.hidden.insert(id);
        }
        if !batch.is_control() {
            return Ok(batch.is_transactional() && self.hidden.contains(&batch.producer_id()));
        }
        for record in &entry.records(BATCH_BYTES_MAX)? {
            if ControlType::parse(record?.key) == Ok(ControlType::Abort) {
                self.hidden.remove(&batch.producer_id());
            }
        }
        Ok(true)
    }
}
