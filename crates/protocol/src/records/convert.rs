//! Conversions between formats: up to v2 when old producers write or a topic wants another codec,
//! down to v0 and v1 when old consumers read.

use std::borrow::Cow;

use super::builder::{BatchBuilder, BatchOptions, BuildError};
use super::compression::{Compression, DecompressionLimit};
use super::entry::EntryView;
use super::header::MAGIC_AT;
use super::iter::{RecordError, RecordRef};
use super::legacy::{LegacyFormat, MessageSetBuilder};
use super::{BatchEntry, Batches, CompressionType, RecordBatchView, TimestampType};

/// Why entries cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The entries cannot be read.
    #[error(transparent)]
    Read(#[from] RecordError),
    /// The result cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There is more than the one batch that a conversion takes. Kafka answers `INVALID_RECORD`.
    #[error("more than one batch, of which one is compressed or of format v2")]
    MoreThanOneBatch,
    /// Entries of different formats in one request. Kafka answers `INVALID_RECORD`.
    #[error("an entry of format v{magic} after one of v{first}")]
    MixedFormats {
        /// The first entry's format.
        first: i8,
        /// This entry's format.
        magic: i8,
    },
    /// There are no records.
    #[error("no records")]
    Empty,
    /// Kafka answers `UNSUPPORTED_COMPRESSION_TYPE` to old consumers of zstd batches.
    #[error("zstd batches are not converted to older formats")]
    ZstdDown,
}

impl From<super::BatchError> for ConvertError {
    fn from(error: super::BatchError) -> Self {
        Self::Read(RecordError::Frame(error))
    }
}

/// How the leader writes what it converts to v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToV2 {
    /// Offset of the first record; the others follow without gaps.
    pub base_offset: i64,
    /// Epoch of the leader.
    pub partition_leader_epoch: i32,
    /// The codec that the topic wants.
    pub compression: Compression,
    /// The append time in milliseconds, where the topic wants that for a timestamp.
    pub append_time: Option<i64>,
    /// Most bytes that the records may become.
    pub limit: DecompressionLimit,
}

/// Makes one v2 batch of the entries of a produce request: of v0 or v1 messages, or of a v2 batch
/// whose codec or offsets are not what the log wants.
///
/// Producer id, epoch, sequence and the transaction bit of a v2 batch are kept; its headers too.
///
/// # Errors
/// [`ConvertError`] other than `ZstdDown`.
pub fn to_v2(entries: &[u8], how: &ToV2) -> Result<Vec<u8>, ConvertError> {
    let views = Batches::new(entries).map(|entry| Ok(entry?.view()?));
    let views = views.collect::<Result<Vec<_>, ConvertError>>()?;
    can_become_one_batch(&views)?;
    let mut builder = BatchBuilder::new(v2_options(&views, how));
    let mut offset = how.base_offset;
    for view in &views {
        view.check_crc()?;
        for record in &view.records(how.limit)? {
            builder.append_ref(offset, &record?)?;
            offset = offset.wrapping_add(1);
        }
    }
    Ok(builder.build()?)
}

/// Kafka's rule: uncompressed messages may be many, anything else comes as one batch.
fn can_become_one_batch(views: &[EntryView<'_>]) -> Result<(), ConvertError> {
    let first = views.first().ok_or(ConvertError::Empty)?.magic();
    if let Some(other) = views.iter().find(|view| view.magic() != first) {
        return Err(ConvertError::MixedFormats { first, magic: other.magic() });
    }
    let plain = |view: &EntryView<'_>| {
        matches!(view, EntryView::Message(_)) && view.compression_id() == CompressionType::None.id()
    };
    if views.len() > 1 && !views.iter().all(plain) {
        return Err(ConvertError::MoreThanOneBatch);
    }
    Ok(())
}

