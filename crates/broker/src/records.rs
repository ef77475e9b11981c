//! Records as they come from producers: checked, and rebuilt where the topic wants another form;
//! and those that coordinators write.

use klamm_config::{Compression as Wanted, TimestampType as TopicTime, TopicConfig};
use klamm_protocol::{
    ErrorCode,
    records::{
        BatchEntry, Batches, Compression, CompressionType, DecompressionLimit, MAGIC_V2,
        RecordBatchView, TimestampType,
        builder::{BatchBuilder, BatchOptions, BuildError, NewRecord},
        check::{CheckError, ProduceRules, Refusal, check_batch_header, check_records},
        convert::{ConvertError, ToV2, to_v2},
    },
};
use klamm_transactions::Batch;

/// Why records are not appended: a code, a text, and the records at fault if it is single ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) text: Option<String>,
    pub(crate) records: Vec<(i32, String)>,
}

impl Fault {
    /// Just a code.
    pub(crate) fn of(code: ErrorCode) -> Self {
        Self { code, text: None, records: Vec::new() }
    }

    /// A code and what to tell the client.
    pub(crate) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: Some(text.into()), records: Vec::new() }
    }
}

impl From<CheckError> for Fault {
    fn from(error: CheckError) -> Self {
        let code = match error.refusal() {
            Refusal::CorruptMessage => ErrorCode::CorruptMessage,
            Refusal::InvalidRecord => ErrorCode::InvalidRecord,
            Refusal::InvalidTimestamp => ErrorCode::InvalidTimestamp,
            Refusal::MessageTooLarge => ErrorCode::MessageTooLarge,
        };
        let records = match &error {
            CheckError::Refused { faults } => {
                faults.iter().map(|fault| (fault.index, fault.reason.to_string())).collect()
            }
            _ => Vec::new(),
        };
        Self { code, text: Some(error.to_string()), records }
    }
}

impl From<ConvertError> for Fault {
    fn from(error: ConvertError) -> Self {
        Self::new(ErrorCode::InvalidRecord, error.to_string())
    }
}

impl From<klamm_protocol::records::RecordError> for Fault {
    fn from(error: klamm_protocol::records::RecordError) -> Self {
        CheckError::from(error).into()
    }
}

impl From<klamm_protocol::records::BatchError> for Fault {
    fn from(error: klamm_protocol::records::BatchError) -> Self {
        Self::new(ErrorCode::CorruptMessage, error.to_string())
    }
}

/// Records that passed.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// To be appended from where they are.
    AsTheyAre,
    /// The same, once their header names this largest time, which is that of the records.
    Corrected(i64),
    /// To be appended in this form instead.
    Rebuilt(Vec<u8>),
}

/// Whether the topic's records carry the time of their append.
pub(crate) fn has_append_time(config: &TopicConfig) -> bool {
    config.message_timestamp_type == TopicTime::LogAppendTime
}

/// What a request of this version may carry: from version 3 on exactly one batch of format v2,
/// zstd from version 7 on.
pub(crate) fn check_format(bytes: &[u8], version: i16) -> Result<(), Fault> {
    if version < 3 {
        return Ok(());
    }
    let invalid = |what: &str| {
        let text = format!("Produce requests with version {version} {what}");
        Err(Fault::new(ErrorCode::InvalidRecord, text))
    };
    let mut batches = Batches::new(bytes);
    let Some(first) = batches.next() else {
        return invalid("must have at least one record batch per partition");
    };
    let first = first?;
    if first.magic() != MAGIC_V2 {
        return invalid("are only allowed to contain record batches with magic version 2");
    }
    let is_zstd = first.batch()?.compression() == Some(CompressionType::Zstd);
    if version < 7 && is_zstd {
        let text = format!(
            "Produce requests with version {version} are not allowed to use ZStandard compression"
        );
        return Err(Fault::new(ErrorCode::UnsupportedCompressionType, text));
    }
    match batches.next() {
        None => Ok(()),
        Some(_) => invalid("are only allowed to contain exactly one record batch per partition"),
    }
}

