//! Compacting logs: which one is next, how fast, and what becomes of one that cannot be.
//!
//! Up to `log.cleaner.threads` logs are compacted at a time, each in steps on the disk's threads,
//! never on an async worker. The one whose dirty part is largest comes first, as in Kafka. One that
//! cannot be compacted is left alone, the others go on.

use std::{sync::Arc, time::Duration};

use klamm_config::CleanerSettings;
use klamm_env::{Random, disk};
use klamm_log::{CleanError, Cleanable, CleanerLimits, Cleaning, Log};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{assignments, broker::Broker, metrics::CleanerMetrics, partition::Partition, tasks};

/// The least pause of an idle cleaner, milliseconds, whatever `log.cleaner.backoff.ms` says.
const BACKOFF_MS_MIN: u64 = 10;

/// The most memory that Kafka lets the map of one thread take, bytes.
const MAP_BYTES_MAX: usize = i32::MAX as usize;

/// What the cleaners share.
#[derive(Debug)]
pub(crate) struct Cleaner {
    /// Of the hashes of keys.
    secret: (u64, u64),
    /// When the bytes that were moved so far are paid for (`log.cleaner.io.max.bytes.per.second`).
    paid: Mutex<Option<Instant>>,
    /// Rung for who starts cleaners when the settings change.
    changed: Notify,
    /// The same for those that rest.
    rested: Notify,
    running: Mutex<usize>,
}

impl Cleaner {
    pub(crate) fn new(random: &Random) -> Self {
        let secret = (random.next_u64(), random.next_u64());
        let (paid, changed, running) = (Mutex::default(), Notify::new(), Mutex::default());
        Self { secret, paid, changed, rested: Notify::new(), running }
    }

    /// The settings may have changed.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
        self.rested.notify_waiters();
    }

    /// How long to wait for `bytes` to be paid for.
    fn price(&self, bytes: u64, bytes_per_second: f64) -> Duration {
        let now = Instant::now();
        let seconds = bytes as f64 / bytes_per_second.max(1.0);
        let mut paid = self.paid.lock();
        let after = paid.filter(|paid| *paid > now).unwrap_or(now);
        let after = after + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
        *paid = Some(after);
        after.saturating_duration_since(now)
    }
}

/// Starts the cleaners, unless `log.cleaner.enable` is off; they end with the broker.
pub(crate) fn start(broker: &Arc<Broker>) {
    if !broker.settings.load().cleaner.enable {
        return;
    }
    let broker = Arc::clone(broker);
    let stop = broker.stop.listen();
    tokio::spawn(async move {
        loop {
            start_missing(&broker);
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = broker.cleaner.changed.notified() => {}
            }
        }
    });
}

fn start_missing(broker: &Arc<Broker>) {
    let wanted = threads(&broker.settings.load().cleaner);
    let mut running = broker.cleaner.running.lock();
    while *running < wanted {
        tokio::spawn(run(Arc::clone(broker), *running));
        *running += 1;
    }
}

fn threads(settings: &CleanerSettings) -> usize {
    usize::try_from(settings.threads).unwrap_or(0)
}

