//! Moves of replicas between the log directories of this broker (KIP-113), while they are read and
//! written.
//!
//! Up to `num.replica.alter.log.dirs.threads` replicas move at a time, at
//! `replica.alter.log.dirs.io.max.bytes.per.second` together. When a copy has caught up the
//! controller is told that the replica is in its new directory, and then it is (KIP-858): a start
//! that finds both knows by that which counts. A move that a stop interrupts begins again with the
//! next start.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use klamm_env::disk;
use klamm_log::{LogDir, Move, MoveError, TopicPartition};
use klamm_planted::planted;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

use crate::{assignments, broker::Broker, directories};

/// The most that is copied in one step, bytes.
const STEP_BYTES_MAX: u64 = 1 << 20;

/// How long until it is tried again to begin a move that a cleaner, or the controller, is in the way
/// of.
const RETRY: Duration = Duration::from_millis(100);

/// A move under way, or waiting for its turn.
#[derive(Debug)]
pub(crate) struct Moving {
    /// Where to.
    pub(crate) dir: Arc<LogDir>,
    /// Bytes copied so far.
    pub(crate) bytes: AtomicU64,
    /// How many offsets are missing.
    pub(crate) lag: AtomicI64,
    is_cancelled: AtomicBool,
}

/// All moves.
#[derive(Debug)]
pub(crate) struct Moves {
    all: Mutex<BTreeMap<TopicPartition, Arc<Moving>>>,
    turns: Semaphore,
    /// When the bytes that were copied so far are paid for.
    paid: Mutex<Option<Instant>>,
    /// Rung when the settings change.
    changed: Notify,
    /// Held while a log changes its directory; whether none may any more, because logs are closed.
    is_closed: Mutex<bool>,
}

/// Why a move did not come to its end.
enum Ended {
    /// Nobody wants it any more.
    Cancelled,
    /// The log or a directory stands against it.
    Failed(MoveError),
}

impl From<MoveError> for Ended {
    fn from(error: MoveError) -> Self {
        Self::Failed(error)
    }
}

impl Moves {
    /// So many moves at a time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            all: Mutex::default(),
            turns: Semaphore::new(at_once.max(1)),
            paid: Mutex::default(),
            changed: Notify::new(),
            is_closed: Mutex::new(false),
        }
    }

    /// No log changes its directory from now on. What was copied stays for the next start.
    pub(crate) fn close(&self) {
        *self.is_closed.lock() = true;
    }

    /// The settings may have changed.
    pub(crate) fn look_again(&self) {
        *self.paid.lock() = None;
        self.changed.notify_waiters();
    }

    /// The move of a partition, if there is one.
    pub(crate) fn of(&self, name: &TopicPartition) -> Option<Arc<Moving>> {
        self.all.lock().get(name).cloned()
    }

    /// The moves to a directory.
    pub(crate) fn to(&self, dir: &LogDir) -> Vec<(TopicPartition, Arc<Moving>)> {
        let all = self.all.lock();
        let there = all.iter().filter(|(_, moving)| moving.dir.id == dir.id);
        there.map(|(name, moving)| (name.clone(), Arc::clone(moving))).collect()
    }

    /// Ends the move of a partition, if there is one.
    pub(crate) fn cancel(&self, name: &TopicPartition) {
        if let Some(moving) = self.all.lock().remove(name) {
            moving.is_cancelled.store(true, Ordering::Release);
            self.changed.notify_waiters();
        }
    }

    fn end(&self, name: &TopicPartition, ended: &Arc<Moving>) {
        let mut all = self.all.lock();
        if all.get(name).is_some_and(|moving| Arc::ptr_eq(moving, ended)) {
            all.remove(name);
        }
    }

    /// Pays for `bytes`; returns when the next may be copied.
    fn price(&self, bytes: u64, bytes_per_second: i64) -> Instant {
        let now = Instant::now();
        let seconds = bytes as f64 / bytes_per_second.max(1) as f64;
        let mut paid = self.paid.lock();
        let after = paid.filter(|paid| *paid > now).unwrap_or(now);
        let after = after + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
        *paid = Some(after);
        after
    }
}

/// Moves a partition to a directory, unless it is on its way there; one to another directory ends.
pub(crate) fn start(broker: &Arc<Broker>, name: &TopicPartition, dir: &Arc<LogDir>) {
    if broker.moves.of(name).is_some_and(|moving| moving.dir.id == dir.id) {
        return;
    }
    broker.moves.cancel(name);
    let lag = broker.logs.get(name).map_or(0, |log| log.end_offset());
    let moving = Arc::new(Moving {
        dir: Arc::clone(dir),
        bytes: AtomicU64::new(0),
        lag: AtomicI64::new(lag),
        is_cancelled: AtomicBool::new(false),
    });
    broker.moves.all.lock().insert(name.clone(), Arc::clone(&moving));
    let (broker, name) = (Arc::clone(broker), name.clone());
    tokio::spawn(async move {
        let stop = broker.stop.listen();
        tokio::select! {
            biased;
            () = stop.wait() => return,
            ended = carry_out(&broker, &name, &moving) => tell(&broker, &name, &moving, ended),
        }
        broker.moves.end(&name, &moving);
        directories::report(&broker, vec![name]);
    });
}

