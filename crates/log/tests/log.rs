//! A log against a model, on a disk that crashes.

use std::{path::PathBuf, sync::Arc};

use klamm_env::{
    Disk, Random,
    disk::Open,
    virt::{DiskFault, VirtualDisk},
};
use klamm_log::{
    AppendError, AppendOptions, Log, LogConfig, OpenError, OpenLog, Origin, ReadLimits, Report,
    TopicPartition,
};
use klamm_protocol::records::{
    Batches,
    builder::{BatchBuilder, BatchOptions, NewRecord},
};

const DIR: &str = "/data/t-0";

fn batch(values: &[&str], timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in values {
        let record =
            NewRecord { timestamp, key: None, value: Some(value.as_bytes()), headers: &[] };
        builder.append(&record).expect("a small record");
    }
    builder.build().expect("a batch")
}

fn options(now_ms: i64) -> AppendOptions {
    AppendOptions::new(Origin::Client, 0, now_ms)
}

struct Store {
    disk: VirtualDisk,
    config: LogConfig,
}

impl Store {
    fn new(seed: u64, config: LogConfig) -> Self {
        let disk = VirtualDisk::new(Random::from_seed(seed));
        Disk::create_dir_all(&disk, "/data".as_ref()).expect("made");
        disk.sync_dir("/".as_ref()).expect("synced");
        Self { disk, config }
    }

    fn open(&self, clean: bool, point: i64, same: bool) -> Result<(Arc<Log>, Report), OpenError> {
        let opened = OpenLog {
            disk: Arc::new(self.disk.clone()),
            dir: PathBuf::from(DIR),
            name: TopicPartition::new("t", 0),
            config: self.config.clone(),
            recovery_point: point,
            start_offset: 0,
            cleaned_to: None,
            clean,
            same_power_cycle: same,
            now_ms: 0,
        }
        .open()?;
        Ok((Arc::new(opened.0), opened.1))
    }
}

/// Reads everything from `from` on: (offset, value) pairs.
fn contents(log: &Log, from: i64) -> Vec<(i64, String)> {
    let mut out = Vec::new();
    let mut next = from;
    loop {
        let limits = ReadLimits { bytes_max: 700, upper: i64::MAX, first_whole: true };
        let slice = log.read(next, &limits).expect("readable");
        let Some(file) = slice.file else { return out };
        let mut bytes = vec![0; usize::try_from(slice.len).expect("small")];
        file.read_at(&mut bytes, slice.position).expect("read");
        for entry in Batches::new(&bytes) {
            let view = entry.expect("whole").batch().expect("v2");
            view.check_crc().expect("intact");
            let records = view.records(klamm_protocol::records::DecompressionLimit(1 << 20));
            for record in records.expect("readable").iter() {
                let record = record.expect("record");
                if record.offset >= next {
                    let value = String::from_utf8_lossy(record.value.unwrap_or_default());
                    out.push((record.offset, value.into_owned()));
                }
            }
            next = view.next_offset();
        }
    }
}

#[test]
fn a_log_is_read_back_as_appended_across_rolls_and_a_clean_restart() {
    let store = Store::new(1, LogConfig { segment_bytes: 500, ..LogConfig::default() });
    let (log, _) = store.open(true, 0, true).expect("opened");
    let mut expected = Vec::new();
    for i in 0..50 {
        let value = format!("value-{i}");
        let appended = log.append(&mut batch(&[&value, "x"], i), &options(i)).expect("appended");
        assert_eq!(appended.base_offset, 2 * i);
        expected.extend([(2 * i, value), (2 * i + 1, "x".to_owned())]);
    }
    assert!(log.segment_count() > 5, "segments were rolled");
    assert_eq!(contents(&log, 0), expected);
    assert_eq!(contents(&log, 33), expected[33..]);
    assert_eq!(log.offset_for_time(20, i64::MAX).expect("found").map(|t| t.offset), Some(40));
    assert_eq!(log.newest_record().expect("found").map(|t| t.offset), Some(98));
    log.close().expect("closed");
    drop(log);
    store.disk.crash();
    let (log, report) = store.open(true, 0, false).expect("opened");
    assert_eq!(report, Report::default(), "a clean stop needs no recovery");
    assert_eq!(contents(&log, 0), expected);
    assert_eq!(log.offset_for_time(20, i64::MAX).expect("found").map(|t| t.offset), Some(40));
    let appended = log.append(&mut batch(&["after"], 60), &options(60)).expect("appended");
    assert_eq!(appended.base_offset, 100);
}

