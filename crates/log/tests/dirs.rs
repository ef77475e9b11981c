//! Log directories: one that goes out of service, and many logs that are closed together.

use std::{io::IoSlice, path::Path, pin::pin, sync::Arc};

use klamm_env::{
    Clock, Disk, Env, Random,
    disk::Open,
    virt::{DiskFault, VirtualDisk, VirtualNet},
};
use klamm_log::{
    AppendOptions, DirId, DirOpen, Known, Log, LogConfig, LogDirs, OpenError, Origin,
    TopicPartition,
};
use klamm_protocol::records::builder::{BatchBuilder, BatchOptions, NewRecord};

fn dirs(paths: &[&str]) -> LogDirs {
    let random = Random::from_seed(1);
    dirs_on(&VirtualDisk::new(random.clone()), random, paths)
}

fn dirs_on(disk: &VirtualDisk, random: Random, paths: &[&str]) -> LogDirs {
    let env = Env {
        clock: Clock::following_runtime(0),
        net: Arc::new(VirtualNet::new(random.clone())),
        disk: Arc::new(disk.mount()),
        random,
    };
    let open = DirOpen {
        env,
        paths: paths.iter().map(Into::into).collect(),
        node_id: 1,
        cluster_id: "cluster".to_owned(),
        uuid_text: |bytes| u128::from_be_bytes(bytes).to_string(),
        uuid_parse: |text| text.parse().ok().map(u128::to_be_bytes),
    };
    open.open().expect("a new disk takes directories")
}

#[test]
fn one_that_fails_does_not_stop_the_others_and_the_last_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let dirs = dirs(&["/a", "/b"]);
        let mut all_failed = pin!(dirs.all_failed());
        let mut has_failed = async || {
            tokio::select! {
                biased;
                reason = &mut all_failed => Some(reason),
                () = std::future::ready(()) => None,
            }
        };
        dirs.fail(Path::new("/a"), "it smokes");
        assert!(!dirs.are_all_in_service());
        assert_eq!(has_failed().await, None);
        dirs.fail(Path::new("/b"), "it burns");
        let reason = has_failed().await.expect("none is left");
        assert_eq!(reason, "all log directories are out of service: it burns");
    });
}

fn append(log: &Log, value: &str) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let record = NewRecord { timestamp: 1, key: None, value: Some(value.as_bytes()), headers: &[] };
    builder.append(&record).expect("a small record");
    let mut batch = builder.build().expect("a batch");
    log.append(&mut batch, &AppendOptions::new(Origin::Client, 3, 1)).expect("appended");
}

/// More logs than are closed each by itself; every other one has records.
const LOGS: i32 = 80;

fn records_of(partition: i32) -> i64 {
    i64::from(partition % 2 * (partition % 5 + 1))
}

/// Closes many logs on a disk that dies after so many steps, if it does, and loses the power then;
/// whether the logs were closed.
async fn close_many(steps: Option<u64>) -> bool {
    let random = Random::from_seed(steps.unwrap_or(7));
    let disk = VirtualDisk::new(random.clone());
    let logs = Arc::new(dirs_on(&disk, random.clone(), &["/a"]));
    let open = |logs: &LogDirs, partition| {
        let config = LogConfig { preallocate: true, segment_bytes: 4096, ..LogConfig::default() };
        let log = logs.open_or_create(&TopicPartition::new("t", partition), config);
        log.expect("opened").0
    };
    for partition in 0..LOGS {
        let log = open(&logs, partition);
        log.write_partition_metadata("an id").expect("written");
        (0..records_of(partition)).for_each(|_| append(&log, "value"));
    }
    if let Some(steps) = steps {
        disk.set_fault(DiskFault::Dying(steps));
    }
    let closed = logs.close(1, |_| Some(0)).await.is_ok();
    disk.crash();
    disk.set_fault(DiskFault::None);
    let logs = dirs_on(&disk, random, &["/a"]);
    let is_marked = logs.dirs()[0].clean;
    assert!(!closed || is_marked, "{steps:?}: what was closed is marked");
    for partition in 0..LOGS {
        let log = open(&logs, partition);
        let (end, appended) = (log.end_offset(), records_of(partition));
        assert!(end <= appended, "{steps:?}: t-{partition} has records that nobody wrote");
        assert!(!is_marked || end == appended, "{steps:?}: t-{partition} lost records");
        let files = disk.list(&log.dir()).expect("listed");
        let has = |wanted: &str| files.iter().any(|file| file.name == wanted);
        let replaced = !has("leader-epoch-checkpoint.tmp") && has("leader-epoch-checkpoint");
        assert!(!is_marked || end == 0 || replaced, "{steps:?}: t-{partition} lost its epochs");
        append(&log, "another");
    }
    closed
}

