//! State from the log.

use klamm_groups::Settings;

use crate::support::{check_with, settings};

fn check(script: &str) {
    check_with(settings(), script);
}

#[test]
fn a_stable_group_goes_on_after_a_restart() {
    check(
        "
        0 a join g i=x s=2000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        100 b join g s=2000
          b: join MEMBER_ID_REQUIRED member=b1
        200 b join g s=2000
        300 a join g i=x s=2000
          b: join ok gen=2 consumer/range member=b1 leader=a1 []
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1/x:range b1:range]
        400 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=300 [a1/x:x b1:y]
          a: sync ok consumer/range x
        500 b sync g
          b: sync ok consumer/range y
        600 b commit g at=t:0=5:text epoch=2
          log: g t:0 v4 offset=5 at=600
          b: commit t:0 ok
        700 restart
        800 z describe g
          z: describe ok g Stable consumer/range [a1/x a@/127.0.0.1 range x, b1 b@/127.0.0.1 range y]
        900 b fetch g
          b: fetch ok [t:0=5@2:text]
        1000 b beat g
          b: beat ok
        1100 b sync g
          b: sync ok consumer/range y
        1200 b commit g at=t:0=6
          log: g t:0 v4 offset=6 at=1200
          b: commit t:0 ok
        1300 b join g s=2000
          b: join ok gen=2 consumer/range member=b1 leader=a1 []
        1400 c join g i=x s=2000
          log: g v3 gen=2 consumer/range leader=c1 since=300 [b1:y c1/x:x]
          c: join ok gen=2 consumer/range member=c1 leader=c1 [b1:range c1/x:range] skip
        2900 z describe g
          z: describe ok g Stable consumer/range [b1 b@/127.0.0.1 range y, c1/x a@/127.0.0.1 range x]
        3000 b beat g
          b: beat ok
          log: g v3 gen=3 consumer/null leader=null since=5000 []
        5100 z describe g
          z: describe ok g Empty consumer/- []
        5200 -
        ",
    );
}

#[test]
fn sessions_begin_anew_and_end() {
    check(
        "
        0 a join g v=3 s=1000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        900 restart
        1800 z describe g
          z: describe ok g Stable consumer/range [a1 a@/127.0.0.1 range x]
          log: g v3 gen=2 consumer/null leader=null since=1900 []
        1901 z describe g
          z: describe ok g Empty consumer/- []
        2000 -
        ",
    );
}

#[test]
fn a_rebalance_in_progress_is_forgotten() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        200 b join g v=3
        300 restart
        400 a beat g
          a: beat ok
        500 b beat g m=b1 gen=2
          b: beat UNKNOWN_MEMBER_ID
        600 b join g v=3
        700 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        800 -
        ",
    );
}

#[test]
fn what_was_never_written_is_gone() {
    check(
        "
        0 hold
        100 a join g v=3
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        200 b commit h at=t:0=1
        300 restart
        400 z list
          z: list []
        500 a sync g assign=a1:x
          a: sync UNKNOWN_MEMBER_ID
        600 -
        ",
    );
}

#[test]
fn deleted_is_deleted() {
    check(
        "
        0 a commit g at=t:0=1,t:1=2
          log: g t:0 v4 offset=1 at=0
          log: g t:1 v4 offset=2 at=0
          a: commit t:0 ok t:1 ok
        100 a forget g at=t:0
          log: g t:0 deleted
          a: forget ok t:0 ok
        200 b commit h at=t:0=1
          log: h t:0 v4 offset=1 at=200
          b: commit t:0 ok
        300 b delete h
          log: h t:0 deleted
          log: h deleted
          b: delete h ok
        400 restart
        500 z list
          z: list [g - Empty classic]
        600 a fetch g
          a: fetch ok [t:1=2]
        700 b fetch h
          b: fetch ok []
        800 -
        ",
    );
}

#[test]
fn a_group_that_has_grown_too_large_rebalances() {
    let small = Settings { group_size_max: 1, ..settings() };
    // The limit is lower than the group by the time the log is read.
    crate::limits::check_grown(small);
}
