//! A share fetch: records are found, acquired, and sent from the file.
//!
//! Reading comes before acquiring, and acquiring looks again at what is still there: two members
//! that read the same get different records.

use std::{io, sync::Arc};

use klamm_env::{disk, net::Piece};
use klamm_groups::share::partition::{Acquired, Ask, Limits, Span};
use klamm_log::{AbortedTransaction, BatchSpan, ReadError, Slice, Wait as Disk};
use klamm_protocol::ErrorCode;
use tokio::time::{Duration, Instant};

use super::{Held, MemberKey, Place, settings};
use crate::{
    broker::{Broker, Found},
    fetch_read::piece,
    partition::{Isolation, Wait},
};

/// What a member asks for.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) member: MemberKey,
    /// In the order in which they are looked at.
    pub(crate) places: Vec<Place>,
    pub(crate) records_max: i64,
    pub(crate) batch_size: i64,
    pub(crate) is_exact: bool,
    pub(crate) bytes_min: u64,
    pub(crate) bytes_max: u64,
    pub(crate) wait: Duration,
}

/// What was found of a partition.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) place: Place,
    pub(crate) error: ErrorCode,
    pub(crate) acquired: Vec<Acquired>,
    pub(crate) piece: Option<Piece>,
}

impl Got {
    fn failed(place: Place, error: ErrorCode) -> Self {
        Self { place, error, acquired: Vec::new(), piece: None }
    }

    pub(crate) fn nothing(place: Place) -> Self {
        Self::failed(place, ErrorCode::None)
    }

    pub(crate) fn has_news(&self) -> bool {
        self.error != ErrorCode::None || !self.acquired.is_empty()
    }

    /// Bytes of records.
    pub(crate) fn len(&self) -> u64 {
        self.piece.as_ref().map_or(0, Piece::len)
    }
}

/// A partition that is ready to be read.
struct Open {
    place: Place,
    found: Found,
    held: Arc<Held>,
    /// Whether its state was loaded for this.
    is_new: bool,
}

/// A range that was read, with what of it is not for the group.
struct Range {
    slice: Slice,
    offset: i64,
    batches: Vec<BatchSpan>,
    aborted: Vec<AbortedTransaction>,
}

/// How to read.
#[derive(Debug, Clone, Copy)]
struct How {
    limits: Limits,
    isolation: Isolation,
}

/// Fetches, waiting for records if there are none.
pub(crate) async fn fetch(broker: &Arc<Broker>, fetch: &Fetch) -> Vec<Got> {
    let deadline = Instant::now() + fetch.wait;
    if fetch.records_max <= 0 || fetch.bytes_max == 0 {
        return Vec::new();
    }
    loop {
        if let Some(got) = fetch_open(broker, fetch, deadline).await {
            return got;
        }
    }
}

/// Fetches until somebody else has changed the state of a partition.
async fn fetch_open(broker: &Arc<Broker>, fetch: &Fetch, deadline: Instant) -> Option<Vec<Got>> {
    let (of_group, limits) = settings(broker, &fetch.member.0);
    let isolation = match of_group.read_committed {
        true => Isolation::ReadCommitted,
        false => Isolation::ReadUncommitted,
    };
    let how = How { limits, isolation };
    let (mut open, mut failed) = (Vec::new(), Vec::new());
    for place in &fetch.places {
        match open_one(broker, fetch, *place).await {
            Ok(opened) => open.push(opened),
            Err(error) => {
                failed.push(Got::failed(*place, error));
                continue;
            }
        }
        // What had to be loaded is given out before others are: a first fetch does not wait for
        // the state of every partition.
        let loaded = open.last_chunk().filter(|[opened]| opened.is_new);
        let Some(loaded) = loaded else { continue };
        let got = round(broker, fetch, how, loaded, false).await;
        if got.iter().any(Got::has_news) {
            failed.extend(got);
            return Some(failed);
        }
    }
    let wait = Wait::new();
    let _appends: Vec<_> = open.iter().map(|open| open.found.1.watch(&wait)).collect();
    let _returns: Vec<_> = open.iter().map(|open| open.held.waiters.watch(&wait)).collect();
    loop {
        let is_last = !failed.is_empty() || Instant::now() >= deadline;
        let got = round(broker, fetch, how, &open, is_last).await;
        if is_last || got.iter().any(Got::has_news) {
            failed.extend(got);
            return Some(failed);
        }
        // What woke it last is looked at once more, as the last time.
        drop(tokio::time::timeout_at(deadline, wait.notified()).await);
        if open.iter().any(|open| !broker.shares.is_current(&open.held)) {
            return None;
        }
    }
}