/// One life of a log under random appends, flushes and a crash; then what must be there is there.
fn check_crashes(seed: u64) {
    let random = Random::from_seed(seed);
    let segment_bytes = 300 + random.below(2000);
    let config = LogConfig { segment_bytes, index_interval_bytes: 100, ..LogConfig::default() };
    let store = Store::new(seed, config);
    let mut model: Vec<(i64, String)> = Vec::new();
    let mut point = 0;
    let mut same = true;
    for _life in 0..6 {
        let opened = store.open(false, point, same);
        assert!(opened.is_ok(), "seed {seed}: {opened:?}");
        let (log, _) = opened.expect("just looked at");
        let found = contents(&log, 0);
        let end = usize::try_from(log.end_offset()).expect("small");
        assert_eq!(found, model[..end], "seed {seed}");
        assert!(log.end_offset() >= point, "seed {seed}: synced records are lost");
        assert!(!same || end == model.len(), "seed {seed}: only the process died");
        model.truncate(end);
        for _ in 0..random.below(30) {
            let count = 1 + random.below(4);
            let values: Vec<String> = (0..count).map(|i| format!("{}", seed * 7 + i)).collect();
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let appended = log.append(&mut batch(&texts, 5), &options(5)).expect("appended");
            model.extend((appended.base_offset..).zip(values));
            if random.chance(1, 5) {
                log.flush_now().expect("flushed");
                point = log.recovery_point();
            }
        }
        same = random.chance(1, 2);
        if same { store.disk.kill() } else { store.disk.crash() }
    }
}

#[test]
fn what_was_synced_survives_every_crash() {
    for seed in 0..300 {
        check_crashes(seed);
    }
}

