//! The process, its disks, the cleaner, and the metadata quorum.

use klamm_env::process;
use klamm_metrics::{Gauge, Page};

use super::definitions as of;
use crate::broker::Broker;

pub(super) fn write(broker: &Broker, page: &mut Page) {
    page.family(&of::BUILD_INFO).sample(&[env!("CARGO_PKG_VERSION")], 1_u64);
    let node_id = broker.node_id.to_string();
    page.family(&of::NODE_INFO).sample(&[&broker.cluster_id, &node_id], 1_u64);
    page.single(&of::UPTIME, broker.metrics.started.elapsed().as_secs_f64());
    process_usage(page);
    dirs(broker, page);
    disks(broker, page);
    page.family(&of::LOG_FLUSH_DURATION).histogram(&[], &broker.logs.flushes());
    cleaner(broker, page);
    quorum(broker, page);
}

/// What the system does not tell is left out.
fn process_usage(page: &mut Page) {
    let usage = process::usage();
    if let Some(seconds) = usage.cpu_seconds {
        page.single(&of::CPU, seconds);
    }
    if let Some(bytes) = usage.resident_bytes {
        page.single(&of::MEMORY, bytes);
    }
    if let Some(files) = usage.open_files {
        page.single(&of::OPEN_FILES, files);
    }
    if let Some(files) = usage.open_files_max {
        page.single(&of::OPEN_FILES_MAX, files);
    }
    let machine = process::machine();
    if let Some(processors) = machine.processors {
        page.single(&of::PROCESSORS, processors);
    }
    if let Some(load) = machine.load {
        page.single(&of::LOAD, load);
    }
    if let Some(bytes) = machine.memory_bytes {
        page.single(&of::MACHINE_MEMORY, bytes);
    }
    if let Some(bytes) = machine.memory_available_bytes {
        page.single(&of::MACHINE_MEMORY_AVAILABLE, bytes);
    }
}

fn dirs(broker: &Broker, page: &mut Page) {
    let dirs: Vec<_> = broker
        .logs
        .dirs()
        .iter()
        .map(|dir| {
            let online = dir.offline_reason().is_none();
            let space = online.then(|| broker.env.disk.space(&dir.path).ok()).flatten();
            let bytes = broker.logs.logs_in(dir).iter().map(|log| log.size()).sum::<u64>();
            (dir.path.display().to_string(), online, space, bytes)
        })
        .collect();
    let mut family = page.family(&of::LOG_DIR_ONLINE);
    for (dir, online, ..) in &dirs {
        family.sample(&[dir], *online);
    }
    for dir in broker.logs.left_out() {
        family.sample(&[&dir.display().to_string()], false);
    }
    let mut family = page.family(&of::LOG_DIR_SIZE);
    for (dir, _, _, bytes) in &dirs {
        family.sample(&[dir], *bytes);
    }
    let mut family = page.family(&of::LOG_DIR_FREE);
    for (dir, _, space, _) in &dirs {
        if let Some(space) = space {
            family.sample(&[dir], space.usable);
        }
    }
    let mut family = page.family(&of::LOG_DIR_TOTAL);
    for (dir, _, space, _) in &dirs {
        if let Some(space) = space {
            family.sample(&[dir], space.total);
        }
    }
}

fn disks(broker: &Broker, page: &mut Page) {
    let disks = &broker.metrics.disks;
    page.single(&of::LOG_DIRS_RESTRICTED, disks.restricted_directories.get());
    page.single(&of::DISK_REFUSED, disks.refused_appends.get());
    page.single(&of::DISK_DELETED_SEGMENTS, disks.deleted_segments.get());
    page.single(&of::DISK_DELETED_BYTES, disks.deleted_bytes.get());
    page.single(&of::DISK_EVENTS, disks.events.get());
    page.single(&of::REPLICAS_MOVED, disks.moved_replicas.get());
    page.single(&of::REPLICA_MOVED_BYTES, disks.moved_bytes.get());
}

fn cleaner(broker: &Broker, page: &mut Page) {
    let cleaner = &broker.metrics.cleaner;
    let ratio = |percent: &Gauge| percent.get() as f64 / 100.0;
    page.single(&of::CLEANINGS, cleaner.cleanings.get());
    page.single(&of::CLEANER_BYTES_READ, cleaner.bytes_read.get());
    page.single(&of::CLEANER_BYTES_WRITTEN, cleaner.bytes_written.get());
    page.single(&of::CLEANER_KEYLESS, cleaner.records_without_key.get());
    page.single(&of::CLEANER_RECOPY, ratio(&cleaner.recopy_percent));
    page.single(&of::CLEANER_BUFFER, ratio(&cleaner.buffer_utilization_percent));
    page.single(&of::CLEANER_LAST_DURATION, cleaner.clean_time_ms.get() as f64 / 1000.0);
    page.single(&of::CLEANER_DIRTY, ratio(&cleaner.max_dirty_percent));
    let delay_ms = cleaner.max_compaction_delay_ms.get();
    page.single(&of::CLEANER_DELAY, delay_ms as f64 / 1000.0);
    let last_run_ms = cleaner.last_run_ms.get();
    page.single(&of::CLEANER_LAST_RUN, last_run_ms as f64 / 1000.0);
    page.single(&of::UNCLEANABLE_PARTITIONS, cleaner.uncleanable_partitions.get());
    page.single(&of::UNCLEANABLE_BYTES, cleaner.uncleanable_bytes.get());
}

fn quorum(broker: &Broker, page: &mut Page) {
    let status = broker.quorum.status();
    page.single(&of::QUORUM_LEADER, status.leader.unwrap_or(-1));
    page.single(&of::QUORUM_EPOCH, status.leader_epoch);
    page.single(&of::QUORUM_HIGH_WATERMARK, status.high_watermark);
    page.single(&of::QUORUM_APPLIED, broker.applied.get());
    let mut family = page.family(&of::QUORUM_LAG);
    let voters = status.voters.iter().map(|replica| (replica, "voter"));
    let observers = status.observers.iter().map(|replica| (replica, "observer"));
    for (replica, role) in voters.chain(observers).filter(|(of, _)| of.log_end_offset >= 0) {
        let lag = (status.high_watermark - replica.log_end_offset).max(0);
        family.sample(&[&replica.id.to_string(), role], lag);
    }
}