async fn open_one(broker: &Arc<Broker>, fetch: &Fetch, place: Place) -> Result<Open, ErrorCode> {
    let found = find(broker, place)?;
    let (held, is_new) = broker.shares.open(broker, &fetch.member.0, &found).await?;
    Ok(Open { place, found, held, is_new })
}

/// The partition that a place stands for.
pub(super) fn find(broker: &Broker, (topic, index): Place) -> Result<Found, ErrorCode> {
    let topic = broker.topics.by_id(topic).ok_or(ErrorCode::UnknownTopicId)?;
    let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if partition.log().is_none() {
        return Err(ErrorCode::KafkaStorageError);
    }
    Ok((topic, partition))
}

/// Looks once at every partition.
async fn round(
    broker: &Arc<Broker>,
    fetch: &Fetch,
    how: How,
    open: &[Open],
    is_last: bool,
) -> Vec<Got> {
    let mut bytes_left = fetch.bytes_max;
    let mut ranges = Vec::new();
    for open in open {
        let is_first = bytes_left == fetch.bytes_max;
        match look(broker, open, how, bytes_left, is_first).await {
            Ok(Some(range)) => {
                bytes_left = bytes_left.saturating_sub(range.slice.len);
                ranges.push((open, Ok(range)));
            }
            Ok(None) => {}
            Err(error) => ranges.push((open, Err(error))),
        }
    }
    let found = fetch.bytes_max - bytes_left;
    let is_error = ranges.iter().any(|(_, range)| range.is_err());
    if found < fetch.bytes_min && !is_last && !is_error {
        return Vec::new();
    }
    let mut records_left = fetch.records_max;
    let mut got = Vec::new();
    for (open, range) in ranges {
        let taken = match range {
            Ok(range) => take(broker, fetch, how, open, range, records_left).await,
            Err(error) => Got::failed(open.place, error),
        };
        records_left -= taken.acquired.iter().map(|a| a.last - a.first + 1).sum::<i64>();
        got.push(taken);
        if records_left <= 0 {
            break;
        }
    }
    got
}

/// Reads where there may be something to acquire.
async fn look(
    broker: &Arc<Broker>,
    open: &Open,
    how: How,
    bytes_left: u64,
    is_first: bool,
) -> Result<Option<Range>, ErrorCode> {
    let partition = &open.found.1;
    let Some(state) = open.held.state.get() else { return Ok(None) };
    let offset = {
        let mut state = state.lock();
        state.log_started(partition.start_offset());
        if bytes_left == 0 || !state.may_acquire(&how.limits) {
            return Ok(None);
        }
        state.next_fetch_offset()
    };
    // Before the records: all of them are decided below it.
    let stable = partition.last_stable_offset();
    let slice = match partition.read(offset, bytes_left, is_first, how.isolation) {
        Ok(slice) => slice,
        // The log is shorter than it was, or begins later since it was looked at: the next look
        // will see.
        Err(ReadError::OutOfRange { .. }) => return Ok(None),
        Err(error) => {
            broker.log_damage(partition, &error);
            return Err(ErrorCode::KafkaStorageError);
        }
    };
    if slice.len == 0 || slice.first_incomplete {
        return Ok(None);
    }
    let job = Look { found: open.found.clone(), slice, offset, stable, isolation: how.isolation };
    match job.run(Disk::No) {
        Ok(Some(range)) => Ok(Some(range)),
        Ok(None) => {
            let work = move || job.run(Disk::Yes);
            let range = disk::run(&broker.env.disk, work).await.and_then(|range| range);
            range.map_err(|_| ErrorCode::KafkaStorageError)
        }
        Err(error) => {
            broker.log_damage(partition, &ReadError::Io(error));
            Err(ErrorCode::KafkaStorageError)
        }
    }
}