#[test]
fn many_logs_are_closed_whole_or_not_marked_wherever_the_disk_dies() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        assert!(close_many(None).await);
        let mut closed = 0;
        for steps in (0..2000).step_by(13) {
            closed += u32::from(close_many(Some(steps)).await);
        }
        assert!((1..153).contains(&closed), "the disk died in the middle of some: {closed} closed");
    });
}

/// A log that cannot be opened keeps what the checkpoints say of it, for a start that can.
#[test]
fn checkpoints_keep_what_they_say_of_logs_that_cannot_be_opened() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let random = Random::from_seed(9);
        let disk = VirtualDisk::new(random.clone());
        let name = TopicPartition::new("t", 0);
        let dirs = Arc::new(dirs_on(&disk, random.clone(), &["/a"]));
        let (log, _) = dirs.open_or_create(&name, LogConfig::default()).expect("opened");
        log.write_partition_metadata("an id").expect("written");
        (0..5).for_each(|_| append(&log, "value"));
        log.flush_now().expect("flushed");
        log.advance_start_offset(3);
        let checkpoint = |dirs: &LogDirs| {
            dirs.checkpoint_recovery_points().expect("written");
            dirs.checkpoint_start_offsets().expect("written");
        };
        checkpoint(&dirs);
        drop((log, dirs));
        disk.kill();

        // What it does to a byte it does away with when done again.
        let damage = || {
            let path = Path::new("/a/t-0/00000000000000000000.log");
            let file = Disk::open(&disk, path, Open::Write).expect("there");
            let mut byte = [0];
            file.read_at(&mut byte, 30).expect("readable");
            file.write_all_at(&[IoSlice::new(&[!byte[0]])], 30).expect("written");
        };
        damage();
        let known = |_: &TopicPartition| {
            let (topic_id, config) = ("an id".to_owned(), LogConfig::default());
            Some(Known { topic_id, config, dir: DirId::default() })
        };
        let start = async || {
            let dirs = Arc::new(dirs_on(&disk, random.clone(), &["/a"]));
            let failed = dirs.open_all(1, Arc::new(known)).await.expect("listed");
            (dirs, failed.len())
        };
        let (dirs, failed) = start().await;
        assert_eq!(failed, 1, "the damage is seen");
        checkpoint(&dirs);
        drop(dirs);
        disk.kill();

        damage();
        let (dirs, failed) = start().await;
        assert_eq!(failed, 0);
        let log = dirs.get(&name).expect("open");
        assert_eq!((log.start_offset(), log.end_offset()), (3, 5));
    });
}

/// A log is not begun while a checkpoint speaks of a former one of its name.
#[test]
fn a_new_log_does_not_begin_where_a_former_one_did() {
    let random = Random::from_seed(11);
    let disk = VirtualDisk::new(random.clone());
    let name = TopicPartition::new("t", 0);
    let dirs = dirs_on(&disk, random.clone(), &["/a"]);
    let open = |dirs: &LogDirs| dirs.open_or_create(&name, LogConfig::default());
    let (log, _) = open(&dirs).expect("opened");
    (0..5).for_each(|_| append(&log, "value"));
    log.advance_start_offset(3);
    dirs.checkpoint_start_offsets().expect("written");
    disk.set_fault(DiskFault::Full);
    dirs.delete(&name).expect("renamed");
    dirs.forget_deleted().expect_err("no room");
    assert!(matches!(open(&dirs), Err(OpenError::Io(_))), "no room to forget");
    disk.set_fault(DiskFault::None);
    let (log, _) = open(&dirs).expect("opened");
    (0..5).for_each(|_| append(&log, "value"));
    drop((log, dirs));
    disk.kill();
    let dirs = dirs_on(&disk, random, &["/a"]);
    assert_eq!(open(&dirs).expect("opened").0.start_offset(), 0);
}
