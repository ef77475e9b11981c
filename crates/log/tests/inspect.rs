//! Looking into a partition's directory: it says what the log that wrote it says.

use std::{io::IoSlice, path::Path, sync::Arc};

use klamm_env::{Disk, Random, disk::Open, virt::VirtualDisk};
use klamm_log::{
    AppendOptions, Log, LogConfig, OpenLog, Origin, TopicPartition,
    inspect::{self, SetAside},
};
use klamm_protocol::records::{BatchBuilder, BatchOptions, NewRecord};

const DIR: &str = "/data/t-0";

fn log(disk: &VirtualDisk) -> Log {
    let config =
        LogConfig { segment_bytes: 2_000, index_interval_bytes: 200, ..LogConfig::default() };
    let opening = OpenLog {
        disk: Arc::new(disk.clone()),
        dir: DIR.into(),
        name: TopicPartition::new("t", 0),
        config,
        recovery_point: 0,
        start_offset: 0,
        cleaned_to: None,
        clean: true,
        same_power_cycle: true,
        now_ms: 0,
    };
    opening.open().expect("opened").0
}

/// A log of several segments; the disk, and where the log ends.
fn filled() -> (VirtualDisk, i64) {
    let disk = VirtualDisk::new(Random::from_seed(1));
    let log = log(&disk);
    for i in 0..100_u8 {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        for value in [&[i; 50][..], &[i]] {
            let record = NewRecord { timestamp: 0, key: None, value: Some(value), headers: &[] };
            batch.append(&record).expect("appended");
        }
        let mut bytes = batch.build().expect("built");
        log.append(&mut bytes, &AppendOptions::new(Origin::Client, 0, 0)).expect("appended");
    }
    log.close().expect("closed");
    let end = log.end_offset();
    (disk, end)
}

fn last_segment(disk: &VirtualDisk) -> (String, u64) {
    let entries = disk.list(Path::new(DIR)).expect("listed");
    let last = entries.into_iter().rfind(|entry| entry.name.ends_with(".log")).expect("one");
    (format!("{DIR}/{}", last.name), last.len)
}

#[test]
fn the_end_and_every_batch_are_found() {
    let (disk, end) = filled();
    let mut batches = 0;
    let walked = inspect::walk(&disk, Path::new(DIR), |_| batches += 1).expect("walked");
    assert_eq!((walked.start_offset, walked.end_offset, batches), (0, end, 100));
    assert!(walked.segments > 3 && walked.damage.is_none(), "{walked:?}");
    assert_eq!(inspect::extent(&disk, Path::new(DIR)).expect("looked"), walked);
}

#[test]
fn a_torn_end_is_told_from_damage() {
    let (disk, end) = filled();
    let (path, len) = last_segment(&disk);
    let file = disk.open(Path::new(&path), Open::Write).expect("opened");
    file.set_len(len - 7).expect("cut");
    let walked = inspect::walk(&disk, Path::new(DIR), |_| {}).expect("walked");
    assert_eq!(walked.end_offset, end - 2);
    assert!(walked.damage.expect("torn").is_torn_end);
    assert_eq!(inspect::extent(&disk, Path::new(DIR)).expect("looked").end_offset, end - 2);

    let (disk, _) = filled();
    disk.flip_bit(Path::new("/data/t-0/00000000000000000000.log"), 70).expect("flipped");
    let walked = inspect::walk(&disk, Path::new(DIR), |_| {}).expect("walked");
    assert_eq!(walked.end_offset, 0);
    assert!(!walked.damage.expect("damaged").is_torn_end);
}

#[test]
fn room_that_was_made_in_advance_is_no_damage() {
    let (disk, end) = filled();
    let (path, len) = last_segment(&disk);
    let file = disk.open(Path::new(&path), Open::Write).expect("opened");
    file.write_all_at(&[IoSlice::new(&[0; 500])], len).expect("written");
    for contents in [
        inspect::walk(&disk, Path::new(DIR), |_| {}).expect("walked"),
        inspect::extent(&disk, Path::new(DIR)).expect("looked"),
    ] {
        assert_eq!((contents.end_offset, contents.damage), (end, None));
    }
}

#[test]
fn names_say_why_a_directory_is_set_aside() {
    let of = |suffix: &str| SetAside::from_name(&format!("t-0.0123456789abcdef{suffix}"));
    assert_eq!(of("-delete"), Some(SetAside::Deleted));
    assert_eq!(of("-future"), Some(SetAside::Future));
    assert_eq!(of("-stray"), Some(SetAside::Stray));
    assert_eq!(SetAside::from_name("t-0"), None);
}
