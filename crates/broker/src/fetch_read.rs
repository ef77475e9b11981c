//! Reading what a fetch wants: ranges of files first, then pieces that can be sent.

use std::{io, sync::Arc};

use bytes::Bytes;
use klamm_env::{
    File, disk,
    net::{BoxFuture, Piece},
};
use klamm_log::{AbortedTransaction, Log, ReadError, Slice, Wait};
use klamm_planted::planted;
use klamm_protocol::{
    ErrorCode,
    records::{
        DecompressionLimit,
        convert::{ConvertError, cut_message, down_convert},
        legacy::LegacyFormat,
    },
};

use crate::{
    api::Limits,
    broker::Broker,
    fetch_sessions::{Target, Want},
    partition::{Isolation, Partition, Topic, Wait as Awaited, Watching},
};

/// A range of at most so many bytes is read and sent with the rest of the answer in one call; a
/// larger one is sent from the file.
const GATHER_BYTES_MAX: u64 = 32 * 1024;

/// What was found of one partition.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) target: Target,
    /// The topic, if it is here.
    pub(crate) topic: Option<Arc<Topic>>,
    /// The partition, with its changes before it was read.
    partition: Option<(Arc<Partition>, u64)>,
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// Where the reader's log parts from this one, as an epoch and its end offset; then there are
    /// no records.
    pub(crate) diverging: Option<(i32, i64)>,
    offset: i64,
    slice: Option<Slice>,
    pub(crate) piece: Option<Piece>,
    /// For readers of what is committed: where to look for what they must pass over.
    log: Option<Arc<Log>>,
    /// What they must pass over.
    pub(crate) aborted: Vec<AbortedTransaction>,
}

impl Part {
    fn failed(target: Target, error: ErrorCode) -> Self {
        Self {
            target,
            topic: None,
            partition: None,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging: None,
            offset: -1,
            slice: None,
            piece: None,
            log: None,
            aborted: Vec::new(),
        }
    }

