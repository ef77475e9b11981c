//! ListOffsets (key 2), versions 0 to 11: offsets by time, and those with a meaning of their own:
//! first, last, the one with the largest timestamp.
//!
//! A client sees nothing at or above its bound: the high watermark, or for `read_committed` the
//! last stable offset. Version 0 answers where segments begin, by the times of their files.
//!
//! Cost: first and last offset without looking at the disk; the rest on the disk's threads.
//!
//! Left out: tiered storage. What asks for it finds nothing, as in a Kafka without it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use klamm_env::disk::{self, Disk};
use klamm_log::{Log, ReadError, TimestampOffset};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::ListOffsetsPartition,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};

use super::{Api, Context, Permission, QuotaClass, cluster_view};
use crate::{
    fetch_read::check_epoch,
    partition::{Isolation, Partition},
    request::{Answer, Envelope, Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::ListOffsets,
    permissions: &[Permission::TopicDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// In `replica_id`: an ordinary client, which sees no more than it may.
const CONSUMER: i32 = -1;

/// What a timestamp asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// -1.
    Latest,
    /// -2, and -4 for the first offset on this broker's own disk, which is the same here.
    Earliest,
    /// -3 (KIP-734).
    MaxTimestamp,
    /// -5 (KIP-1005) and -6 (KIP-1023): what tiered storage has, or not yet has.
    Tiered,
    /// The first record at or after a time.
    Time(i64),
}

impl Asked {
    /// None if the version does not know it.
    fn of(timestamp: i64, version: i16) -> Option<Self> {
        let (asked, since) = match timestamp {
            -1 => (Self::Latest, 0),
            -2 => (Self::Earliest, 0),
            -3 => (Self::MaxTimestamp, 7),
            -4 => (Self::Earliest, 8),
            -5 => (Self::Tiered, 9),
            -6 => (Self::Tiered, 11),
            0.. => (Self::Time(timestamp), 0),
            _ => return None,
        };
        (version >= since).then_some(asked)
    }
}

/// The answer for a partition, or what is to be done for it.
enum Part {
    Done(ListOffsetsPartitionResponse<'static>),
    Search(Search),
}

/// A search that may have to wait for the disk.
struct Search {
    index: i32,
    log: Arc<Log>,
    what: What,
    /// The offset that the client may not see.
    upper: i64,
    /// What to say if there is nothing below `upper`.
    otherwise: ErrorCode,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Time(i64),
    MaxTimestamp,
    /// Version 0: at most so many offsets that were begun not after a time.
    Segments {
        timestamp: i64,
        max: usize,
        now_ms: i64,
    },
}

/// The parts of a topic, in the order of the request.
type Topics = Vec<(String, Vec<Part>)>;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ListOffsetsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let topics = plan(cx, request.version, &body);
    let envelope = request.envelope();
    let is_done = |part: &Part| matches!(part, Part::Done(_));
    if topics.iter().all(|(_, parts)| parts.iter().all(is_done)) {
        return Outcome::Now(answer(&envelope, &*cx.broker.env.disk, topics));
    }
    let disk = Arc::clone(&cx.broker.env.disk);
    Outcome::Later(Box::pin(async move {
        let files = Arc::clone(&disk);
        let work = move || answer(&envelope, &*files, topics);
        let stopped = |error| Answer::Close(format!("cannot search the logs: {error}"));
        disk::run(&disk, work).await.unwrap_or_else(stopped)
    }))
}

/// Partitions of one topic stand together, and a partition once, however often they are named.
fn plan(cx: &Context<'_>, version: i16, body: &ListOffsetsRequest<'_>) -> Topics {
    let duplicates = if version == 0 { BTreeSet::new() } else { duplicates(body) };
    let mut topics: Topics = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for topic in &body.topics {
        let at = *places.entry(&topic.name).or_insert_with(|| {
            topics.push((topic.name.clone().into_owned(), Vec::new()));
            topics.len() - 1
        });
        for partition in &topic.partitions {
            let name = (&*topic.name, partition.partition_index);
            let part = if !duplicates.contains(&name) {
                part(cx, version, body, &topic.name, partition)
            } else if told.insert(name) {
                Err(ErrorCode::InvalidRequest)
            } else {
                continue;
            };
            let failed = |error| Part::Done(failure(partition.partition_index, error));
            topics[at].1.push(part.unwrap_or_else(failed));
        }
    }
    topics
}

/// What is named more than once.
fn duplicates<'a>(body: &'a ListOffsetsRequest<'_>) -> BTreeSet<(&'a str, i32)> {
    let mut seen = BTreeSet::new();
    let named = body.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (&*topic.name, partition.partition_index))
    });
    named.filter(|name| !seen.insert(*name)).collect()
}

fn part(
    cx: &Context<'_>,
    version: i16,
    body: &ListOffsetsRequest<'_>,
    topic: &str,
    wanted: &ListOffsetsPartition<'_>,
) -> Result<Part, ErrorCode> {
    let index = wanted.partition_index;
    let asked = Asked::of(wanted.timestamp, version).ok_or(ErrorCode::UnsupportedVersion)?;
    let isolation = isolation(body)?;
    let partition = cluster_view::partition(cx.broker, topic, index)?;
    check_epoch(&partition, wanted.current_leader_epoch)?;
    let log = Arc::clone(partition.log().ok_or(ErrorCode::KafkaStorageError)?);
    let upper = partition.upper(isolation);
    let otherwise = while_behind(version, &partition, &log);
    let what = match asked {
        _ if version == 0 => What::Segments {
            timestamp: wanted.timestamp,
            max: usize::try_from(wanted.max_num_offsets).unwrap_or(0),
            now_ms: cx.now_ms,
        },
        Asked::Latest if otherwise != ErrorCode::None => return Err(otherwise),
        Asked::Latest => return Ok(done(index, -1, upper, partition.leader_epoch())),
        Asked::Earliest => {
            let start = log.start_offset();
            return Ok(done(index, -1, start, log.epoch_of_offset(start).unwrap_or(-1)));
        }
        Asked::Tiered => return Ok(done(index, -1, -1, -1)),
        Asked::MaxTimestamp => What::MaxTimestamp,
        Asked::Time(timestamp) => What::Time(timestamp),
    };
    Ok(Part::Search(Search { index, log, what, upper, otherwise }))
}