fn tell(broker: &Broker, name: &TopicPartition, moving: &Moving, ended: Result<(), Ended>) {
    let to = moving.dir.path.display();
    match ended {
        Ok(()) => {
            broker.metrics.disks.moved_replicas.one();
            tracing::info!(
                event = "replica.moved",
                partition = %name,
                dir = %to,
                "{name}: is in {to} now",
            );
        }
        Err(Ended::Cancelled) => tracing::info!("{name}: does not move to {to} any more"),
        Err(Ended::Failed(error)) => {
            tracing::warn!(
                event = "replica.move.failed",
                partition = %name,
                dir = %to,
                "{name}: does not move to {to}: {error}",
            );
            match &error {
                MoveError::Target(error) if !disk::is_full(error) => {
                    broker.logs.fail(&moving.dir.path, &error.to_string());
                }
                MoveError::Source(error) => {
                    if let Some(log) = broker.logs.get(name) {
                        broker.log_failed(&log, error);
                    }
                }
                _ => {}
            }
        }
    }
}

async fn carry_out(
    broker: &Arc<Broker>,
    name: &TopicPartition,
    moving: &Arc<Moving>,
) -> Result<(), Ended> {
    let Ok(_turn) = broker.moves.turns.acquire().await else { return Err(Ended::Cancelled) };
    let moved = begin(broker, name, moving).await?;
    tracing::info!("{name}: moves to {}", moving.dir.path.display());
    let moved = catch_up(broker, moving, moved).await?;
    let (settled, moved) = on_disk(broker, moved, Move::settle).await;
    let moved = discard_unless(broker, settled, moved).await?;
    directories::assign(broker, name, &moving.dir, || is_cancelled(moving)).await;
    if planted("moved-tail-lost") {
        return finish(broker, moving, moved).await;
    }
    let moved = catch_up(broker, moving, moved).await?;
    finish(broker, moving, moved).await
}

fn is_cancelled(moving: &Moving) -> bool {
    moving.is_cancelled.load(Ordering::Acquire)
}

/// Begins a move as soon as no cleaner is at work on the log.
async fn begin(
    broker: &Arc<Broker>,
    name: &TopicPartition,
    moving: &Arc<Moving>,
) -> Result<Move, Ended> {
    loop {
        let log = broker.logs.get(name).ok_or(Ended::Cancelled)?;
        if is_cancelled(moving) {
            return Err(Ended::Cancelled);
        }
        let (source, dir) = (Arc::clone(broker), Arc::clone(&moving.dir));
        let work = move || source.logs.begin_move(&log, &dir);
        let begun = disk::run(&broker.env.disk, work).await.map_err(MoveError::Target)??;
        match begun {
            Some(moved) => return Ok(moved),
            None => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Copies until nothing is missing, at the speed allowed.
async fn catch_up(
    broker: &Arc<Broker>,
    moving: &Arc<Moving>,
    mut moved: Move,
) -> Result<Move, Ended> {
    loop {
        if is_cancelled(moving) {
            return discard(broker, moved, Ended::Cancelled).await;
        }
        let speed = broker.settings.load().disk.move_bytes_per_second;
        let step = u64::try_from(speed).unwrap_or(0).clamp(1, STEP_BYTES_MAX);
        let (stepped, back) = on_disk(broker, moved, move |moved| moved.step(step)).await;
        let stepped = match stepped {
            Ok(stepped) => stepped,
            Err(error) => return discard(broker, back, Ended::Failed(error)).await,
        };
        moved = back;
        moving.bytes.store(moved.size(), Ordering::Relaxed);
        moving.lag.store(moved.offset_lag(), Ordering::Relaxed);
        broker.metrics.disks.moved_bytes.add(stepped.bytes);
        if stepped.is_caught_up {
            return Ok(moved);
        }
        tokio::select! {
            biased;
            () = broker.moves.changed.notified() => {}
            () = tokio::time::sleep_until(broker.moves.price(stepped.bytes, speed)) => {}
        }
    }
}

/// Does a part of a move on the disk's threads.
async fn on_disk<T: Send + 'static>(
    broker: &Broker,
    mut moved: Move,
    work: impl FnOnce(&mut Move) -> T + Send + 'static,
) -> (T, Move) {
    let work = move || {
        let done = work(&mut moved);
        (done, moved)
    };
    match disk::run(&broker.env.disk, work).await {
        Ok(done) => done,
        // It fails only where the runtime ends, and the move with it.
        Err(_) => std::future::pending().await,
    }
}

async fn discard_unless(
    broker: &Broker,
    result: Result<(), MoveError>,
    moved: Move,
) -> Result<Move, Ended> {
    match result {
        Ok(()) => Ok(moved),
        Err(error) => discard(broker, moved, Ended::Failed(error)).await,
    }
}

/// Takes back what was copied.
async fn discard(broker: &Broker, moved: Move, ended: Ended) -> Result<Move, Ended> {
    drop(disk::run(&broker.env.disk, move || moved.discard()).await);
    Err(ended)
}

/// Lets the log go on in its new directory.
async fn finish(broker: &Arc<Broker>, moving: &Arc<Moving>, moved: Move) -> Result<(), Ended> {
    let log = Arc::clone(moved.log());
    let delay = log.config().file_delete_delay_ms;
    let (source, moving) = (Arc::clone(broker), Arc::clone(moving));
    let work = move || {
        let mut moved = moved;
        if is_cancelled(&moving) {
            moved.discard();
            return Err(Ended::Cancelled);
        }
        let settled = if planted("moved-tail-lost") { Ok(()) } else { moved.settle() };
        match settled {
            Ok(()) => {
                let is_closed = source.moves.is_closed.lock();
                if *is_closed {
                    return Err(Ended::Cancelled);
                }
                Ok(source.logs.finish_move(moved, &moving.dir)?)
            }
            Err(error) => {
                moved.discard();
                Err(Ended::Failed(error))
            }
        }
    };
    let gone = |error: io::Error| Ended::Failed(MoveError::Target(error));
    let retired = disk::run(&broker.env.disk, work).await.map_err(gone)??;
    // The next look at its new directory says whether it takes records.
    log.restrict(false);
    assignments::delete_later(broker, vec![retired], delay);
    Ok(())
}