    /// Bytes of records.
    pub(crate) fn len(&self) -> u64 {
        match (&self.piece, &self.slice) {
            (Some(piece), _) => piece.len(),
            (None, Some(slice)) => slice.len,
            (None, None) => 0,
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.error != ErrorCode::None
    }

    /// Wakes `wait` whenever there may be more of the partition to read.
    pub(crate) fn watch(&self, wait: &Arc<Awaited>) -> Option<Watching> {
        self.partition.as_ref().map(|(partition, _)| partition.watch(wait))
    }

    /// Whether there may be more to read than was found.
    pub(crate) fn is_outdated(&self) -> bool {
        self.partition.as_ref().is_some_and(|(partition, changes)| partition.changes() != *changes)
    }
}

/// Finds the records of all partitions, within the limits.
pub(crate) fn read_all(broker: &Broker, wants: &[(Target, Want)], limits: &Limits) -> Vec<Part> {
    let mut left = limits.bytes_max;
    let mut first = !limits.hard;
    let mut parts = Vec::with_capacity(wants.len());
    for (target, want) in wants {
        let part = match broker.find(target) {
            Ok((topic, partition)) => {
                let changes = partition.changes();
                let part = read(broker, &partition, target, want, limits, left, first);
                Part { topic: Some(topic), partition: Some((partition, changes)), ..part }
            }
            Err(error) => Part::failed(target.clone(), error),
        };
        left = left.saturating_sub(part.len());
        first &= part.len() == 0;
        parts.push(part);
    }
    parts
}

fn read(
    broker: &Broker,
    partition: &Arc<Partition>,
    target: &Target,
    want: &Want,
    limits: &Limits,
    left: u64,
    first: bool,
) -> Part {
    let checked =
        check_epoch(partition, want.leader_epoch).and_then(|()| diverging(partition, want));
    let diverging = match checked {
        Ok(diverging) => diverging,
        Err(error) => return Part::failed(target.clone(), error),
    };
    let bytes_max = u64::try_from(want.bytes_max).unwrap_or(0).min(left);
    // Read before the records: a reader must not be told less than it is given.
    let log_start_offset = partition.start_offset();
    let slice = match diverging {
        Some(_) => None,
        None => match partition.read(want.offset, bytes_max, first, limits.isolation) {
            Ok(slice) => Some(slice).filter(|slice| limits.hard || !slice.first_incomplete),
            Err(error) => return Part::failed(target.clone(), error_of(broker, partition, &error)),
        },
    };
    let is_committed = limits.isolation == Isolation::ReadCommitted;
    Part {
        target: target.clone(),
        topic: None,
        partition: None,
        error: ErrorCode::None,
        high_watermark: partition.high_watermark(),
        // After the records: all of them are decided below it.
        last_stable_offset: partition.last_stable_offset(),
        log_start_offset,
        diverging,
        offset: want.offset,
        slice,
        piece: None,
        log: is_committed.then(|| partition.log().cloned()).flatten(),
        aborted: Vec::new(),
    }
}

/// Whether the reader's log parts from this one before the offset it asks for (KIP-595), told
/// by the epoch of the last record it has.
fn diverging(partition: &Partition, want: &Want) -> Result<Option<(i32, i64)>, ErrorCode> {
    if want.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let log = partition.log().ok_or(ErrorCode::KafkaStorageError)?;
    let end = log.epoch_end_offset(want.last_fetched_epoch);
    let (epoch, end_offset) = end.ok_or(ErrorCode::OffsetOutOfRange)?;
    if want.offset < log.start_offset() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let is_behind = epoch < want.last_fetched_epoch || end_offset < want.offset;
    Ok(is_behind.then_some((epoch, end_offset)))
}

/// Compares the leader epoch that the client knows (KIP-320).
pub(crate) fn check_epoch(partition: &Partition, known: i32) -> Result<(), ErrorCode> {
    let current = partition.leader_epoch();
    match known {
        -1 => Ok(()),
        known if known < current => Err(ErrorCode::FencedLeaderEpoch),
        known if known > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

fn error_of(broker: &Broker, partition: &Partition, error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Io(error) => {
            // Another error than the operating system's is about the log, not its device.
            if error.raw_os_error().is_some() {
                broker.disk_failed(partition, error);
            }
            ErrorCode::KafkaStorageError
        }
        ReadError::Corrupt { .. } => {
            broker.log_damage(partition, error);
            ErrorCode::KafkaStorageError
        }
    }
}

/// Records on their way to the network.
pub(crate) enum Loaded {
    /// All can be sent.
    Ready(Vec<Part>),
    /// Some must be waited for.
    Cold(BoxFuture<'static, Vec<Part>>),
}

/// Makes pieces of ranges. What is not in the page cache is read on the disk's threads first.
pub(crate) fn load(broker: &Arc<Broker>, version: i16, mut parts: Vec<Part>) -> Loaded {
    if let Some(format) = legacy_format(version) {
        let limit = broker.decompression_limit();
        let disk = Arc::clone(&broker.env.disk);
        let work = move || {
            for part in &mut parts {
                part.convert(format, limit);
            }
            parts
        };
        return Loaded::Cold(Box::pin(
            async move { disk::run(&disk, work).await.unwrap_or_default() },
        ));
    }
    let mut all = true;
    for part in &mut parts {
        all &= part.load(Wait::No);
    }
    if all {
        return Loaded::Ready(parts);
    }
    let disk = Arc::clone(&broker.env.disk);
    let work = move || {
        for part in &mut parts {
            part.load(Wait::Yes);
        }
        parts
    };
    Loaded::Cold(Box::pin(async move { disk::run(&disk, work).await.unwrap_or_default() }))
}

fn legacy_format(version: i16) -> Option<LegacyFormat> {
    match version {
        0 | 1 => Some(LegacyFormat::V0),
        2 | 3 => Some(LegacyFormat::V1),
        _ => None,
    }
}

/// Makes a piece of a range of a file; none if the disk would have to be waited for.
pub(crate) fn piece(
    file: &Arc<dyn File>,
    position: u64,
    len: u64,
    wait: Wait,
) -> io::Result<Option<Piece>> {
    if len > GATHER_BYTES_MAX {
        match wait {
            Wait::No if !file.is_cached(position, len) => return Ok(None),
            Wait::Yes => drop(file.prefetch(position, len)),
            Wait::No => {}
        }
        return Ok(Some(Piece::File { file: Arc::clone(file), offset: position, len }));
    }
    let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = match wait {
        Wait::No => file.try_read_at(&mut buf, position)?,
        Wait::Yes => Some(file.read_at(&mut buf, position)?),
    };
    Ok(read.map(|read| {
        buf.truncate(read);
        Piece::Bytes(Bytes::from(buf))
    }))
}

impl Part {
    /// Makes a piece of the range; false if the disk would have to be waited for.
    fn load(&mut self, wait: Wait) -> bool {
        self.load_aborted(wait) && self.load_records(wait)
    }

    fn load_aborted(&mut self, wait: Wait) -> bool {
        let (Some(log), Some(slice)) = (&self.log, &self.slice) else { return true };
        if slice.len == 0 {
            return true;
        }
        match log.aborted_transactions(self.offset, slice, self.last_stable_offset, wait) {
            Ok(None) => return false,
            Ok(Some(aborted)) => {
                self.aborted = aborted;
                self.log = None;
            }
            Err(_) => self.fail(),
        }
        true
    }

    fn load_records(&mut self, wait: Wait) -> bool {
        if self.piece.is_some() {
            return true;
        }
        let Some(Slice { file: Some(file), position, len, .. }) = &self.slice else { return true };
        match piece(file, *position, *len, wait) {
            Ok(None) => return false,
            Ok(piece) => self.piece = piece,
            Err(_) => self.fail(),
        }
        true
    }

    fn fail(&mut self) {
        self.refuse(ErrorCode::KafkaStorageError);
    }

    fn refuse(&mut self, error: ErrorCode) {
        let target = self.target.clone();
        *self = Self::failed(target, error);
    }

    /// Brings the records into the format of an old reader.
    fn convert(&mut self, format: LegacyFormat, limit: DecompressionLimit) {
        let Some(Slice { file: Some(file), position, len, first_incomplete, .. }) = &self.slice
        else {
            return;
        };
        let mut buf = vec![0; usize::try_from(*len).unwrap_or(0)];
        let Ok(read) = file.read_at(&mut buf, *position) else { return self.fail() };
        let converted = match first_incomplete {
            true => Ok(cut_message(&buf[..read], format)),
            false => down_convert(&buf[..read], format, self.offset, limit),
        };
        match converted {
            Ok(mut converted) => {
                if planted("converted-offset-zero")
                    && let Some(offset) = converted.first_chunk_mut()
                {
                    *offset = 0_i64.to_be_bytes();
                }
                self.piece = Some(Piece::Bytes(Bytes::from(converted)));
            }
            Err(error) => {
                tracing::warn!("{}-{}: {error}", self.target.topic, self.target.index);
                self.refuse(unconverted(&error));
            }
        }
    }
}

/// What a reader is told of records that cannot have its format.
fn unconverted(error: &ConvertError) -> ErrorCode {
    match error {
        ConvertError::ZstdDown => ErrorCode::UnsupportedCompressionType,
        ConvertError::Read(_) => ErrorCode::CorruptMessage,
        _ => ErrorCode::UnsupportedForMessageFormat,
    }
}
