//! What waits for the log, and what happens when it fails.

use klamm_groups::Settings;

use crate::support::{check_with, settings};

fn check(script: &str) {
    check_with(settings(), script);
}

#[test]
fn an_assignment_is_given_out_when_it_is_written() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 hold
        200 a sync g assign=a1:x
        300 z describe g
          z: describe ok g CompletingRebalance consumer/- [a1 a@/127.0.0.1 - -]
        400 written
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        500 z describe g
          z: describe ok g Stable consumer/range [a1 a@/127.0.0.1 range x]
        600 -
        ",
    );
}

#[test]
fn an_assignment_that_cannot_be_written_makes_the_group_rebalance() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 b join g v=3
        200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        300 b sync g
        400 hold
        500 a sync g assign=a1:x,b1:y
        600 failed NOT_ENOUGH_REPLICAS
          a: sync COORDINATOR_NOT_AVAILABLE
          b: sync COORDINATOR_NOT_AVAILABLE
        700 z describe g
          z: describe ok g PreparingRebalance consumer/- [a1 a@/127.0.0.1 - -, b1 b@/127.0.0.1 - -]
        800 a beat g
          a: beat REBALANCE_IN_PROGRESS
        900 -
        ",
    );
}

#[test]
fn an_assignment_that_is_overtaken_by_a_rebalance_is_not_given_out() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 hold
        200 a sync g assign=a1:x
        300 b join g v=3
          a: sync REBALANCE_IN_PROGRESS
        400 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        500 written
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
        600 z describe g
          z: describe ok g CompletingRebalance consumer/- [a1 a@/127.0.0.1 - -, b1 b@/127.0.0.1 - -]
        700 -
        ",
    );
}

#[test]
fn offsets_are_seen_when_they_are_written() {
    check(
        "
        0 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=0
          a: commit t:0 ok
        100 hold
        200 a commit g at=t:0=2
        300 a commit g at=t:0=3,t:1=4
        400 b fetch g
          b: fetch ok [t:0=1]
        500 c fetch g stable
        600 written
          log: g t:0 v4 offset=2 at=200
          a: commit t:0 ok
        700 b fetch g
          b: fetch ok [t:0=2]
        800 written
          log: g t:0 v4 offset=3 at=300
          log: g t:1 v4 offset=4 at=300
          a: commit t:0 ok t:1 ok
          c: fetch ok [t:0=3 t:1=4]
        900 b fetch g
          b: fetch ok [t:0=3 t:1=4]
        1000 -
        ",
    );
}

#[test]
fn offsets_that_cannot_be_written_are_taken_back() {
    check(
        "
        0 hold
        100 a commit g at=t:0=1
        200 b fetch g stable
        300 c fetch g v=1 at=t:0 stable
        400 z describe g
          z: describe GROUP_ID_NOT_FOUND g 'Group g not found.' Dead -/- []
        500 failed REQUEST_TIMED_OUT
          a: commit t:0 COORDINATOR_NOT_AVAILABLE
          b: fetch NOT_COORDINATOR
          c: fetch ok [t:0=-1NOT_COORDINATOR]
        600 b fetch g stable
          b: fetch ok []
        700 z describe g
          z: describe GROUP_ID_NOT_FOUND g 'Group g not found.' Dead -/- []
        800 a commit g at=t:0=2
        900 failed MESSAGE_TOO_LARGE
          a: commit t:0 UNKNOWN_SERVER_ERROR
        1000 a commit g at=t:0=3
        1100 a commit g at=t:0=4
        1200 failed KAFKA_STORAGE_ERROR
          a: commit t:0 NOT_COORDINATOR
        1300 written
          log: g t:0 v4 offset=4 at=1100
          a: commit t:0 ok
        1400 b fetch g
          b: fetch ok [t:0=4]
        1500 -
        ",
    );
}

#[test]
fn a_group_that_cannot_be_written_never_was() {
    let delayed = Settings { initial_rebalance_delay_ms: 3_000, ..settings() };
    check_with(
        delayed,
        "
        0 hold
        100 a join g v=3
        200 b join g v=3
        300 z list
          z: list []
        400 failed NOT_LEADER_OR_FOLLOWER
          a: join NOT_COORDINATOR member=-
          b: join NOT_COORDINATOR member=-
        500 z list
          z: list []
        600 a join g v=3
        700 written
          log: g v3 gen=0 -/null leader=null since=600 []
        800 z list
          z: list [g consumer PreparingRebalance classic]
        900 -
        ",
    );
}

#[test]
fn a_deleted_group_is_seen_until_its_tombstone_is_written() {
    check(
        "
        0 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=0
          a: commit t:0 ok
        100 hold
        200 a delete g
        300 z list
          z: list [g - Empty classic]
        400 a fetch g
          a: fetch ok [t:0=1]
        500 b beat g m=x gen=1
          b: beat UNKNOWN_MEMBER_ID
        600 failed KAFKA_STORAGE_ERROR
          a: delete g NOT_COORDINATOR
        700 z list
          z: list [g - Empty classic]
        800 a delete g
        900 a join g v=3
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        1000 z describe g
          z: describe ok g Empty -/- []
        1100 written
          log: g t:0 deleted
          log: g deleted
          a: delete g ok
        1200 z describe g
          z: describe GROUP_ID_NOT_FOUND g 'Group g not found.' Dead -/- []
        1300 written
          log: g v3 gen=0 -/null leader=null since=900 []
        1400 z describe g
          z: describe ok g CompletingRebalance consumer/- [a1 a@/127.0.0.1 - -]
        1500 a fetch g
          a: fetch ok []
        1600 -
        ",
    );
}