/// Whether any batch is part of a transaction.
pub(crate) fn is_transactional(bytes: &[u8]) -> bool {
    let batches = Batches::new(bytes).filter_map(Result::ok);
    batches.filter_map(|entry| entry.batch().ok()).any(|batch| batch.is_transactional())
}

/// The first batch, if it is part of a transaction.
pub(crate) fn transactional(bytes: &[u8]) -> Option<Batch> {
    let view = Batches::new(bytes).next()?.ok()?.batch().ok()?;
    Batch::of(&view).filter(|batch| batch.transactional)
}

/// A batch of a coordinator's records, given as keys and values.
pub(crate) fn of_coordinator<'a>(
    options: BatchOptions,
    now_ms: i64,
    records: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) -> Result<Vec<u8>, BuildError> {
    let mut builder = BatchBuilder::new(options);
    for (key, value) in records {
        let record = NewRecord { timestamp: now_ms, key: Some(key), value, headers: &[] };
        builder.append(&record)?;
    }
    builder.build()
}

/// Checks the records of one partition against the topic's configuration.
pub(crate) fn prepare(
    bytes: &[u8],
    config: &TopicConfig,
    now_ms: i64,
    limit: DecompressionLimit,
) -> Result<Prepared, Fault> {
    let rules = rules_of(config, now_ms);
    let mut form = None;
    for entry in Batches::new(bytes) {
        form = form.max(Some(check_entry(&entry?, &rules, config, limit)?));
    }
    match form {
        None => return Err(Fault::new(ErrorCode::InvalidRecord, "there is no record batch")),
        Some(Form::Right) => return Ok(Prepared::AsTheyAre),
        Some(Form::WrongTime(max_timestamp)) => return Ok(Prepared::Corrected(max_timestamp)),
        Some(Form::ToRebuild) => {}
    }
    let how = ToV2 {
        base_offset: 0,
        partition_leader_epoch: -1,
        compression: target(bytes, config),
        append_time: has_append_time(config).then_some(now_ms),
        limit,
    };
    let rebuilt = to_v2(bytes, &how)?;
    if rebuilt.len() > rules.size_max {
        let error = CheckError::TooLarge { size: rebuilt.len(), limit: rules.size_max };
        return Err(error.into());
    }
    Ok(Prepared::Rebuilt(rebuilt))
}

fn rules_of(config: &TopicConfig, now_ms: i64) -> ProduceRules {
    ProduceRules {
        size_max: usize::try_from(config.max_message_bytes).unwrap_or(0),
        timestamp_type: match config.message_timestamp_type {
            TopicTime::CreateTime => TimestampType::CreateTime,
            TopicTime::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        is_compacted: config.cleanup_policy.compact,
        now_ms,
    }
}

/// In which form an entry came, the better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// As it is to be stored.
    Right,
    /// Its header names another largest time than this one of its records.
    WrongTime(i64),
    /// It must be built anew.
    ToRebuild,
}

/// Checks one entry.
fn check_entry(
    entry: &BatchEntry<'_>,
    rules: &ProduceRules,
    config: &TopicConfig,
    limit: DecompressionLimit,
) -> Result<Form, Fault> {
    if entry.magic() != MAGIC_V2 {
        if entry.size_in_bytes() > rules.size_max {
            let (size, limit) = (entry.size_in_bytes(), rules.size_max);
            return Err(CheckError::TooLarge { size, limit }.into());
        }
        let view = entry.view()?;
        view.check_crc()?;
        check_records(&view, &view.records(limit)?, rules)?;
        return Ok(Form::ToRebuild);
    }
    let batch = entry.batch()?;
    let by_header = check_batch_header(&batch, rules);
    // What is wrong with the times is told record by record.
    let is_untimely = by_header.as_ref().is_err_and(CheckError::is_about_time);
    if !is_untimely {
        by_header?;
    }
    // Looking through records that are not compressed costs little, and keeps damage out.
    let is_plain = batch.compression() == Some(CompressionType::None);
    let mut max_timestamp = batch.max_timestamp();
    if is_plain || is_untimely || rules.need_records() {
        let view = entry.view()?;
        let summary = check_records(&view, &view.records(limit)?, rules)?;
        // The time index, and searches by time, rest on it.
        if rules.timestamp_type == TimestampType::CreateTime {
            max_timestamp = summary.max_timestamp;
        }
    }
    Ok(match max_timestamp == batch.max_timestamp() {
        _ if must_recompress(&batch, config) => Form::ToRebuild,
        true => Form::Right,
        false => Form::WrongTime(max_timestamp),
    })
}

