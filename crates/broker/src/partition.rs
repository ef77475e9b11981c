//! A partition that this broker leads: its log, its high watermark, and who waits for either.
//!
//! Cost of an append with nobody waiting: the log's lock, the leader's lock, one atomic store.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering, fence},
    },
};

use arc_swap::ArcSwap;
use klamm_config::TopicConfig;
use klamm_log::{AppendError, AppendOptions, Appended, Log, ReadError, ReadLimits, Slice};
use klamm_planted::planted;
use klamm_protocol::wire::Uuid;
use klamm_replication::{Event, Leader, Leadership};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::metrics::TopicTraffic;

/// A topic of which this broker has partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    /// Whether it is the broker's own, which clients may not produce to.
    pub(crate) internal: bool,
    pub(crate) config: ArcSwap<TopicConfig>,
    pub(crate) partitions: ArcSwap<Vec<Option<Arc<Partition>>>>,
    /// What passed through it.
    pub(crate) traffic: TopicTraffic,
}

impl Topic {
    /// A partition by its index.
    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(index).ok()?;
        self.partitions.load().get(index)?.clone()
    }
}

/// A partition that this broker leads.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    /// Its log; none if the log could not be opened.
    log: Option<Arc<Log>>,
    leader: Mutex<Leader>,
    leader_epoch: AtomicI64,
    high_watermark: AtomicI64,
    /// Appends that the disk refused since the last that it took.
    refused: AtomicUsize,
    waiters: Arc<Waiters>,
}

/// Up to where a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// The high watermark.
    ReadUncommitted,
    /// The last stable offset.
    ReadCommitted,
    /// The log end, for followers and the broker itself.
    LogEnd,
}

impl Partition {
    /// Begins to lead a partition.
    pub(crate) fn lead(
        index: i32,
        local: i32,
        log: Option<Arc<Log>>,
        leadership: &Leadership,
        checkpointed: i64,
    ) -> Self {
        let end = log.as_ref().map_or(0, |log| counted_end(log));
        let start = log.as_ref().map_or(0, |log| log.start_offset());
        if let Some(log) = &log {
            log.assign_epoch(leadership.epoch);
        }
        let leader = Leader::new(local, leadership, end, checkpointed.max(start));
        if let Some(log) = &log {
            log.replicated(leader.high_watermark());
        }
        Self {
            index,
            leader_epoch: AtomicI64::new(leadership.epoch.into()),
            high_watermark: AtomicI64::new(leader.high_watermark()),
            leader: Mutex::new(leader),
            log,
            refused: AtomicUsize::new(0),
            waiters: Arc::default(),
        }
    }

    /// The log, unless it is out of service.
    pub(crate) fn log(&self) -> Option<&Arc<Log>> {
        self.log.as_ref()
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        i32::try_from(self.leader_epoch.load(Ordering::Acquire)).unwrap_or(i32::MAX)
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// Number of replicas in sync.
    pub(crate) fn isr_len(&self) -> usize {
        self.leader.lock().isr_len()
    }

    /// The first offset that a `read_committed` reader may not see yet.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let high_watermark = self.high_watermark();
        let Some(log) = &self.log else { return high_watermark };
        if planted("everything-is-stable") {
            return high_watermark;
        }
        let unstable = log.first_unstable();
        unstable.map_or(high_watermark, |at| at.max(log.start_offset()).min(high_watermark))
    }

