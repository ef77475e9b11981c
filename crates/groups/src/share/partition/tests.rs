//! A share partition told as a script: `member command arguments` a line, and what is to be seen.

use super::*;
use crate::share::store::{Batch, Key, State, Store};

const LIMITS: Limits =
    Limits { deliveries_max: 3, lock_ms: 1_000, locks_max: 100, may_renew: true };

/// A partition whose log has batches of ten records.
struct Played {
    partition: SharePartition,
    now_ms: i64,
    log_end: i64,
    aborted: Vec<i64>,
    pending: Vec<Change>,
}

/// A state as the store would have read it.
fn state_of(batches: &[(i64, i64, i8, i16)]) -> State {
    use klamm_protocol::messages::share_record::{ShareRecordKey, ShareRecordValue};
    use klamm_protocol::messages::{
        ShareSnapshotKey, ShareSnapshotValue, share_snapshot_value::StateBatch,
    };
    let batch = |(first, last, state, count): &(i64, i64, i8, i16)| StateBatch {
        first_offset: *first,
        last_offset: *last,
        delivery_state: *state,
        delivery_count: *count,
        ..StateBatch::default()
    };
    let value = ShareSnapshotValue {
        start_offset: 0,
        state_batches: batches.iter().map(batch).collect(),
        ..ShareSnapshotValue::default()
    };
    let key = ShareSnapshotKey { group_id: "g".into(), ..ShareSnapshotKey::default() };
    let key = ShareRecordKey::ShareSnapshot(key).to_bytes();
    let value = ShareRecordValue::ShareSnapshot(value).to_bytes(0);
    let mut store = Store::default();
    store.apply(0, &key, Some(&value), 10).unwrap();
    let name =
        Key { group: "g".into(), topic: klamm_protocol::wire::Uuid::default(), partition: 0 };
    store.get(&name).unwrap().clone()
}

impl Played {
    fn new(log_end: i64) -> Self {
        let partition = SharePartition::load(&state_of(&[]), 0, 0);
        Self { partition, now_ms: 0, log_end, aborted: Vec::new(), pending: Vec::new() }
    }