/// What is to be read besides the records.
struct Look {
    found: Found,
    slice: Slice,
    offset: i64,
    stable: i64,
    isolation: Isolation,
}

impl Look {
    fn run(&self, wait: Disk) -> io::Result<Option<Range>> {
        let Some(batches) = self.slice.batches(wait)? else { return Ok(None) };
        let mut aborted = Vec::new();
        if self.isolation == Isolation::ReadCommitted
            && let Some(log) = self.found.1.log()
        {
            match log.aborted_transactions(self.offset, &self.slice, self.stable, wait)? {
                Some(found) => aborted = found,
                None => return Ok(None),
            }
        }
        let (slice, offset) = (self.slice.clone(), self.offset);
        Ok(Some(Range { slice, offset, batches, aborted }))
    }
}

/// Acquires records of what was read.
async fn take(
    broker: &Arc<Broker>,
    fetch: &Fetch,
    how: How,
    open: &Open,
    range: Range,
    records_left: i64,
) -> Got {
    let ask = Ask {
        records_max: records_left,
        batch_size: fetch.batch_size,
        is_exact: fetch.is_exact,
        offset: range.offset,
    };
    let spans: Vec<Span> = range.batches.iter().map(|batch| range.span(batch)).collect();
    let now_ms = broker.env.clock.now_ms();
    let acquired = match open.held.state.get() {
        Some(state) => {
            let mut state = state.lock();
            // Whoever takes it up next knows nothing of what is acquired here.
            if !broker.shares.is_current(&open.held) {
                return Got::nothing(open.place);
            }
            let acquired = state.acquire(now_ms, &fetch.member.1, &ask, &spans, &how.limits);
            broker.shares.deadline_of(&open.held, &state);
            acquired
        }
        None => Vec::new(),
    };
    match range.piece(broker, &acquired).await {
        Ok(piece) => Got { place: open.place, error: ErrorCode::None, acquired, piece },
        // What was acquired comes back when its time is over.
        Err(_) => Got::failed(open.place, ErrorCode::KafkaStorageError),
    }
}

impl Range {
    fn span(&self, batch: &BatchSpan) -> Span {
        let is_aborted = batch.transaction_of.is_some_and(|producer_id| {
            self.aborted.iter().any(|aborted| {
                aborted.producer_id == producer_id
                    && aborted.first_offset <= batch.last_offset
                    && batch.base_offset <= aborted.last_offset
            })
        });
        Span { first: batch.base_offset, last: batch.last_offset, is_aborted }
    }

    /// The batches that hold what was acquired, as they stand in the file.
    async fn piece(
        &self,
        broker: &Arc<Broker>,
        acquired: &[Acquired],
    ) -> io::Result<Option<Piece>> {
        let (Some(first), Some(last)) = (acquired.first(), acquired.last()) else {
            return Ok(None);
        };
        let holds =
            |batch: &&BatchSpan| batch.last_offset >= first.first && batch.base_offset <= last.last;
        let mut within = self.batches.iter().filter(holds);
        let (Some(begin), Some(file)) = (within.next(), &self.slice.file) else { return Ok(None) };
        let end = within.next_back().unwrap_or(begin);
        let (position, len) = (begin.position, end.position + end.size - begin.position);
        if let Some(piece) = piece(file, position, len, Disk::No)? {
            return Ok(Some(piece));
        }
        let file = Arc::clone(file);
        let work = move || piece(&file, position, len, Disk::Yes);
        disk::run(&broker.env.disk, work).await?
    }
}