/// Replicas and debuggers see the whole log.
fn isolation(body: &ListOffsetsRequest<'_>) -> Result<Isolation, ErrorCode> {
    match (body.replica_id, body.isolation_level) {
        (CONSUMER, 0) => Ok(Isolation::ReadUncommitted),
        (CONSUMER, 1) => Ok(Isolation::ReadCommitted),
        (_, 0 | 1) => Ok(Isolation::LogEnd),
        // Kafka's code stumbles over this one.
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// The error for what lies above the high watermark while a new leader does not know yet how far
/// its predecessor had come (KIP-207).
fn while_behind(version: i16, partition: &Partition, log: &Log) -> ErrorCode {
    let epoch = partition.leader_epoch();
    let own = log.latest_epoch().filter(|entry| entry.epoch == epoch);
    match own {
        Some(own) if partition.high_watermark() < own.start_offset => match version {
            5.. => ErrorCode::OffsetNotAvailable,
            _ => ErrorCode::LeaderNotAvailable,
        },
        _ => ErrorCode::None,
    }
}

fn done(index: i32, timestamp: i64, offset: i64, leader_epoch: i32) -> Part {
    Part::Done(found(index, timestamp, offset, leader_epoch))
}

fn found(
    index: i32,
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
) -> ListOffsetsPartitionResponse<'static> {
    ListOffsetsPartitionResponse {
        partition_index: index,
        timestamp,
        offset,
        leader_epoch,
        ..ListOffsetsPartitionResponse::default()
    }
}

fn failure(index: i32, error: ErrorCode) -> ListOffsetsPartitionResponse<'static> {
    ListOffsetsPartitionResponse {
        partition_index: index,
        error_code: error.code(),
        ..ListOffsetsPartitionResponse::default()
    }
}

impl Search {
    fn run(&self, disk: &dyn Disk) -> ListOffsetsPartitionResponse<'static> {
        let hit = match self.what {
            What::Time(timestamp) => self.log.offset_for_time(timestamp, self.upper),
            What::MaxTimestamp => self.log.newest_record(),
            What::Segments { timestamp, max, now_ms } => {
                return self.segments(disk, timestamp, max, now_ms);
            }
        };
        match hit.map(|hit| hit.filter(|hit| hit.offset < self.upper)) {
            Ok(Some(TimestampOffset { timestamp, offset })) => {
                let epoch = self.log.epoch_of_offset(offset).unwrap_or(-1);
                found(self.index, timestamp, offset, epoch)
            }
            Ok(None) => failure(self.index, self.otherwise),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &ReadError) -> ListOffsetsPartitionResponse<'static> {
        tracing::warn!("{}: cannot search by time: {error}", self.log.name());
        failure(self.index, ErrorCode::KafkaStorageError)
    }

    /// The offsets at which segments begin, and the end of the log, newest first; beginning with
    /// the first that is not younger than the time.
    fn segments(
        &self,
        disk: &dyn Disk,
        timestamp: i64,
        max: usize,
        now_ms: i64,
    ) -> ListOffsetsPartitionResponse<'static> {
        let files = match disk.list(&self.log.dir()) {
            Ok(files) => files,
            Err(error) => return self.failed(&ReadError::Io(error)),
        };
        let start = self.log.start_offset();
        let segment = |file: &disk::Entry| {
            let base: i64 = file.name.strip_suffix(".log")?.parse().ok()?;
            Some((base.max(start), file.modified_ms, file.len))
        };
        let mut begun: Vec<(i64, i64, u64)> = files.iter().filter_map(segment).collect();
        begun.sort_unstable();
        if begun.last().is_none_or(|(_, _, len)| *len > 0) {
            begun.push((self.log.end_offset(), now_ms, 0));
        }
        let first = match timestamp {
            -1 => 0,
            -2 => begun.len() - 1,
            time => {
                let old_enough = |(_, modified, _): &(i64, i64, u64)| *modified <= time;
                begun.iter().rev().position(old_enough).unwrap_or(begun.len())
            }
        };
        let mut offsets: Vec<i64> =
            begun.iter().rev().skip(first).take(max).map(|(offset, _, _)| *offset).collect();
        if offsets.iter().any(|offset| *offset > self.upper) {
            // As of the time the request came: the search may have waited for the disk since.
            offsets.retain(|offset| *offset <= self.upper);
            offsets.insert(0, self.upper);
        }
        ListOffsetsPartitionResponse {
            partition_index: self.index,
            old_style_offsets: offsets,
            ..ListOffsetsPartitionResponse::default()
        }
    }
}

fn answer(envelope: &Envelope, disk: &dyn Disk, topics: Topics) -> Answer {
    let part = |part: Part| match part {
        Part::Done(response) => response,
        Part::Search(search) => search.run(disk),
    };
    let topic = |(name, parts): (String, Vec<Part>)| ListOffsetsTopicResponse {
        name: name.into(),
        partitions: parts.into_iter().map(part).collect(),
        ..ListOffsetsTopicResponse::default()
    };
    envelope.answer(&ListOffsetsResponse {
        topics: topics.into_iter().map(topic).collect(),
        ..ListOffsetsResponse::default()
    })
}
