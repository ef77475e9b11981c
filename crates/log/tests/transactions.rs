//! Transactions in a log: what is stable, what was aborted, who may write.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use klamm_env::{
    Disk, Random, disk,
    virt::{DiskFault, VirtualDisk},
};
use klamm_log::{
    AppendError, AppendOptions, Log, LogConfig, OpenError, OpenLog, Origin, ReadLimits,
    TopicPartition, Wait,
};
use klamm_protocol::records::{
    builder::{BatchBuilder, BatchOptions, NewRecord},
    control::{ControlBatch, EndTransactionMarker},
};
use klamm_transactions::{Batch, Guard, Refusal, Verified};

const DIR: &str = "/data/t-0";

struct Store {
    disk: VirtualDisk,
    config: LogConfig,
}

impl Store {
    fn new(segment_bytes: u64) -> Self {
        let disk = VirtualDisk::new(Random::from_seed(1));
        Disk::create_dir_all(&disk, "/data".as_ref()).expect("made");
        disk.sync_dir("/".as_ref()).expect("synced");
        Self { disk, config: LogConfig { segment_bytes, ..LogConfig::default() } }
    }

    fn open(&self, clean: bool, recovery_point: i64) -> Arc<Log> {
        Arc::new(self.opening(clean, recovery_point).open().expect("opened").0)
    }

    fn opening(&self, clean: bool, recovery_point: i64) -> OpenLog {
        OpenLog {
            disk: Arc::new(self.disk.clone()),
            dir: PathBuf::from(DIR),
            name: TopicPartition::new("t", 0),
            config: self.config.clone(),
            recovery_point,
            start_offset: 0,
            clean,
            cleaned_to: None,
            same_power_cycle: true,
            now_ms: 0,
        }
    }
}

fn write(log: &Log, producer_id: i64, epoch: i16, sequence: i32) -> Result<i64, AppendError> {
    guarded(log, producer_id, epoch, sequence, Guard::NotAsked)
}