    /// The offset that a reader may not pass.
    pub(crate) fn upper(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark(),
            Isolation::ReadCommitted => self.last_stable_offset(),
            Isolation::LogEnd => self.log.as_ref().map_or(0, |log| log.end_offset()),
        }
    }

    /// Takes over a change of leadership that leaves this broker the leader.
    pub(crate) fn change(&self, leadership: &Leadership) {
        self.leader_epoch.store(leadership.epoch.into(), Ordering::Release);
        if let Some(log) = &self.log {
            log.assign_epoch(leadership.epoch);
        }
        let moved = self.leader.lock().change(leadership);
        self.moved(moved);
    }

    /// Appends, and moves the high watermark if that is all it needs.
    pub(crate) fn append(
        &self,
        records: &mut [u8],
        options: &AppendOptions,
    ) -> Result<Appended, AppendError> {
        let log = self.log.as_ref().ok_or_else(|| AppendError::Offline("not open".to_owned()))?;
        if planted("answer-before-append") {
            return Ok(append_later(log, records, *options));
        }
        if planted("high-watermark-before-append") {
            self.counted(log.end_offset() + 1);
        }
        let appended = log.append(records, options)?;
        if !log.config().sync_each_append() || planted("answer-before-sync") {
            self.counted(appended.last_offset + 1);
        }
        Ok(appended)
    }

    /// Notes that the disk refused an append: one line for the first, however often clients ask.
    pub(crate) fn storage_refused(&self, topic: &str, error: &AppendError) {
        if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            let index = self.index;
            tracing::warn!(
                "appends to {topic}-{index} are refused until the disk takes them: {error}"
            );
        }
    }

    /// Notes that the disk took an append.
    pub(crate) fn storage_took(&self, topic: &str) {
        if self.refused.load(Ordering::Relaxed) > 0 {
            let refused = self.refused.swap(0, Ordering::Relaxed);
            tracing::info!("{topic}-{} takes appends again, after refusing {refused}", self.index);
        }
    }

    /// Waits until what was appended counts: synced, if the topic wants that of every append, and
    /// then below the high watermark.
    pub(crate) async fn committed(&self, offset: i64) -> io::Result<()> {
        if self.high_watermark() >= offset {
            return Ok(());
        }
        let log = self.log.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if log.config().sync_each_append() {
            log.flush_to(offset).await?;
            self.counted(log.recovery_point());
        }
        let wait = Wait::new();
        let _watching = self.waiters.watch(&wait);
        while self.high_watermark() < offset {
            wait.notified().await;
        }
        Ok(())
    }

    /// Waits until an append is as durable as the topic wants, and counts if that is part of it or
    /// if `all` replicas are asked for.
    pub(crate) async fn settled(&self, appended: &Appended, all: bool) -> io::Result<()> {
        let end = appended.last_offset + 1;
        if all || self.syncs() {
            self.committed(end).await?;
        }
        match &self.log {
            Some(log) if appended.sync_due => log.flush_to(end).await,
            _ => Ok(()),
        }
    }

    /// Whether every append must be synced before it counts.
    pub(crate) fn syncs(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.config().sync_each_append())
    }

    /// The log start offset.
    pub(crate) fn start_offset(&self) -> i64 {
        self.log.as_ref().map_or(-1, |log| log.start_offset())
    }

    /// Whether an append needs [`Partition::committed`] before it may be acknowledged.
    pub(crate) fn must_wait(&self, offset: i64) -> bool {
        self.high_watermark() < offset
    }

    fn counted(&self, end: i64) {
        let mut leader = self.leader.lock();
        let moved = leader.handle(Event::LocalEnd(end));
        // Stored under the lock: a later, larger value must not be overwritten by this one.
        if let Some(offset) = moved {
            self.high_watermark.store(offset, Ordering::Release);
        }
        drop(leader);
        if let Some(offset) = moved {
            self.replicated(offset);
        }
    }

    /// The high watermark has moved: markers below it decide their transactions for readers.
    fn replicated(&self, high_watermark: i64) {
        if let Some(log) = &self.log {
            log.replicated(high_watermark);
        }
        self.waiters.wake();
    }

    fn moved(&self, high_watermark: Option<i64>) {
        if let Some(offset) = high_watermark {
            self.high_watermark.fetch_max(offset, Ordering::AcqRel);
            self.replicated(offset);
        }
    }

    /// Reads below what the isolation allows.
    pub(crate) fn read(
        &self,
        from: i64,
        bytes_max: u64,
        first_whole: bool,
        isolation: Isolation,
    ) -> Result<Slice, ReadError> {
        let log = self.log.as_ref().ok_or_else(|| io::Error::other("the log is offline"))?;
        let upper = self.upper(isolation);
        log.read(from, &ReadLimits { bytes_max, upper, first_whole })
    }

    /// Wakes `wait` whenever there may be more to read, until the registration is dropped.
    pub(crate) fn watch(&self, wait: &Arc<Wait>) -> Watching {
        self.waiters.watch(wait)
    }

    /// How often those who wait were woken, or would have been. As long as it stays the same, so
    /// does what a reader finds.
    pub(crate) fn changes(&self) -> u64 {
        self.waiters.changes.load(Ordering::SeqCst)
    }

    /// Wakes all who wait, to find out what became of the partition.
    pub(crate) fn wake(&self) {
        self.waiters.wake();
    }
}

/// The bug `answer-before-append`: what is answered now is appended a little later.
fn append_later(log: &Arc<Log>, records: &[u8], options: AppendOptions) -> Appended {
    let (log, mut records) = (Arc::clone(log), records.to_vec());
    let next = log.end_offset();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        drop(log.append(&mut records, &options));
    });
    Appended {
        base_offset: next,
        last_offset: next - 1,
        log_append_time: -1,
        duplicate: false,
        rolled: false,
        sync_due: false,
    }
}

/// The end of the log as far as it counts for the high watermark.
fn counted_end(log: &Log) -> i64 {
    if log.config().sync_each_append() { log.recovery_point() } else { log.end_offset() }
}

/// Somebody who waits for one or several partitions.
#[derive(Debug)]
pub(crate) struct Wait(Notify);

impl Wait {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Notify::new()))
    }

    /// Ends when one of the partitions moved since the last call.
    pub(crate) async fn notified(&self) {
        self.0.notified().await;
    }
}

/// Those who wait for something.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// So that an append that nobody waits for takes no lock.
    count: AtomicUsize,
    /// How often there was something new.
    changes: AtomicU64,
    list: Mutex<Vec<(u64, Arc<Wait>)>>,
    next: AtomicI64,
}

impl Waiters {
    /// Wakes `wait` whenever there is something new, until the registration is dropped.
    pub(crate) fn watch(self: &Arc<Self>, wait: &Arc<Wait>) -> Watching {
        let place = self.next.fetch_add(1, Ordering::Relaxed).unsigned_abs();
        let mut list = self.list.lock();
        list.push((place, Arc::clone(wait)));
        self.count.store(list.len(), Ordering::SeqCst);
        Watching { waiters: Arc::clone(self), place }
    }

    fn remove(&self, place: u64) {
        let mut list = self.list.lock();
        list.retain(|(other, _)| *other != place);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    pub(crate) fn wake(&self) {
        // Between what is new and the look for who waits; who waits registers before it looks.
        self.changes.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        for (_, wait) in self.list.lock().iter() {
            wait.0.notify_one();
        }
    }
}

/// Being one of those who wait; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Watching {
    waiters: Arc<Waiters>,
    place: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.waiters.remove(self.place);
    }
}
