//! What the broker does at intervals: retention, syncs, checkpoints, forgetting old producers.

use std::{sync::Arc, time::Duration};

use klamm_env::disk;

use crate::{assignments, broker::Broker, partition::Partition, watermarks};

/// The least time between two runs of a task, whatever the configuration says.
const INTERVAL_MS_MIN: u64 = 10;

/// Starts all tasks; they end with the broker.
pub(crate) fn start(broker: &Arc<Broker>) {
    let first = broker.settings.load().log.initial_task_delay_ms;
    after(broker, first, |b| b.settings.load().log.retention_check_interval_ms, retention);
    every(
        broker,
        |b| b.settings.load().log.flush_offset_checkpoint_interval_ms.into(),
        |broker| {
            report("recovery points", broker.logs.checkpoint_recovery_points());
        },
    );
    every(
        broker,
        |b| b.settings.load().log.flush_start_offset_checkpoint_interval_ms.into(),
        |broker| report("start offsets", broker.logs.checkpoint_start_offsets()),
    );
    every(
        broker,
        |b| b.settings.load().log.high_watermark_checkpoint_interval_ms,
        |broker| {
            let result =
                broker.logs.checkpoint_high_watermarks(|name| high_watermark(broker, name));
            report("high watermarks", result);
        },
    );
    every(
        broker,
        |b| b.settings.load().log.producer_id_expiration_check_interval_ms.into(),
        expire_producers,
    );
    every(broker, |b| b.settings.load().disk.check_interval_ms, watermarks::check);
    every(broker, |b| b.settings.load().log.flush_scheduler_interval_ms.min(1000), flush_old);
}

/// The high watermark of a partition that this broker leads.
pub(crate) fn high_watermark(broker: &Broker, name: &klamm_log::TopicPartition) -> Option<i64> {
    let partition = broker.topics.partition(&name.topic, name.partition)?;
    Some(partition.high_watermark())
}

/// Runs `work` on the disk's threads at an interval of so many milliseconds.
fn every(broker: &Arc<Broker>, interval_ms: fn(&Broker) -> i64, work: fn(&Arc<Broker>)) {
    after(broker, interval_ms(broker), interval_ms, work);
}

/// The same, the first time after `first_ms`.
fn after(
    broker: &Arc<Broker>,
    first_ms: i64,
    interval_ms: fn(&Broker) -> i64,
    work: fn(&Arc<Broker>),
) {
    let broker = Arc::clone(broker);
    let stop = broker.stop.listen();
    tokio::spawn(async move {
        let mut next_ms = first_ms;
        loop {
            let interval = u64::try_from(next_ms).unwrap_or(0).max(INTERVAL_MS_MIN);
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = tokio::time::sleep(Duration::from_millis(interval)) => {}
            }
            let worker = Arc::clone(&broker);
            drop(disk::run(&broker.env.disk, move || work(&worker)).await);
            next_ms = interval_ms(&broker);
        }
    });
}

fn report(what: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!("cannot checkpoint {what}: {error}");
    }
}

/// All partitions, with the `file.delete.delay.ms` of their topics.
pub(crate) fn partitions(broker: &Broker) -> impl Iterator<Item = (Arc<Partition>, i64)> {
    broker.topics.all().into_iter().flat_map(|topic| {
        let delay = topic.config.load().file_delete_delay_ms;
        let partitions = topic.partitions.load();
        let all: Vec<_> = partitions.iter().flatten().map(|p| (Arc::clone(p), delay)).collect();
        all
    })
}

/// Deletes segments that are too old or too many.
fn retention(broker: &Arc<Broker>) {
    for (partition, delay) in partitions(broker) {
        let Some(log) = partition.log() else { continue };
        let now_ms = broker.env.clock.now_ms();
        match log.delete_old_segments(now_ms, partition.high_watermark()) {
            Ok(files) => assignments::delete_later(broker, files, delay),
            Err(error) => tracing::warn!("{}: retention: {error}", log.name()),
        }
    }
}

fn expire_producers(broker: &Arc<Broker>) {
    let expiration_ms = broker.settings.load().log.producer_id_expiration_ms.into();
    for (partition, _) in partitions(broker) {
        if let Some(log) = partition.log() {
            log.expire_producers(broker.env.clock.now_ms(), expiration_ms);
        }
    }
}

/// Syncs logs whose oldest unsynced record is older than `flush.ms`.
fn flush_old(broker: &Arc<Broker>) {
    let now_ms = broker.env.clock.now_ms();
    for (partition, _) in partitions(broker) {
        let Some(log) = partition.log() else { continue };
        let flush_ms = log.config().flush_ms;
        let due = log.unsynced_since_ms().is_some_and(|since| now_ms - since >= flush_ms);
        if due && let Err(error) = log.flush_now() {
            tracing::warn!("{}: cannot sync: {error}", log.name());
            broker.log_failed(log, &error);
        }
    }
}
