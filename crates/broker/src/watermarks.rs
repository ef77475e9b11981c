//! What becomes of log directories whose volumes fill (`klamm.disk.policy`).
//!
//! `klamm_planner` decides by how full a volume is; this looks, refuses, deletes, and tells of it:
//! each change is a line in the log with a field `event`, and a metric.
//!
//! Deleted segments are removed at once, not after `file.delete.delay.ms`: their room is wanted, and
//! readers keep what they have open.
//!
//! Cost of a look at a directory below all thresholds: one `statvfs`.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use klamm_config::{DiskPolicy, DiskSettings};
use klamm_env::disk::Space;
use klamm_log::{ClosedSegment, Log, LogDir, TopicPartition};
use klamm_planner::{
    Deletion, Event, LogView, Method, Need, Policy, SegmentView, Usage, Watermark, choose,
};
use klamm_planted::planted;
use parking_lot::Mutex;

use crate::{assignments::is_internal, broker::Broker, partition::Partition};

/// Where the directories stand, by path.
#[derive(Debug, Default)]
pub(crate) struct Watermarks(Mutex<BTreeMap<PathBuf, Watermark>>);

/// A log of clients, with its partition.
type Owned = (Arc<Log>, Arc<Partition>);

/// Looks at all directories; blocks.
pub(crate) fn check(broker: &Arc<Broker>) {
    let settings = broker.settings.load().disk.clone();
    let policy = policy(&settings);
    let mut marks = broker.watermarks.0.lock();
    for dir in broker.logs.dirs().iter().filter(|dir| dir.offline_reason().is_none()) {
        let mark = marks.entry(dir.path.clone()).or_default();
        if policy.method == Method::None && !mark.is_active() {
            continue;
        }
        match broker.env.disk.space(&dir.path) {
            Ok(space) => look(broker, dir, mark, &policy, usage(space)),
            Err(error) => tracing::warn!("cannot look at {}: {error}", dir.path.display()),
        }
    }
    let restricted = marks.values().filter(|mark| mark.is_restricted()).count();
    broker.metrics.disks.restricted_directories.set(restricted as i64);
}

fn policy(settings: &DiskSettings) -> Policy {
    Policy {
        method: match settings.policy {
            DiskPolicy::None => Method::None,
            DiskPolicy::Restrict => Method::Restrict,
            DiskPolicy::DeleteOldest => Method::DeleteOldest,
            DiskPolicy::DeleteProportional => Method::DeleteProportional,
            DiskPolicy::Staged => Method::Staged,
        },
        expire_percent: settings.expire_percent,
        delete_percent: settings.delete_percent,
        restrict_percent: settings.restrict_percent,
        resume_percent: settings.resume_percent,
        share_percent: settings.delete_share_percent,
        min_age_ms: settings.delete_min_age_ms,
        min_bytes: settings.delete_min_bytes,
    }
}

fn usage(space: Space) -> Usage {
    Usage { total: space.total, used: space.total.saturating_sub(space.usable) }
}

fn look(broker: &Arc<Broker>, dir: &LogDir, mark: &mut Watermark, policy: &Policy, usage: Usage) {
    let look = mark.look(policy, usage);
    for event in &look.events {
        tell(broker, dir, *event, usage);
    }
    let resumes = look.events.contains(&Event::Resumed) && !planted("restriction-stays");
    if look.is_restricted || resumes {
        for (log, _) in logs_of_clients(broker, dir) {
            log.restrict(look.is_restricted);
        }
    }
    if look.expire {
        expire(broker, dir);
    }
    if let Some(need) = look.need {
        let anything = delete(broker, dir, policy, need);
        if let Some(event) = mark.chosen(anything) {
            tell(broker, dir, event, usage);
        }
    }
}

fn tell(broker: &Broker, dir: &LogDir, event: Event, usage: Usage) {
    broker.metrics.disks.events.one();
    tracing::warn!(
        event = event.name(),
        dir = %dir.path.display(),
        used_percent = usage.percent(),
        used_bytes = usage.used,
        total_bytes = usage.total,
        "the volume of a log directory is {} % full: {}",
        usage.percent(),
        event.name(),
    );
}

