//! Offsets committed in transactions: seen when the marker comes, or never.

use crate::support::{check_with, settings};

fn check(script: &str) {
    check_with(settings(), script);
}

#[test]
fn a_committed_transaction_shows_its_offsets_at_its_end() {
    check(
        "
        0 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=0
          a: commit t:0 ok
        100 a txn g at=t:0=5:text,t:1=6
          log: txn 1 g t:0 v4 offset=5 at=100
          log: txn 1 g t:1 v4 offset=6 at=100
          a: txn t:0 ok t:1 ok
        200 a fetch g at=t:0,t:1,t:2
          a: fetch ok [t:0=1 t:1=-1 t:2=-1]
        300 a fetch g at=t:0,t:1,t:2 stable
          a: fetch ok [t:0=-1UNSTABLE_OFFSET_COMMIT t:1=-1UNSTABLE_OFFSET_COMMIT t:2=-1]
        400 a fetch g stable
          a: fetch ok [t:0=-1UNSTABLE_OFFSET_COMMIT t:1=-1UNSTABLE_OFFSET_COMMIT]
        500 c end g commit
          log: commit of txn 1
          c: end NONE
        600 a fetch g stable
          a: fetch ok [t:0=5:text t:1=6]
        700 restart
        800 a fetch g stable
          a: fetch ok [t:0=5:text t:1=6]
        900 -
        ",
    );
}

#[test]
fn an_aborted_transaction_leaves_nothing() {
    check(
        "
        0 a txn g at=t:0=5
          log: txn 1 g t:0 v4 offset=5 at=0
          a: txn t:0 ok
        100 c end g
          log: abort of txn 1
          c: end NONE
        200 a fetch g stable
          a: fetch ok []
        300 restart
        400 a fetch g at=t:0 stable
          a: fetch ok [t:0=-1]
        500 -
        ",
    );
}

#[test]
fn an_open_transaction_survives_a_restart() {
    check(
        "
        0 a txn g at=t:0=5
          log: txn 1 g t:0 v4 offset=5 at=0
          a: txn t:0 ok
        100 b txn g at=t:0=7 pid=2
          log: txn 2 g t:0 v4 offset=7 at=100
          b: txn t:0 ok
        200 restart
        300 a fetch g stable
          a: fetch ok [t:0=-1UNSTABLE_OFFSET_COMMIT]
        400 c end g pid=2 commit
          log: commit of txn 2
          c: end NONE
        500 a fetch g stable
          a: fetch ok [t:0=-1UNSTABLE_OFFSET_COMMIT]
        600 c end g commit
          log: commit of txn 1
          c: end NONE
        700 a fetch g stable
          a: fetch ok [t:0=7]
        800 restart
        900 a fetch g stable
          a: fetch ok [t:0=7]
        1000 -
        ",
    );
}

#[test]
fn of_two_commits_the_later_one_counts_whenever_the_transaction_ends() {
    check(
        "
        0 a txn g at=t:0=5
          log: txn 1 g t:0 v4 offset=5 at=0
          a: txn t:0 ok
        100 a commit g at=t:0=3
          log: g t:0 v4 offset=3 at=100
          a: commit t:0 ok
        200 c end g commit
          log: commit of txn 1
          c: end NONE
        300 a fetch g
          a: fetch ok [t:0=3]
        400 -
        ",
    );
}

#[test]
fn what_is_deleted_does_not_come_back_with_the_end_of_a_transaction() {
    check(
        "
        0 a txn g at=t:0=5
          log: txn 1 g t:0 v4 offset=5 at=0
          a: txn t:0 ok
        100 z delete g
          log: g t:0 deleted
          log: g deleted
          z: delete g ok
        200 c end g commit
          log: commit of txn 1
          c: end NONE
        300 a fetch g at=t:0 stable
          a: fetch ok [t:0=-1]
        400 -
        ",
    );
}

#[test]
fn an_append_that_fails_takes_the_commit_back() {
    check(
        "
        0 hold
        100 a txn g at=t:0=5
        200 failed NOT_LEADER_OR_FOLLOWER
          a: txn t:0 NOT_COORDINATOR
        300 a fetch g at=t:0 stable
          a: fetch ok [t:0=-1]
        400 -
        ",
    );
}

#[test]
fn members_commit_in_their_generation() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 a txn g at=t:0=1
          log: txn 1 g t:0 v4 offset=1 at=100
          a: txn t:0 ok
        200 a txn g at=t:0=1 gen=7
          a: txn t:0 ILLEGAL_GENERATION
        300 a txn g at=t:0=1 m=other
          a: txn t:0 UNKNOWN_MEMBER_ID
        400 a txn g at=t:0=1 m=? gen=-1
          log: txn 1 g t:0 v4 offset=1 at=400
          a: txn t:0 ok
        500 b txn h at=t:0=1 gen=3
          b: txn t:0 ILLEGAL_GENERATION
        600 -
        ",
    );
}
