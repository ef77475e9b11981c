//! What a leader checks before it appends a producer's v2 batch, after Kafka's `LogValidator`:
//! from the header alone where that is enough, and record by record where it is not.

use super::entry::{EntryRecords, EntryView};
use super::iter::{RecordError, RecordRef};
use super::legacy::{MessageSetError, MessageView};
use super::{
    BatchError, BatchHeaderView, CompressionType, NO_TIMESTAMP, RecordBatchView, TimestampType,
};

/// The topic's rules for what is produced to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProduceRules {
    /// `max.message.bytes`: most bytes of a batch.
    pub size_max: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a record may be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far in the future a record may be.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` has `compact`: every record needs a key.
    pub is_compacted: bool,
    /// The leader's time in milliseconds.
    pub now_ms: i64,
}

/// The error of Kafka's protocol that a refusal is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `CORRUPT_MESSAGE`: sending it again may help.
    CorruptMessage,
    /// `INVALID_RECORD`: the client must change the batch.
    InvalidRecord,
    /// `INVALID_TIMESTAMP`: a timestamp is out of range.
    InvalidTimestamp,
    /// `MESSAGE_TOO_LARGE`: the client must make smaller batches.
    MessageTooLarge,
}

/// Why a producer's batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The frame or the checksum is wrong.
    #[error(transparent)]
    Frame(#[from] BatchError),
    /// The batch is larger than the topic allows.
    #[error("the batch has {size} bytes, the topic's limit is {limit}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// `max.message.bytes`.
        limit: usize,
    },
    /// A producer's batch must begin at offset 0.
    #[error("the base offset should be 0, but it is {base_offset}")]
    BaseOffset {
        /// The base offset.
        base_offset: i64,
    },
    /// The last offset is below the first.
    #[error("the offset range [{base_offset}, {last_offset}] is invalid")]
    OffsetRange {
        /// The base offset.
        base_offset: i64,
        /// The last offset.
        last_offset: i64,
    },
    /// A batch has at least one record.
    #[error("the records count is {count}")]
    Count {
        /// The count in the header.
        count: i32,
    },
    /// The offsets say another count than the header.
    #[error("offsets [{base_offset}, {last_offset}] and a records count of {count} disagree")]
    CountAndOffsets {
        /// The base offset.
        base_offset: i64,
        /// The last offset.
        last_offset: i64,
        /// The count in the header.
        count: i32,
    },
    /// Only brokers write control records.
    #[error("clients are not allowed to write control records")]
    ControlRecords,
    /// An idempotent batch has a sequence number.
    #[error("base sequence {base_sequence} comes with producer id {producer_id}")]
    Sequence {
        /// The producer's id.
        producer_id: i64,
        /// The sequence.
        base_sequence: i32,
    },
    /// The codec's id is not one of Kafka's.
    #[error("the codec id is {id}")]
    UnknownCompression {
        /// The id.
        id: u8,
    },
    /// The batch's latest timestamp is too far in the future.
    #[error("timestamp {timestamp} is out of range: the latest allowed is {latest}")]
    Timestamp {
        /// The batch's max timestamp in milliseconds.
        timestamp: i64,
        /// The latest allowed.
        latest: i64,
    },
    /// A producer must not claim the append time.
    #[error("the producer set the timestamp type to LogAppendTime")]
    ClaimsAppendTime,
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// Single records are refused, and with them the batch.
    #[error("{} records are refused, the first: record {}", faults.len(), first_of(faults))]
    Refused {
        /// Each refused record; at least one.
        faults: Vec<RefusedRecord>,
    },
}

/// A record that its topic does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Its place in the batch, from 0: `batchIndex` of the produce response.
    pub index: i32,
    /// Why.
    pub reason: RefusedBecause,
}

/// Why a topic does not take a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedBecause {
    /// A compacted topic takes none without a key.
    #[error("compacted topic cannot accept message without key")]
    NoKey,
    /// The timestamp is too old or too far in the future.
    #[error("timestamp {timestamp} is out of range, allowed is [{earliest}, {latest}]")]
    Timestamp {
        /// Milliseconds.
        timestamp: i64,
        /// Earliest allowed.
        earliest: i64,
        /// Latest allowed.
        latest: i64,
    },
    /// A producer must not claim the append time.
    #[error("the producer set the timestamp type to LogAppendTime")]
    ClaimsAppendTime,
}

fn first_of(faults: &[RefusedRecord]) -> String {
    faults.first().map_or_else(String::new, |fault| format!("{}: {}", fault.index, fault.reason))
}

impl CheckError {
    /// The protocol's error. As in Kafka, one bad timestamp makes it `INVALID_TIMESTAMP`.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Frame(_) | Self::Records(RecordError::Frame(_)) => Refusal::CorruptMessage,
            Self::TooLarge { .. } => Refusal::MessageTooLarge,
            Self::Timestamp { .. } | Self::ClaimsAppendTime => Refusal::InvalidTimestamp,
            Self::Refused { faults } => match faults.iter().all(RefusedRecord::is_key_missing) {
                true => Refusal::InvalidRecord,
                false => Refusal::InvalidTimestamp,
            },
            _ => Refusal::InvalidRecord,
        }
    }
}

impl CheckError {
    /// Whether the header's timestamp, or its type, is refused: its records say which of them.
    #[must_use]
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::Timestamp { .. } | Self::ClaimsAppendTime)
    }
}

impl RefusedRecord {
    fn is_key_missing(&self) -> bool {
        self.reason == RefusedBecause::NoKey
    }
}

impl ProduceRules {
    /// Whether [`check_records`] sees more than [`check_batch_header`]: keys, or old timestamps.
    #[must_use]
    pub fn need_records(&self) -> bool {
        let old_is_refused = self.timestamp_before_max_ms < i64::MAX;
        self.is_compacted || (old_is_refused && self.timestamp_type == TimestampType::CreateTime)
    }

    /// Earliest and latest timestamp allowed.
    fn timestamp_range(&self) -> (i64, i64) {
        let earliest = self.now_ms.saturating_sub(self.timestamp_before_max_ms);
        (earliest, self.now_ms.saturating_add(self.timestamp_after_max_ms))
    }
}

/// Checks a producer's batch by its header and checksum, without looking at its records: what the
/// header says of them (offsets, count, max timestamp) is believed.
///
/// # Errors
/// [`CheckError`] other than `Records` and `Refused`.
pub fn check_batch_header(
    batch: &RecordBatchView<'_>,
    rules: &ProduceRules,
) -> Result<(), CheckError> {
    let base_offset = batch.base_offset();
    if base_offset != 0 {
        return Err(CheckError::BaseOffset { base_offset });
    }
    let size = batch.size_in_bytes();
    if size > rules.size_max {
        return Err(CheckError::TooLarge { size, limit: rules.size_max });
    }
    batch.check_crc()?;
    check_count(batch)?;
    check_producer(batch)?;
    if batch.compression().is_none() {
        return Err(CheckError::UnknownCompression { id: batch.attributes().compression_id() });
    }
    check_max_timestamp(batch, rules)
}

/// Checks a message of v0 or v1 that a producer sent, before it is converted to v2: its size, its
/// checksum and its codec.
///
/// # Errors
/// `TooLarge`, `Frame`, `UnknownCompression`, or `Records` for zstd.
pub fn check_message(message: &MessageView<'_>, rules: &ProduceRules) -> Result<(), CheckError> {
    let size = message.size_in_bytes();
    if size > rules.size_max {
        return Err(CheckError::TooLarge { size, limit: rules.size_max });
    }
    message.check_crc()?;
    let id = message.compression_id();
    match CompressionType::from_id(id) {
        None => Err(CheckError::UnknownCompression { id }),
        Some(CompressionType::Zstd) => {
            let refused = MessageSetError::Zstd { magic: message.magic() };
            Err(CheckError::Records(refused.into()))
        }
        Some(_) => Ok(()),
    }
}

fn check_count(batch: &BatchHeaderView<'_>) -> Result<(), CheckError> {
    let (base_offset, last_offset) = (batch.base_offset(), batch.last_offset());
    let count = batch.records_count();
    let by_offsets = i64::from(batch.last_offset_delta()) + 1;
    if by_offsets <= 0 {
        return Err(CheckError::OffsetRange { base_offset, last_offset });
    }
    if count <= 0 {
        return Err(CheckError::Count { count });
    }
    if by_offsets != i64::from(count) {
        return Err(CheckError::CountAndOffsets { base_offset, last_offset, count });
    }
    Ok(())
}

fn check_producer(batch: &BatchHeaderView<'_>) -> Result<(), CheckError> {
    if batch.is_control() {
        return Err(CheckError::ControlRecords);
    }
    let (producer_id, base_sequence) = (batch.producer_id(), batch.base_sequence());
    if batch.has_producer_id() && base_sequence < 0 {
        return Err(CheckError::Sequence { producer_id, base_sequence });
    }
    Ok(())
}

fn check_max_timestamp(
    batch: &BatchHeaderView<'_>,
    rules: &ProduceRules,
) -> Result<(), CheckError> {
    let timestamp = batch.max_timestamp();
    let (_, latest) = rules.timestamp_range();
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        return match timestamp > latest {
            true => Err(CheckError::Timestamp { timestamp, latest }),
            false => Ok(()),
        };
    }
    match batch.timestamp_type() {
        TimestampType::LogAppendTime => Err(CheckError::ClaimsAppendTime),
        TimestampType::CreateTime => Ok(()),
    }
}

/// What the records of a batch are, as opposed to what its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordsSummary {
    /// Records in the batch.
    pub count: i32,
    /// The latest timestamp in milliseconds, -1 where no record has one.
    pub max_timestamp: i64,
    /// Offset of the first record that has it.
    pub offset_of_max_timestamp: i64,
    /// Whether the offsets are base offset, base offset + 1 and so on. Where they are not, Kafka
    /// writes a compressed batch anew ([`super::convert::to_v2`]) and takes others as they are.
    pub offsets_are_consecutive: bool,
}

/// Checks every record of an entry that a producer sent: that it can be read, that there are as
/// many as the header says, and what the topic asks of keys and timestamps. Entries of all
/// formats are checked alike; those of v0 and v1 are converted afterwards.
///
/// # Errors
/// `Records` or `Refused`.
pub fn check_records(
    entry: &EntryView<'_>,
    records: &EntryRecords<'_>,
    rules: &ProduceRules,
) -> Result<RecordsSummary, CheckError> {
    match glance(entry, records, rules) {
        Some(summary) => Ok(summary),
        None => look(entry, records, rules),
    }
}

/// The same in one quick pass, where nothing is refused and the offsets are consecutive.
fn glance(
    entry: &EntryView<'_>,
    records: &EntryRecords<'_>,
    rules: &ProduceRules,
) -> Option<RecordsSummary> {
    let (EntryView::Batch(batch), EntryRecords::Batch(records)) = (entry, records) else {
        return None;
    };
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        return None;
    }
    let walk = records.walk()?;
    let (earliest, latest) = rules.timestamp_range();
    let is_timely = rules.timestamp_type == TimestampType::LogAppendTime
        || (walk.min_timestamp >= earliest && walk.max_timestamp <= latest);
    let has_time = walk.max_timestamp > NO_TIMESTAMP;
    let is_right = is_timely && has_time && (walk.has_keys || !rules.is_compacted);
    is_right.then(|| RecordsSummary {
        count: batch.records_count(),
        max_timestamp: walk.max_timestamp,
        offset_of_max_timestamp: batch.base_offset().wrapping_add(i64::from(walk.index_of_max)),
        offsets_are_consecutive: true,
    })
}

fn look(
    entry: &EntryView<'_>,
    records: &EntryRecords<'_>,
    rules: &ProduceRules,
) -> Result<RecordsSummary, CheckError> {
    let mut faults = Vec::new();
    let mut summary = RecordsSummary {
        count: 0,
        max_timestamp: NO_TIMESTAMP,
        offset_of_max_timestamp: first_offset(entry),
        offsets_are_consecutive: true,
    };
    for record in records {
        let record = record?;
        let index = summary.count;
        let expected = first_offset(entry).wrapping_add(i64::from(index));
        summary.offsets_are_consecutive &= record.offset == expected;
        if record.timestamp > summary.max_timestamp {
            summary.max_timestamp = record.timestamp;
            summary.offset_of_max_timestamp = record.offset;
        }
        let reason = refusal_of(&record, entry.timestamp_type(), rules);
        faults.extend(reason.map(|reason| RefusedRecord { index, reason }));
        summary.count += 1;
    }
    if faults.is_empty() { Ok(summary) } else { Err(CheckError::Refused { faults }) }
}

/// Where a producer's offsets begin: old clients count from 0 inside a message.
fn first_offset(entry: &EntryView<'_>) -> i64 {
    match entry {
        EntryView::Batch(batch) => batch.base_offset(),
        EntryView::Message(_) => 0,
    }
}

fn refusal_of(
    record: &RecordRef<'_>,
    timestamp_type: Option<TimestampType>,
    rules: &ProduceRules,
) -> Option<RefusedBecause> {
    if rules.is_compacted && record.key.is_none() {
        return Some(RefusedBecause::NoKey);
    }
    let (earliest, latest) = rules.timestamp_range();
    let timestamp = record.timestamp;
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        let in_range = (earliest..=latest).contains(&timestamp);
        return (!in_range).then_some(RefusedBecause::Timestamp { timestamp, earliest, latest });
    }
    let claims = timestamp_type == Some(TimestampType::LogAppendTime);
    claims.then_some(RefusedBecause::ClaimsAppendTime)
}