/// One cleaner. It ends when there are to be fewer.
async fn run(broker: Arc<Broker>, number: usize) {
    let stop = broker.stop.listen();
    loop {
        let settings = broker.settings.load().cleaner.clone();
        {
            let mut running = broker.cleaner.running.lock();
            if number >= threads(&settings) && *running == number + 1 {
                *running = number;
                return;
            }
        }
        let is_surplus = number >= threads(&settings);
        let work = async {
            if is_surplus || !clean_next(&broker, &settings).await {
                let backoff = u64::try_from(settings.backoff_ms).unwrap_or(0).max(BACKOFF_MS_MIN);
                tokio::select! {
                    biased;
                    () = broker.cleaner.rested.notified() => {}
                    () = tokio::time::sleep(Duration::from_millis(backoff)) => {}
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.wait() => return,
            () = work => {}
        }
    }
}

/// Compacts the log that needs it most; whether there was one.
async fn clean_next(broker: &Arc<Broker>, settings: &CleanerSettings) -> bool {
    let source = Arc::clone(broker);
    let picked = disk::run(&broker.env.disk, move || pick(&source)).await;
    let Some(cleanable) = picked.ok().flatten() else { return false };
    let limits = limits(broker, settings);
    let now_ms = broker.env.clock.now_ms();
    let Some(cleaning) = Cleaning::begin(&cleanable, limits, now_ms) else { return false };
    let begun = Instant::now();
    let (cleaning, result) = clean(broker, cleaning).await;
    let metrics = &broker.metrics.cleaner;
    metrics.cleaned(cleaning.stats(), begun.elapsed());
    drop(cleaning);
    match result {
        Ok(()) => {
            report(broker, &cleanable, metrics);
            // One that gets nowhere is not done again at once.
            cleanable.log.cleaned_to().is_some_and(|end| end > cleanable.first_dirty)
        }
        Err(error) => {
            failed(broker, &cleanable.log, &error);
            false
        }
    }
}

/// Finds the log with the largest dirty part among those that are due.
fn pick(broker: &Broker) -> Option<Cleanable> {
    let now_ms = broker.env.clock.now_ms();
    let mut dirtiest: Option<Cleanable> = None;
    let (mut dirty_max, mut overdue_max) = (0.0_f64, 0);
    let (mut unfit, mut unfit_bytes) = (0, 0);
    for (partition, _) in tasks::partitions(broker) {
        let Some(log) = partition.log().filter(|log| log.config().compact) else { continue };
        let cleanable = match look(log, &partition, now_ms) {
            Ok(Some(cleanable)) => cleanable,
            Ok(None) => continue,
            Err(error) => {
                log.set_unfit(&error);
                tracing::warn!("{}: marked as uncleanable: {error}", log.name());
                continue;
            }
        };
        if log.unfit_reason().is_some() {
            unfit += 1;
            unfit_bytes += cleanable.clean_bytes + cleanable.dirty_bytes;
            continue;
        }
        dirty_max = dirty_max.max(cleanable.dirty_ratio());
        overdue_max = overdue_max.max(cleanable.overdue_ms);
        let is_dirtier = dirtiest
            .as_ref()
            .is_none_or(|dirtiest| cleanable.dirty_ratio() > dirtiest.dirty_ratio());
        if cleanable.is_due() && is_dirtier {
            dirtiest = Some(cleanable);
        }
    }
    broker.metrics.cleaner.looked(now_ms, dirty_max, overdue_max, (unfit, unfit_bytes as i64));
    let durable = |cleanable: &Cleanable| {
        // A start after a power loss takes gaps beyond what the checkpoint has for lost records.
        cleanable.log.checkpointed_point() >= cleanable.first_uncleanable
            || broker.logs.checkpoint_recovery_points().is_ok()
    };
    dirtiest.filter(durable)
}

/// What of a log may be compacted; none if its disk is out of service.
fn look(log: &Arc<Log>, partition: &Partition, now_ms: i64) -> Result<Option<Cleanable>, String> {
    if log.offline_reason().is_some() {
        return Ok(None);
    }
    if log.recovery_point() < log.active_segment()
        && let Err(error) = log.flush_now()
    {
        tracing::warn!("{}: cannot sync: {error}", log.name());
        return Ok(None);
    }
    let last_stable = partition.last_stable_offset();
    log.cleanable(now_ms, last_stable).map(Some).map_err(|error| error.to_string())
}

fn limits(broker: &Broker, settings: &CleanerSettings) -> CleanerLimits {
    let share = |bytes: i64| usize::try_from(bytes).unwrap_or(0) / threads(settings).max(1);
    CleanerLimits {
        map_bytes: share(settings.dedupe_buffer_bytes).min(MAP_BYTES_MAX),
        map_load_factor: settings.io_buffer_load_factor,
        io_buffer_bytes: share(settings.io_buffer_bytes.into()) / 2,
        decompression: broker.decompression_limit(),
        secret: broker.cleaner.secret,
    }
}

/// Compacts a log to the end, step by step, at the speed allowed.
async fn clean(broker: &Arc<Broker>, mut cleaning: Cleaning) -> (Cleaning, Result<(), CleanError>) {
    loop {
        let log = Arc::clone(cleaning.log());
        let work = move || {
            let stepped = cleaning.step();
            (cleaning, stepped)
        };
        // It fails only where the runtime ends, and the cleaning with it.
        let Ok((back, stepped)) = disk::run(&broker.env.disk, work).await else {
            return std::future::pending().await;
        };
        cleaning = back;
        cleaning.went_on_until(broker.env.clock.now_ms());
        let stepped = match stepped {
            Ok(stepped) => stepped,
            Err(error) => return (cleaning, Err(error)),
        };
        assignments::delete_later(broker, stepped.retired, log.config().file_delete_delay_ms);
        if stepped.is_done {
            let source = Arc::clone(broker);
            let noted = disk::run(&broker.env.disk, move || source.logs.checkpoint_cleaned()).await;
            if let Err(error) = noted.and_then(|noted| noted) {
                tracing::warn!("cannot checkpoint what was compacted: {error}");
            }
            return (cleaning, Ok(()));
        }
        let speed = broker.settings.load().cleaner.io_max_bytes_per_second;
        let wait = broker.cleaner.price(stepped.bytes, speed);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

fn report(broker: &Broker, cleaned: &Cleanable, metrics: &CleanerMetrics) {
    let (name, first) = (cleaned.log.name(), cleaned.first_dirty);
    let end = cleaned.log.cleaned_to().unwrap_or(first);
    tracing::info!(
        "{name}: compacted, dirty section [{first}, {end}), {} bytes of log in {} segments; {} in \
         all since the start of broker {}",
        cleaned.log.size(),
        cleaned.log.segment_count(),
        metrics.cleanings.get(),
        broker.node_id,
    );
}

fn failed(broker: &Broker, log: &Arc<Log>, error: &CleanError) {
    let name = log.name();
    match error {
        CleanError::Aborted(_) => tracing::info!("{name}: compaction is {error}"),
        CleanError::Io(error) if disk::is_full(error) => {
            tracing::warn!("{name}: no room to compact it: {error}");
        }
        CleanError::Io(io) => {
            let dir = log.dir();
            broker.logs.fail(disk::parent(&dir), &io.to_string());
        }
        CleanError::Unfit { .. } => {
            log.set_unfit(&error.to_string());
            tracing::warn!("{name}: marked as uncleanable: {error}");
        }
    }
}