/// Appends two records of a transaction.
fn guarded(
    log: &Log,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    guard: Guard,
) -> Result<i64, AppendError> {
    let options = BatchOptions {
        producer_id,
        producer_epoch,
        base_sequence,
        is_transactional: true,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    for _ in 0..2 {
        let value = Some(&b"value"[..]);
        let record = NewRecord { timestamp: 1, key: None, value, headers: &[] };
        builder.append(&record).expect("small");
    }
    let mut batch = builder.build().expect("a batch");
    let options = AppendOptions { guard, ..AppendOptions::new(Origin::Client, 0, 0) };
    log.append(&mut batch, &options).map(|appended| appended.base_offset)
}

fn end(
    log: &Log,
    producer: (i64, i16),
    committed: bool,
    coordinator_epoch: i32,
) -> Result<i64, AppendError> {
    let at = ControlBatch { base_offset: 0, partition_leader_epoch: 0, timestamp: 1 };
    let marker = EndTransactionMarker { committed, coordinator_epoch };
    let mut batch = at.end_transaction(producer.0, producer.1, marker).expect("a marker");
    let options =
        AppendOptions { marker_version: 2, ..AppendOptions::new(Origin::Coordinator, 0, 0) };
    let appended = log.append(&mut batch, &options)?;
    Ok(appended.base_offset)
}

/// The aborted transactions that a reader is told of who reads everything: producer and first
/// offset.
fn aborted(log: &Log) -> Vec<(i64, i64)> {
    log.replicated(log.end_offset());
    let upper = log.first_unstable().unwrap_or(log.end_offset());
    let mut all = BTreeSet::new();
    for from in 0..upper {
        let limits = ReadLimits { bytes_max: u64::MAX, upper, first_whole: true };
        let slice = log.read(from, &limits).expect("readable");
        let found = log.aborted_transactions(from, &slice, upper, Wait::Yes).expect("readable");
        let found = found.expect("waited for");
        all.extend(found.iter().map(|of| (of.producer_id, of.first_offset)));
    }
    all.into_iter().collect()
}

/// Three transactions that overlap: 1 commits, 2 and 3 are aborted, 4 stays open.
fn fill(log: &Log) {
    for (at, producer_id) in [1, 2, 3, 1, 4].into_iter().enumerate() {
        let sequence = if at == 3 { 2 } else { 0 };
        write(log, producer_id, 0, sequence).expect("appended");
    }
    end(log, (2, 1), false, 0).expect("ended");
    end(log, (1, 1), true, 0).expect("ended");
    end(log, (3, 1), false, 0).expect("ended");
}

fn check_filled(log: &Log) {
    assert_eq!(log.end_offset(), 13);
    assert_eq!(aborted(log), [(2, 2), (3, 4)]);
    assert_eq!(log.first_unstable(), Some(8), "transaction 4 is open");
    let producers = log.producers();
    assert_eq!(producers.get(4).and_then(|entry| entry.transaction_start), Some(8));
    assert_eq!(producers.get(2).map(|entry| (entry.epoch, entry.coordinator_epoch)), Some((1, 0)));
}

#[test]
fn readers_stop_at_the_first_open_transaction_and_hear_of_aborted_ones() {
    for segment_bytes in [1 << 20, 200] {
        let store = Store::new(segment_bytes);
        let log = store.open(true, 0);
        fill(&log);
        assert_eq!(log.first_unstable(), Some(0), "no marker is replicated yet");
        check_filled(&log);
        log.flush_now().expect("flushed");
        let point = log.recovery_point();
        drop(log);
        store.disk.kill();
        check_filled(&store.open(false, 0));
        store.disk.kill();
        check_filled(&store.open(false, point));
        let log = store.open(false, point);
        log.close().expect("closed");
        drop(log);
        check_filled(&store.open(true, point));
    }
}

#[test]
fn the_index_of_aborted_transactions_is_kafkas() {
    let store = Store::new(1 << 20);
    let log = store.open(true, 0);
    fill(&log);
    let path = PathBuf::from(DIR).join("00000000000000000000.txnindex");
    let bytes = disk::read_file(&store.disk, &path, 1000).expect("there");
    let mut expected = Vec::new();
    for numbers in [[2_i64, 2, 10, 0], [3, 4, 12, 8]] {
        expected.extend_from_slice(&[0, 0]);
        numbers.iter().for_each(|number| expected.extend_from_slice(&number.to_be_bytes()));
    }
    assert_eq!(bytes, expected);
}

/// Where there is no room for the index of aborted transactions a log is not opened, and loses
/// nothing.
#[test]
fn no_room_for_the_index_is_no_damage() {
    let store = Store::new(1 << 20);
    let log = store.open(true, 0);
    fill(&log);
    drop(log);
    store.disk.kill();
    store.disk.set_fault(DiskFault::Full);
    let error = store.opening(false, 0).open().expect_err("no room");
    assert!(matches!(error, OpenError::Io(_)), "{error}");
    store.disk.set_fault(DiskFault::None);
    check_filled(&store.open(false, 0));
}

#[test]
fn what_is_cut_off_the_end_was_not_aborted() {
    let store = Store::new(200);
    let log = store.open(true, 0);
    fill(&log);
    log.truncate_to(12).expect("cut");
    assert_eq!(log.first_unstable(), Some(0), "markers are to be replicated again");
    log.replicated(12);
    assert_eq!(log.first_unstable(), Some(4), "transaction 3 is open again");
    end(&log, (3, 1), true, 0).expect("ended");
    assert_eq!(aborted(&log), [(2, 2)]);
}

#[test]
fn markers_of_the_past_are_refused() {
    let store = Store::new(1 << 20);
    let log = store.open(true, 0);
    write(&log, 1, 5, 0).expect("appended");
    let refused = |result: Result<i64, AppendError>| match result {
        Err(AppendError::Producer(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let of = |producer_id| Refusal::Fenced { producer_id, given: 5, current: 5 };
    assert_eq!(refused(end(&log, (1, 5), true, 3)), of(1), "version 2 markers are an epoch ahead");
    end(&log, (1, 6), true, 3).expect("ended");
    end(&log, (1, 6), true, 3).expect("a marker may be written again");
    let late = Refusal::CoordinatorFenced { producer_id: 1, given: 2, current: 3 };
    assert_eq!(refused(end(&log, (1, 7), true, 2)), late);
    let fenced = Refusal::Fenced { producer_id: 1, given: 5, current: 6 };
    assert_eq!(refused(write(&log, 1, 5, 2)), fenced, "the producer has ended this epoch");
}

#[test]
fn a_write_shows_that_its_transaction_is_open() {
    let store = Store::new(1 << 20);
    let log = store.open(true, 0);
    let batch = Batch {
        producer_id: 1,
        epoch: 0,
        first_sequence: 0,
        offset_delta: 1,
        last_offset: -1,
        timestamp: 1,
        transactional: true,
    };
    let ask = |batch: &Batch| log.begin_verification(batch, true, 0);
    let refused = |guard, sequence| match guarded(&log, 1, 0, sequence, guard) {
        Err(AppendError::Producer(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let not_verified = Refusal::NotVerified { producer_id: 1 };
    assert_eq!(refused(Guard::Ongoing, 0), not_verified);
    let Ok(Verified::Ask(guard)) = ask(&batch) else { panic!("not asked") };
    assert_eq!(refused(Guard::Asked(guard + 1), 0), not_verified);
    end(&log, (1, 0), false, 0).expect("a marker comes in between");
    assert_eq!(refused(Guard::Asked(guard), 0), not_verified);
    let Ok(Verified::Ask(guard)) = ask(&batch) else { panic!("not asked") };
    let gap = Refusal::OutOfOrder { producer_id: 1, given: 2, last: -1 };
    assert_eq!(refused(Guard::Asked(guard), 2), gap, "the first write begins with zero");
    guarded(&log, 1, 0, 0, Guard::Asked(guard)).expect("appended");
    assert_eq!(ask(&batch), Ok(Verified::Ongoing));
    guarded(&log, 1, 0, 2, Guard::Ongoing).expect("appended");
    end(&log, (1, 1), false, 0).expect("ended");
    let fenced = Refusal::Fenced { producer_id: 1, given: 0, current: 1 };
    assert_eq!(ask(&batch), Err(fenced));
    let next = Batch { epoch: 1, ..batch };
    assert!(matches!(ask(&next), Ok(Verified::Ask(_))));
}