fn v2_options(views: &[EntryView<'_>], how: &ToV2) -> BatchOptions {
    let options = BatchOptions {
        base_offset: how.base_offset,
        partition_leader_epoch: how.partition_leader_epoch,
        compression: how.compression,
        append_time: how.append_time,
        ..BatchOptions::default()
    };
    match views {
        [EntryView::Batch(batch)] => BatchOptions {
            producer_id: batch.producer_id(),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            is_transactional: batch.is_transactional(),
            is_control: batch.is_control(),
            ..options
        },
        _ => options,
    }
}

/// Converts entries of a log for a consumer that knows no format above `format`.
///
/// As Kafka up to 3.9: entries old enough are copied; control batches are left out; headers are
/// dropped; offsets are kept, so that gaps stay; of an uncompressed batch the records below
/// `first_offset` are left out. A tail that is cut is left out. The result may be empty. `limit`
/// is for each batch; one is held decompressed at a time.
///
/// Old formats take more room. The result is no larger than `entries` all the same, whose size is
/// what the consumer asked for, unless its first entry alone is: the consumer asks for the rest. It
/// ends before an entry that cannot be converted, too; the consumer hears of that one when it is
/// the first.
///
/// # Errors
/// `Read`, `Build` or `ZstdDown`.
pub fn down_convert(
    entries: &[u8],
    format: LegacyFormat,
    first_offset: i64,
    limit: DecompressionLimit,
) -> Result<Vec<u8>, ConvertError> {
    let mut out = Vec::with_capacity(entries.len());
    for entry in Batches::new(entries) {
        let converted = entry
            .map_err(ConvertError::from)
            .and_then(|entry| down_convert_entry(&entry, format, first_offset, limit));
        match converted {
            Ok(bytes) if out.is_empty() || out.len() + bytes.len() <= entries.len() => {
                out.extend_from_slice(&bytes);
            }
            Err(error) if out.is_empty() => return Err(error),
            Ok(_) | Err(_) => break,
        }
    }
    Ok(out)
}

/// The beginning of an entry of which a consumer of Fetch up to version 2 asked for too little: the
/// beginning of a message of its format, as brokers of that age sent it. It tells the consumer that
/// its limit is too small (KIP-74 was not yet).
#[must_use]
pub fn cut_message(entry: &[u8], format: LegacyFormat) -> Vec<u8> {
    let mut head = entry.get(..=MAGIC_AT).unwrap_or(entry).to_vec();
    if let Some(magic) = head.get_mut(MAGIC_AT) {
        *magic = format.magic().to_be_bytes()[0];
    }
    head
}

/// One entry, borrowed where it is old enough; nothing for a control batch.
fn down_convert_entry<'a>(
    entry: &BatchEntry<'a>,
    format: LegacyFormat,
    first_offset: i64,
    limit: DecompressionLimit,
) -> Result<Cow<'a, [u8]>, ConvertError> {
    let view = entry.view()?;
    if view.is_control() {
        Ok(Cow::Borrowed(&[]))
    } else if view.compression_id() == CompressionType::Zstd.id() {
        Err(ConvertError::ZstdDown)
    } else if view.magic() <= format.magic() {
        Ok(Cow::Borrowed(entry.bytes()))
    } else {
        Ok(Cow::Owned(rebuild_down(&view, format, first_offset, limit)?))
    }
}

fn rebuild_down(
    view: &EntryView<'_>,
    format: LegacyFormat,
    first_offset: i64,
    limit: DecompressionLimit,
) -> Result<Vec<u8>, ConvertError> {
    let id = view.compression_id();
    let codec = CompressionType::from_id(id).ok_or(RecordError::UnknownCompression { id })?;
    let append_time = match view.timestamp_type() {
        Some(TimestampType::LogAppendTime) => Some(view.max_timestamp()),
        _ => None,
    };
    let mut builder = MessageSetBuilder::new(format, Compression::of(codec), append_time)?;
    for record in &view.records(limit)? {
        let RecordRef { offset, timestamp, key, value, .. } = record?;
        if codec != CompressionType::None || offset >= first_offset {
            builder.append(offset, timestamp, key, value)?;
        }
    }
    Ok(builder.build()?)
}

/// Whether a v2 batch must be written anew for a topic's codec: only the codec counts, not the
/// level.
#[must_use]
pub fn must_recompress(batch: &RecordBatchView<'_>, wanted: CompressionType) -> bool {
    batch.compression() != Some(wanted)
}
