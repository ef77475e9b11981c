//! A log that moves from one directory to another, with crashes at the end.

use std::{path::Path, sync::Arc};

use klamm_env::{
    Clock, Disk, Env, Random,
    virt::{VirtualDisk, VirtualNet},
};
use klamm_log::{
    AppendOptions, DirId, DirOpen, Known, Log, LogConfig, LogDirs, Origin, ReadLimits,
    TopicPartition,
};
use klamm_protocol::records::{
    Batches,
    builder::{BatchBuilder, BatchOptions, NewRecord},
};

const DIRS: [&str; 2] = ["/a", "/b"];

fn name() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 300, ..LogConfig::default() }
}

/// Opens the directories, and the log if the cluster knows it to be in `known`.
fn open(disk: &VirtualDisk, known: Option<DirId>) -> Arc<LogDirs> {
    let random = Random::from_seed(1);
    let env = Env {
        clock: Clock::following_runtime(0),
        net: Arc::new(VirtualNet::new(random.clone())),
        disk: Arc::new(disk.mount()),
        random,
    };
    let open = DirOpen {
        env,
        paths: DIRS.iter().map(Into::into).collect(),
        node_id: 1,
        cluster_id: "cluster".to_owned(),
        uuid_text: |bytes| u128::from_be_bytes(bytes).to_string(),
        uuid_parse: |text| text.parse().ok().map(u128::to_be_bytes),
    };
    let dirs = Arc::new(open.open().expect("the directories open"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let known = move |_: &TopicPartition| {
        Some(Known { topic_id: "id".to_owned(), config: config(), dir: known? })
    };
    let opened = runtime.expect("a runtime").block_on(dirs.open_all(1, Arc::new(known)));
    assert!(opened.expect("listed").is_empty());
    dirs
}

fn append(log: &Log, value: &str) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let record = NewRecord { timestamp: 5, key: None, value: Some(value.as_bytes()), headers: &[] };
    builder.append(&record).expect("a small record");
    let mut batch = builder.build().expect("a batch");
    log.append(&mut batch, &AppendOptions::new(Origin::Client, 0, 5)).expect("appended");
}

fn values(log: &Log) -> Vec<String> {
    let mut values = Vec::new();
    let mut next = log.start_offset();
    while next < log.end_offset() {
        let limits = ReadLimits { bytes_max: 400, upper: i64::MAX, first_whole: true };
        let slice = log.read(next, &limits).expect("readable");
        let file = slice.file.expect("there is more");
        let mut bytes = vec![0; usize::try_from(slice.len).expect("small")];
        file.read_at(&mut bytes, slice.position).expect("read");
        for entry in Batches::new(&bytes) {
            let view = entry.expect("whole").batch().expect("v2");
            let limit = klamm_protocol::records::DecompressionLimit(1 << 20);
            let records = view.records(limit).expect("readable");
            let value = |v: &[u8]| String::from_utf8(v.to_vec()).expect("text");
            let found = records.iter().map(|r| value(r.expect("whole").value.expect("a value")));
            values.extend(found);
            next = view.next_offset();
        }
    }
    values
}

/// Moves the log to the other directory in small steps, with an append between each two.
fn move_log(dirs: &LogDirs, log: &Arc<Log>, sent: &mut Vec<String>) -> DirId {
    let from = dirs.dir_of(&name()).expect("it is somewhere");
    let to = dirs.dirs().iter().find(|dir| dir.id != from.id).expect("there are two");
    let mut moved = dirs.begin_move(log, to).expect("begun").expect("no cleaner is there");
    let mut send = |at: usize| {
        sent.push(format!("{at:040}"));
        append(log, sent.last().expect("just put there"));
    };
    for at in 0.. {
        let stepped = moved.step(150).expect("copied");
        if at < 20 {
            send(at);
        } else if stepped.is_caught_up {
            break;
        }
    }
    moved.settle().expect("settled");
    send(1000);
    dirs.finish_move(moved, to).expect("finished");
    send(1001);
    assert_eq!(dirs.dir_of(&name()).expect("there").id, to.id);
    to.id
}

#[test]
fn a_log_is_whole_after_it_moved_whatever_crash_follows() {
    for seed in 0..40 {
        let disk = VirtualDisk::new(Random::from_seed(seed));
        let dirs = open(&disk, None);
        let (log, _) = dirs.open_or_create(&name(), config()).expect("made");
        log.write_partition_metadata("id").expect("written");
        log.assign_epoch(0);
        let mut sent = vec!["first".to_owned()];
        append(&log, "first");
        log.flush_now().expect("synced");
        let to = move_log(&dirs, &log, &mut sent);
        assert_eq!(values(&log), sent);
        log.flush_now().expect("synced");
        if seed % 2 == 0 {
            disk.crash();
        } else {
            disk.kill();
        }
        let dirs = open(&disk, Some(to));
        let log = dirs.get(&name()).expect("it is found");
        assert_eq!(dirs.dir_of(&name()).expect("there").id, to, "seed {seed}");
        assert_eq!(values(&log), sent, "seed {seed}");
        assert!(disk.list(Path::new("/a")).expect("listed").len() > 2);
        // And back to where it was.
        move_log(&dirs, &log, &mut sent);
        assert_eq!(values(&log), sent, "seed {seed}");
    }
}

#[test]
fn a_move_that_is_given_up_leaves_nothing() {
    let disk = VirtualDisk::new(Random::from_seed(1));
    let dirs = open(&disk, None);
    let (log, _) = dirs.open_or_create(&name(), config()).expect("made");
    append(&log, "first");
    let from = dirs.dir_of(&name()).expect("there");
    let to = dirs.dirs().iter().find(|dir| dir.id != from.id).expect("there are two");
    let mut moved = dirs.begin_move(&log, to).expect("begun").expect("no cleaner is there");
    moved.step(10).expect("copied");
    assert!(dirs.begin_move(&log, to).expect("not begun").is_none());
    moved.discard();
    let left = disk.list(&to.path).expect("listed");
    assert!(left.iter().all(|entry| !entry.is_dir), "{left:?}");
    append(&log, "second");
    assert_eq!(values(&log), ["first", "second"]);
}