#[test]
fn damage_inside_the_log_is_an_error_and_changes_nothing() {
    let store = Store::new(2, LogConfig::default());
    let (log, _) = store.open(true, 0, true).expect("opened");
    for i in 0..10 {
        log.append(&mut batch(&["some value"], i), &options(i)).expect("appended");
    }
    let size = log.size();
    store.disk.kill();
    let file = PathBuf::from(DIR).join("00000000000000000000.log");
    let at = usize::try_from(size / 2).expect("small");
    store.disk.flip_bit(&file, at).expect("flipped");
    let error = store.open(false, 0, true).expect_err("damaged");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    let len = Disk::open(&store.disk, &file, Open::Read).expect("there").len().expect("len");
    assert_eq!(len, size, "nothing was cut");
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let store = Store::new(3, LogConfig::default());
    let (log, _) = store.open(true, 0, true).expect("opened");
    for i in 0..10 {
        log.append(&mut batch(&["some value"], i), &options(i)).expect("appended");
    }
    let size = log.size();
    store.disk.kill();
    let file = PathBuf::from(DIR).join("00000000000000000000.log");
    let file = Disk::open(&store.disk, &file, Open::Write).expect("there");
    file.set_len(size - 3).expect("cut");
    let (log, report) = store.open(false, 0, true).expect("opened");
    assert_eq!(log.end_offset(), 9);
    assert_eq!(report.bytes_cut, size / 10 - 3);
    assert_eq!(report.damage.as_deref(), Some("the last batch is cut"));
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room_again() {
    let store = Store::new(4, LogConfig::default());
    let (log, _) = store.open(true, 0, true).expect("opened");
    log.append(&mut batch(&["a"], 0), &options(0)).expect("appended");
    store.disk.set_fault(DiskFault::Full);
    let error = log.append(&mut batch(&["b"], 0), &options(0)).expect_err("full");
    assert!(matches!(error, AppendError::Full(_)), "{error}");
    assert_eq!(contents(&log, 0), [(0, "a".to_owned())]);
    store.disk.set_fault(DiskFault::None);
    let appended = log.append(&mut batch(&["c"], 0), &options(0)).expect("room again");
    assert_eq!(appended.base_offset, 1);
}

#[test]
fn retention_takes_whole_segments_below_the_high_watermark() {
    let config = LogConfig { segment_bytes: 200, retention_ms: 100, ..LogConfig::default() };
    let store = Store::new(5, config);
    let (log, _) = store.open(true, 0, true).expect("opened");
    for i in 0..20 {
        log.append(&mut batch(&["value"], i * 10), &options(i * 10)).expect("appended");
    }
    assert_eq!(log.delete_old_segments(150, 0).expect("ran").len(), 0, "nothing is committed");
    let files = log.delete_old_segments(200, log.end_offset()).expect("ran");
    assert!(!files.is_empty());
    let start = log.start_offset();
    assert!((8..=10).contains(&start), "{start}");
    assert!(contents(&log, start).len() as i64 == 20 - start);
    log.delete_old_segments(10_000, log.end_offset()).expect("ran");
    assert_eq!((log.start_offset(), log.end_offset()), (20, 20), "an expired log becomes empty");
    log.append(&mut batch(&["again"], 0), &options(0)).expect("appended");
    assert_eq!(contents(&log, 20), [(20, "again".to_owned())]);
}

#[test]
fn the_end_can_be_cut_off() {
    let store = Store::new(6, LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let (log, _) = store.open(true, 0, true).expect("opened");
    for i in 0..20 {
        log.append(&mut batch(&["value"], i), &options(i)).expect("appended");
    }
    let before = contents(&log, 0);
    assert_eq!(log.truncate_to(7).expect("cut"), 7);
    assert_eq!(contents(&log, 0), before[..7]);
    assert_eq!(log.append(&mut batch(&["b"], 9), &options(9)).expect("appended").base_offset, 7);
    log.truncate_fully(100, 0).expect("cut");
    assert_eq!((log.start_offset(), log.end_offset(), log.size()), (100, 100, 0));
    assert_eq!(log.append(&mut batch(&["c"], 9), &options(9)).expect("appended").base_offset, 100);
}

#[test]
fn files_of_a_log_are_kafkas() {
    let store = Store::new(7, LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let (log, _) = store.open(true, 0, true).expect("opened");
    for i in 0..8 {
        log.append(&mut batch(&["value"], i), &options(i)).expect("appended");
    }
    log.write_partition_metadata("AAAAAAAAAAAAAAAAAAAAAQ").expect("written");
    log.close().expect("closed");
    let entries = store.disk.list(DIR.as_ref()).expect("listed");
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "00000000000000000000.index",
            "00000000000000000000.log",
            "00000000000000000000.timeindex",
            "00000000000000000004.index",
            "00000000000000000004.log",
            "00000000000000000004.snapshot",
            "00000000000000000004.timeindex",
            "00000000000000000008.snapshot",
            "leader-epoch-checkpoint",
            "partition.metadata",
        ]
    );
}

#[test]
fn a_sync_is_due_every_so_many_records() {
    let store = Store::new(1, LogConfig { flush_messages: 5, ..LogConfig::default() });
    let (log, _) = store.open(true, 0, true).expect("opened");
    let due = || log.append(&mut batch(&["a", "b"], 1), &options(1)).expect("appended").sync_due;
    assert_eq!([due(), due(), due()], [false, false, true]);
    log.flush_now().expect("synced");
    assert_eq!([due(), due(), due()], [false, false, true]);
}