#[test]
fn an_append_that_takes_too_long_fails_its_answers_but_not_the_change() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 hold
        200 b commit h at=t:0=1
        300 b fetch h stable
          b: commit t:0 COORDINATOR_NOT_AVAILABLE
          b: fetch NOT_COORDINATOR
        5300 b fetch h
          b: fetch ok []
        5400 written
          log: h t:0 v4 offset=1 at=200
        5500 b fetch h
          b: fetch ok [t:0=1]
        5600 a sync g assign=a1:x
          a: sync COORDINATOR_NOT_AVAILABLE
        10700 -
        10800 written
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
        10900 z describe g
          z: describe ok g PreparingRebalance consumer/- [a1 a@/127.0.0.1 - -]
        11000 -
        ",
    );
}

#[test]
fn a_static_member_whose_new_id_cannot_be_written_keeps_the_old_one() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        100 a sync g assign=a1:work
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:work]
          a: sync ok consumer/range work
        200 hold
        300 b join g i=x
        400 failed NOT_ENOUGH_REPLICAS
          b: join COORDINATOR_NOT_AVAILABLE member=- gen=1 leader=a1
        500 a beat g i=x
          a: beat ok
        600 c join g i=x
        700 written
          log: g v3 gen=1 consumer/range leader=c1 since=100 [c1/x:work]
          c: join ok gen=1 consumer/range member=c1 leader=c1 [c1/x:range] skip
        800 a beat g i=x
          a: beat FENCED_INSTANCE_ID
        900 c sync g i=x
          c: sync ok consumer/range work
        1000 -
        ",
    );
}

#[test]
fn a_rebalance_answers_a_static_member_before_the_log_does() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        100 a sync g assign=a1:work
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:work]
          a: sync ok consumer/range work
        200 hold
        300 b join g i=x
        400 c join g
          c: join MEMBER_ID_REQUIRED member=c1
        500 c join g
          c: join ok gen=2 consumer/range member=c1 leader=b1 []
          b: join ok gen=2 consumer/range member=b1 leader=b1 [b1/x:range c1:range]
        600 written
          log: g v3 gen=1 consumer/range leader=b1 since=100 [b1/x:work]
        700 -
        ",
    );
}

#[test]
fn a_static_member_that_is_back_waits_for_a_rebalance_that_began_meanwhile() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        100 d join g i=y
        200 a join g i=x
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1/x:range d1/y:range]
          d: join ok gen=2 consumer/range member=d1 leader=a1 []
        300 a sync g assign=a1:1,d1:2
          log: g v3 gen=2 consumer/range leader=a1 since=200 [a1/x:1 d1/y:2]
          a: sync ok consumer/range 1
        400 d sync g
          d: sync ok consumer/range 2
        500 hold
        600 b join g i=x
        700 c join g v=3
        800 written
          log: g v3 gen=2 consumer/range leader=(not told) since=300 [(not told)/x:1 d1/y:2]
        900 d join g i=y
          c: join ok gen=3 null/range member=c1 leader=b1 []
          b: join ok gen=3 consumer/range member=b1 leader=b1 [b1/x:range c1:range d1/y:range]
          d: join ok gen=3 consumer/range member=d1 leader=b1 []
        1000 -
        ",
    );
}

#[test]
fn answers_come_in_the_order_of_the_log() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        200 hold
        300 b commit h at=t:0=1
        400 a beat g
        500 a leave g
        600 b delete nowhere
        700 written
          log: h t:0 v4 offset=1 at=300
          b: commit t:0 ok
          a: beat ok
        800 written
          log: g v3 gen=2 consumer/null leader=null since=500 []
          a: leave ok a1 ok
          b: delete nowhere GROUP_ID_NOT_FOUND
        900 -
        ",
    );
}

#[test]
fn a_leave_that_ends_the_group_fails_with_its_record() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        200 hold
        300 a leave g
        400 failed NOT_ENOUGH_REPLICAS
          a: leave COORDINATOR_NOT_AVAILABLE
        500 z describe g
          z: describe ok g Empty consumer/- []
        600 -
        ",
    );
}

#[test]
fn when_the_shard_moves_away_nobody_is_left_waiting() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 b join g v=3
        200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        300 b sync g
        400 c join h v=3
          log: h v3 gen=0 -/null leader=null since=400 []
          c: join ok gen=1 null/range member=c1 leader=c1 [c1:range]
        500 c sync h assign=c1:x
          log: h v3 gen=1 consumer/range leader=c1 since=400 [c1:x]
          c: sync ok consumer/range x
        600 d join h v=3
        700 hold
        800 a sync g assign=a1:x
        900 e commit i at=t:0=1
        1000 c beat h
        1100 e fetch i stable
        1200 e delete i
        1300 c commit h at=t:1=1
        1400 unload
          e: commit t:0 NOT_COORDINATOR
          c: beat NOT_COORDINATOR
          e: fetch NOT_COORDINATOR
          e: delete i NOT_COORDINATOR
          c: commit t:1 NOT_COORDINATOR
          a: sync NOT_COORDINATOR
          b: sync NOT_COORDINATOR
          d: join NOT_COORDINATOR member=-
        1500 z list
          z: list []
        1600 -
        ",
    );
}