/// The logs of a directory that are not the broker's own.
fn logs_of_clients(broker: &Broker, dir: &LogDir) -> Vec<Owned> {
    let logs = broker.logs.logs_in(dir).into_iter().filter_map(|log| {
        let name = log.name();
        let partition = broker.topics.partition(&name.topic, name.partition)?;
        let is_of_clients = !is_internal(&name.topic) || planted("deletes-internal");
        is_of_clients.then_some((log, partition))
    });
    logs.collect()
}

/// Runs the retention of all logs of a directory.
fn expire(broker: &Arc<Broker>, dir: &LogDir) {
    let now_ms = broker.env.clock.now_ms();
    for (log, partition) in logs_of_clients(broker, dir) {
        let before = log.size();
        match log.delete_old_segments(now_ms, partition.high_watermark()) {
            Ok(files) if files.is_empty() => {}
            Ok(files) => {
                remove(broker, &files);
                count(broker, &log, 0, before.saturating_sub(log.size()), "disk.expired");
            }
            Err(error) => failed(broker, dir, &log, &error),
        }
    }
}

/// Deletes what is needed of a directory; whether anything could be.
fn delete(broker: &Arc<Broker>, dir: &LogDir, policy: &Policy, need: Need) -> bool {
    let mut owned: BTreeMap<TopicPartition, Owned> = BTreeMap::new();
    let mut views = Vec::new();
    for (log, partition) in logs_of_clients(broker, dir) {
        let is_taken = planted("deletes-compacted")
            || (planted("deletes-internal") && is_internal(&log.name().topic));
        if log.config().compact && !is_taken {
            continue;
        }
        match log.closed_segments(partition.high_watermark()) {
            Ok(closed) => views.push(view(&log, &closed)),
            Err(error) => {
                tracing::warn!("{}: cannot look at its segments: {error}", log.name());
                continue;
            }
        }
        owned.insert(log.name().clone(), (log, partition));
    }
    let deletions = choose(&views, need, policy, broker.env.clock.now_ms());
    let mut anything = false;
    for deletion in &deletions {
        let Some((log, partition)) = owned.get(&deletion.name) else { continue };
        match delete_from(broker, log, partition, deletion) {
            Ok(some) => anything |= some,
            Err(error) => failed(broker, dir, log, &error),
        }
    }
    anything
}

fn view(log: &Log, closed: &[ClosedSegment]) -> LogView<TopicPartition> {
    let view = |segment: &ClosedSegment| SegmentView {
        next_offset: segment.next_offset,
        bytes: segment.bytes,
        newest_ms: segment.newest_ms,
    };
    LogView {
        name: log.name().clone(),
        bytes: log.size(),
        closed: closed.iter().map(view).collect(),
    }
}

fn delete_from(
    broker: &Broker,
    log: &Log,
    partition: &Partition,
    deletion: &Deletion<TopicPartition>,
) -> io::Result<bool> {
    let files = log.delete_segments_before(deletion.before, partition.high_watermark())?;
    if planted("deletes-active") {
        log.advance_start_offset(partition.high_watermark());
    }
    if files.is_empty() {
        return Ok(false);
    }
    remove(broker, &files);
    count(broker, log, deletion.segments, deletion.bytes, "disk.segments.deleted");
    Ok(true)
}

fn count(broker: &Broker, log: &Log, segments: usize, bytes: u64, event: &str) {
    let metrics = &broker.metrics.disks;
    metrics.deleted_segments.add(segments as u64);
    metrics.deleted_bytes.add(bytes);
    tracing::warn!(
        event,
        partition = %log.name(),
        segments,
        bytes,
        log_start_offset = log.start_offset(),
        "{}: {bytes} bytes went because the volume fills; it begins at offset {} now",
        log.name(),
        log.start_offset(),
    );
}

fn remove(broker: &Broker, files: &[PathBuf]) {
    for file in files {
        if let Err(error) = broker.env.disk.remove_file(file) {
            tracing::warn!("cannot delete: {error}");
        }
    }
}

fn failed(broker: &Broker, dir: &LogDir, log: &Log, error: &io::Error) {
    tracing::warn!("{}: cannot delete segments: {error}", log.name());
    if !klamm_env::disk::is_full(error) && error.kind() != io::ErrorKind::NotFound {
        broker.logs.fail(&dir.path, &error.to_string());
    }
}