fn must_recompress(batch: &RecordBatchView<'_>, config: &TopicConfig) -> bool {
    wanted(config).is_some_and(|wanted| batch.compression() != Some(wanted.codec()))
}

/// The codec the topic wants, none if it is the producer's own.
fn wanted(config: &TopicConfig) -> Option<Compression> {
    let of = |codec, level| {
        Compression::with_level(codec, level).unwrap_or_else(|_| Compression::of(codec))
    };
    Some(match config.compression {
        Wanted::Producer => return None,
        Wanted::Uncompressed => Compression::NONE,
        Wanted::Gzip(level) => of(CompressionType::Gzip, level),
        Wanted::Snappy => Compression::of(CompressionType::Snappy),
        Wanted::Lz4(level) => of(CompressionType::Lz4, level),
        Wanted::Zstd(level) => of(CompressionType::Zstd, level),
    })
}

/// The codec of a rebuilt batch: what the topic wants, or what the records came in with.
fn target(bytes: &[u8], config: &TopicConfig) -> Compression {
    wanted(config).unwrap_or_else(|| {
        let first = Batches::new(bytes).next().and_then(Result::ok);
        let view = first.and_then(|entry| entry.view().ok());
        let codec = view.and_then(|view| CompressionType::from_id(view.compression_id()));
        codec.map_or(Compression::NONE, Compression::of)
    })
}

#[cfg(test)]
mod tests {
    use klamm_config::{BrokerConfig, Dynamic, Layers, Map};
    use klamm_protocol::records::{
        BatchBuilder, BatchOptions, NewRecord, patch::set_max_timestamp,
    };

    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    /// A batch with a record for each time; the header may claim another largest time.
    fn batch(times: &[i64], claimed: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for timestamp in times {
            let (key, value) = (None, Some(&b"v"[..]));
            builder.append(&NewRecord { timestamp: *timestamp, key, value, headers: &[] }).unwrap();
        }
        let mut bytes = builder.build().unwrap();
        if let Some(claimed) = claimed {
            set_max_timestamp(&mut bytes, TimestampType::CreateTime, claimed).unwrap();
        }
        bytes
    }

    fn check(bytes: &[u8]) -> String {
        let config = BrokerConfig::resolve(Layers::default()).unwrap();
        let topic = TopicConfig::resolve(&config.effective(Dynamic::NONE), &Map::new()).unwrap();
        match prepare(bytes, &topic, NOW_MS, DecompressionLimit(1 << 20)) {
            Ok(Prepared::AsTheyAre) => "as it is".to_owned(),
            Ok(Prepared::Corrected(time)) => format!("max {}", time - NOW_MS),
            Ok(Prepared::Rebuilt(bytes)) => {
                let entry = Batches::new(&bytes).next().unwrap().unwrap();
                format!("rebuilt, max {}", entry.batch().unwrap().max_timestamp() - NOW_MS)
            }
            Err(fault) => {
                let at: Vec<i32> = fault.records.iter().map(|(index, _)| *index).collect();
                format!("{} {at:?}", fault.code.name())
            }
        }
    }

    #[test]
    fn times_are_those_of_the_records() {
        assert_eq!(check(&batch(&[NOW_MS, NOW_MS - 5], None)), "as it is");
        assert_eq!(check(&batch(&[NOW_MS, NOW_MS + 5], Some(NOW_MS + 9))), "max 5");
        let late = NOW_MS + 2 * HOUR_MS;
        assert_eq!(check(&batch(&[NOW_MS, late, late], None)), "INVALID_TIMESTAMP [1, 2]");
        assert_eq!(check(&batch(&[NOW_MS, NOW_MS], Some(late))), "max 0");
    }
}