    fn fetch(&mut self, member: &str, records_max: i64, is_exact: bool, bytes: i64) -> String {
        let offset = self.partition.next_fetch_offset();
        let spans: Vec<Span> = (offset / 10..(self.log_end / 10).min(offset / 10 + bytes))
            .map(|at| Span {
                first: at * 10,
                last: at * 10 + 9,
                is_aborted: self.aborted.contains(&(at * 10)),
            })
            .collect();
        let ask = Ask { records_max, batch_size: 20, is_exact, offset };
        let acquired = self.partition.acquire(self.now_ms, member, &ask, &spans, &LIMITS);
        let show = |a: &Acquired| format!("{}-{}x{}", a.first, a.last, a.deliveries);
        acquired.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    fn acknowledge(&mut self, member: &str, first: i64, last: i64, types: &[i8]) -> String {
        let range = Acknowledgement { first, last, types: types.to_vec() };
        match self.partition.acknowledge(self.now_ms, member, &[range], &LIMITS) {
            Ok(None) => "nothing to write".to_owned(),
            Ok(Some(change)) => {
                let shown = show_change(&change);
                self.pending.push(change);
                shown
            }
            Err(refused) => refused.error.name().to_owned(),
        }
    }

    fn settle(&mut self, is_written: bool) -> String {
        for change in std::mem::take(&mut self.pending) {
            self.partition.settle(self.now_ms, &change, is_written, &LIMITS);
        }
        self.show()
    }

    fn show(&self) -> String {
        show_runs(&self.partition)
    }
}

fn show_change(change: &Change) -> String {
    let batch = |b: &Batch| format!("{}-{}:{}x{}", b.first, b.last, b.state, b.deliveries);
    let batches = change.write.batches.iter().map(batch).collect::<Vec<_>>().join(" ");
    format!("from {} done {} [{batches}]", change.write.start_offset, change.write.complete_count)
}

pub(super) fn show_runs(partition: &SharePartition) -> String {
    let run = |(first, run): (&i64, &Run)| {
        let state = match &run.state {
            RunState::Available => "free".to_owned(),
            RunState::Acquired(hold) => hold.member.to_string(),
            RunState::Settling { hold, .. } => format!("({})", hold.member),
            RunState::Done(End::Acknowledged) => "ok".to_owned(),
            RunState::Done(End::Archived) => "gone".to_owned(),
        };
        format!("{first}-{} {state}x{}", run.last, run.deliveries)
    };
    let runs = partition.runs.iter().map(run).collect::<Vec<_>>().join(", ");
    format!("{}..{} [{runs}]", partition.start, partition.end)
}

#[test]
fn records_go_to_one_member_at_a_time_and_are_done_once_that_is_stored() {
    let mut p = Played::new(60);
    assert_eq!(p.fetch("a", 15, false, 6), "0-19x1");
    assert_eq!(p.fetch("b", 100, false, 3), "20-39x1 40-49x1");
    assert_eq!(p.acknowledge("b", 0, 9, &[1]), "INVALID_RECORD_STATE");
    assert_eq!(p.acknowledge("a", 50, 55, &[1]), "INVALID_REQUEST");
    assert_eq!(p.acknowledge("a", 0, 9, &[1]), "from 0 done 10 [0-9:2x1]");
    assert_eq!(p.acknowledge("a", 0, 9, &[1]), "INVALID_RECORD_STATE");
    assert_eq!(p.show(), "0..50 [0-9 (a)x1, 10-19 ax1, 20-39 bx1, 40-49 bx1]");
    assert_eq!(p.settle(true), "10..50 [10-19 ax1, 20-39 bx1, 40-49 bx1]");
    assert_eq!(p.acknowledge("a", 0, 9, &[1]), "nothing to write");
    assert_eq!(
        p.acknowledge("b", 20, 22, &[1, 2, 3]),
        "from 10 done 2 [20-20:2x1 21-21:0x1 22-22:4x1]"
    );
    assert_eq!(
        p.settle(true),
        "10..50 [10-19 ax1, 20-20 okx1, 21-21 freex1, 22-22 gonex1, 23-39 bx1, 40-49 bx1]"
    );
    assert_eq!(p.fetch("c", 1, false, 1), "21-21x2");
    assert_eq!(p.acknowledge("a", 10, 19, &[3]), "from 10 done 12 [10-19:4x1]");
    assert_eq!(p.settle(false), p.show());
    assert_eq!(p.acknowledge("a", 10, 19, &[1]), "from 10 done 12 [10-19:2x1]");
    assert_eq!(p.settle(true), "21..50 [21-21 cx2, 22-22 gonex1, 23-39 bx1, 40-49 bx1]");
}

#[test]
fn what_is_not_acknowledged_in_time_comes_back_until_it_came_too_often() {
    let mut p = Played::new(20);
    assert_eq!(p.fetch("a", 1, false, 1), "0-9x1");
    assert_eq!(p.partition.next_deadline_ms(), 1_000);
    p.now_ms = 600;
    assert_eq!(p.acknowledge("a", 5, 9, &[4]), "nothing to write");
    p.now_ms = 1_000;
    let change = p.partition.expire(p.now_ms, &LIMITS).unwrap();
    assert_eq!(show_change(&change), "from 0 done 0 [0-4:0x1]");
    assert_eq!(p.show(), "0..10 [0-4 freex1, 5-9 ax1]");
    assert_eq!(p.partition.next_deadline_ms(), 1_600);
    assert_eq!(p.fetch("b", 10, false, 1), "0-4x2");
    assert!(p.partition.release("a", &LIMITS).is_some());
    // The third time is the last one, and each record comes alone.
    let change = p.partition.release("b", &LIMITS).unwrap();
    p.pending.push(change);
    assert_eq!(p.settle(true), "0..10 [0-4 freex2, 5-9 (a)x1]");
    assert_eq!(p.fetch("c", 10, false, 1), "0-0x3");
    assert_eq!(p.acknowledge("c", 0, 0, &[2]), "from 0 done 1 [0-0:4x3]");
    assert_eq!(p.settle(true), "1..10 [1-4 freex2, 5-9 (a)x1]");
}

#[test]
fn an_exact_number_of_records_cuts_batches() {
    let mut p = Played::new(30);
    assert_eq!(p.fetch("a", 4, true, 3), "0-3x1");
    assert_eq!(p.fetch("a", 8, true, 3), "4-11x1");
    let change = p.partition.release("a", &LIMITS).unwrap();
    p.pending.push(change);
    assert_eq!(p.settle(true), "0..12 [0-3 freex1, 4-11 freex1]");
    assert_eq!(p.fetch("b", 6, true, 3), "0-3x2 4-5x2");
}

#[test]
fn aborted_records_are_passed_over() {
    let mut p = Played::new(50);
    p.aborted = vec![0, 20];
    assert_eq!(p.fetch("a", 100, false, 5), "10-19x1 30-49x1");
    assert_eq!(p.show(), "10..50 [10-19 ax1, 20-29 gonex0, 30-49 ax1]");
    assert_eq!(p.acknowledge("a", 10, 19, &[1]), "from 10 done 20 [10-19:2x1]");
    assert_eq!(p.settle(true), "30..50 [30-49 ax1]");
}

#[test]
fn no_more_than_the_limit_is_in_flight() {
    let mut p = Played::new(200);
    assert_eq!(p.fetch("a", 500, false, 20), "0-19x1 20-39x1 40-59x1 60-79x1 80-99x1");
    assert!(!p.partition.may_acquire(&LIMITS));
    assert_eq!(p.fetch("b", 500, false, 20), "");
    assert_eq!(p.acknowledge("a", 50, 59, &[2]), "from 0 done 0 [50-59:0x1]");
    p.settle(true);
    assert_eq!(p.fetch("b", 500, false, 20), "50-59x2");
}

#[test]
fn the_log_may_begin_later_than_the_group_was() {
    let mut p = Played::new(60);
    assert_eq!(p.fetch("a", 30, false, 6), "0-19x1 20-29x1");
    assert!(p.partition.log_started(15));
    assert_eq!(p.show(), "15..30 [15-19 ax1, 20-29 ax1]");
    assert_eq!(p.acknowledge("a", 0, 19, &[1]), "from 15 done 5 [15-19:2x1]");
    assert_eq!(p.settle(true), "20..30 [20-29 ax1]");
    assert!(p.partition.log_started(45));
    assert_eq!(p.show(), "45..45 []");
    assert!(!p.partition.log_started(10));
}

#[test]
fn a_stored_state_is_taken_up() {
    let check = |batches: &[_], expected: &str| {
        let partition = SharePartition::load(&state_of(batches), 3, 0);
        assert_eq!(show_runs(&partition), expected);
    };
    check(&[], "3..3 []");
    check(&[(0, 9, 2, 1)], "10..10 []");
    check(&[(5, 9, 2, 1)], "3..10 [3-4 freex0, 5-9 okx1]");
    check(
        &[(3, 4, 4, 1), (5, 9, 0, 2), (12, 12, 3, 1)],
        "5..13 [5-9 freex2, 10-11 freex0, 12-12 gonex1]",
    );
}
