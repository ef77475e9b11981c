//! SyncGroup and Heartbeat.

use crate::support::{check, check_with, settings};

#[test]
fn all_syncs_wait_for_the_leader() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3
        600 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 b sync g
        1200 a sync g assign=a1:x,b1:y,stranger:z
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1:x b1:y]
          a: sync ok consumer/range x
          b: sync ok consumer/range y
        1500 c describe g
          c: describe ok g Stable consumer/range [a1 a@/127.0.0.1 range x, b1 b@/127.0.0.1 range y]
        1800 -
        ",
    );
}

#[test]
fn a_member_without_an_assignment_gets_an_empty_one() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:-]
          a: sync ok consumer/range -
        600 a sync g
          a: sync ok consumer/range -
        900 -
        ",
    );
}

#[test]
fn what_is_not_a_sync_is_refused() {
    check(
        "
        0 a sync '' m=x gen=1
          a: sync INVALID_GROUP_ID
        200 a sync g m=x gen=1
          a: sync UNKNOWN_MEMBER_ID
        400 a join g v=3
          log: g v3 gen=0 -/null leader=null since=400 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        600 a sync g m=x
          a: sync UNKNOWN_MEMBER_ID
        800 a sync g gen=9
          a: sync ILLEGAL_GENERATION
        1000 a sync g name=other
          a: sync INCONSISTENT_GROUP_PROTOCOL
        1200 a sync g type=other
          a: sync INCONSISTENT_GROUP_PROTOCOL
        1400 a sync g type=null
          a: sync INCONSISTENT_GROUP_PROTOCOL
        1600 a sync g v=4 type=null name=null assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=400 [a1:x]
          a: sync ok null/null x
        1800 a sync g i=x
          a: sync UNKNOWN_MEMBER_ID
        2000 a leave g
          log: g v3 gen=2 consumer/null leader=null since=2000 []
          a: leave ok a1 ok
        2200 a sync g
          a: sync UNKNOWN_MEMBER_ID
        2400 -
        ",
    );
}

#[test]
fn a_sync_during_the_join_phase_is_told_to_rejoin() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 b join g v=3
        900 a sync g
          a: sync REBALANCE_IN_PROGRESS
        1200 -
        ",
    );
}

#[test]
fn a_member_that_does_not_sync_in_time_is_out() {
    check(
        "
        0 a join g v=3 r=1000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3 r=1000
        600 a join g v=3 r=1000
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1:x b1:y]
          a: sync ok consumer/range x
        1200 a beat g
          a: beat ok
        1500 b beat g
          b: beat ok
        1900 -
        2200 b sync g
          b: sync UNKNOWN_MEMBER_ID
        2500 a beat g
          a: beat REBALANCE_IN_PROGRESS
          log: g v3 gen=3 consumer/null leader=null since=2600 []
        2800 -
        ",
    );
}

#[test]
fn a_leader_that_does_not_sync_in_time_is_out() {
    check(
        "
        0 a join g v=3 r=1000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3 r=1000
        600 a join g v=3 r=1000
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 b sync g
          b: sync REBALANCE_IN_PROGRESS
        2000 b join g v=3 r=1000
          b: join ok gen=3 null/range member=b1 leader=b1 [b1:range]
        2300 -
        ",
    );
}

#[test]
fn a_sync_sent_twice_is_answered_twice() {
    check_with(
        settings(),
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 b join g v=3
        200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        300 b sync g
        400 b sync g
          b: sync REBALANCE_IN_PROGRESS
        500 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=200 [a1:x b1:y]
          a: sync ok consumer/range x
          b: sync ok consumer/range y
        600 -
        ",
    );
}

#[test]
fn a_heartbeat_is_refused_to_whom_it_does_not_belong() {
    check(
        "
        0 a beat '' m=x gen=1
          a: beat INVALID_GROUP_ID
        200 a beat g m=x gen=1
          a: beat UNKNOWN_MEMBER_ID
        400 a join g v=3
          log: g v3 gen=0 -/null leader=null since=400 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        600 a beat g
          a: beat ok
        800 a beat g gen=9
          a: beat ILLEGAL_GENERATION
        1000 a beat g m=other
          a: beat UNKNOWN_MEMBER_ID
        1200 a beat g i=x
          a: beat UNKNOWN_MEMBER_ID
        1400 -
        ",
    );
}

#[test]
fn a_session_without_heartbeats_ends() {
    check(
        "
        0 a join g v=3 s=1000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3
        600 a join g v=3 s=1000
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1:x b1:y]
          a: sync ok consumer/range x
        1200 b sync g
          b: sync ok consumer/range y
        1700 a beat g
          a: beat ok
        2400 b beat g
          b: beat ok
        3000 b beat g
          b: beat REBALANCE_IN_PROGRESS
        3300 b join g v=3
          b: join ok gen=3 null/range member=b1 leader=b1 [b1:range]
        3600 a beat g
          a: beat UNKNOWN_MEMBER_ID
        3900 -
        ",
    );
}

#[test]
fn the_last_session_that_ends_leaves_the_group_empty() {
    check(
        "
        0 a join g v=3 s=500
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
          log: g v3 gen=2 consumer/null leader=null since=800 []
        1200 b describe g
          b: describe ok g Empty consumer/- []
        1500 a beat g
          a: beat UNKNOWN_MEMBER_ID
        1800 a sync g
          a: sync UNKNOWN_MEMBER_ID
        2100 a join g v=3
          a: join UNKNOWN_MEMBER_ID member=a1
        2400 b describe g
          b: describe ok g Empty consumer/- []
        2700 -
        ",
    );
}

#[test]
fn a_parked_sync_excuses_from_heartbeats() {
    check(
        "
        0 a join g v=3 s=5000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3 s=500
        600 a join g v=3 s=5000
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 b sync g
        1800 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1:x b1:y]
          a: sync ok consumer/range x
          b: sync ok consumer/range y
        2000 b beat g
          b: beat ok
        2200 -
        ",
    );
}

#[test]
fn a_rebalance_timeout_may_be_shorter_than_the_session() {
    check(
        "
        0 a join g v=3 s=20000 r=400
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        200 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        400 b join g v=3 s=20000 r=400
          b: join ok gen=2 null/range member=b1 leader=b1 [b1:range]
        1100 b sync g assign=b1:y
          log: g v3 gen=2 consumer/range leader=b1 since=800 [b1:y]
          b: sync ok consumer/range y
        1300 a beat g
          a: beat UNKNOWN_MEMBER_ID
        1500 -
        ",
    );
}

#[test]
fn cooperative_members_say_what_they_own_and_we_pass_it_on() {
    check(
        "
        0 a join g v=3 p=cooperative-sticky meta=none
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/cooperative-sticky member=a1 leader=a1 [a1:none]
        300 a sync g assign=a1:0+1
          log: g v3 gen=1 consumer/cooperative-sticky leader=a1 since=0 [a1:0+1]
          a: sync ok consumer/cooperative-sticky 0+1
        600 b join g v=3 p=cooperative-sticky meta=none
        900 a join g v=3 p=cooperative-sticky meta=0+1
          a: join ok gen=2 null/cooperative-sticky member=a1 leader=a1 [a1:0+1 b1:none]
          b: join ok gen=2 null/cooperative-sticky member=b1 leader=a1 []
        1200 b sync g
        1500 a sync g assign=a1:0
          log: g v3 gen=2 consumer/cooperative-sticky leader=a1 since=900 [a1:0 b1:-]
          a: sync ok consumer/cooperative-sticky 0
          b: sync ok consumer/cooperative-sticky -
        1800 a join g v=3 p=cooperative-sticky meta=0
        2100 b join g v=3 p=cooperative-sticky meta=none
          a: join ok gen=3 null/cooperative-sticky member=a1 leader=a1 [a1:0 b1:none]
          b: join ok gen=3 null/cooperative-sticky member=b1 leader=a1 []
        2400 a sync g assign=a1:0,b1:1
          log: g v3 gen=3 consumer/cooperative-sticky leader=a1 since=2100 [a1:0 b1:1]
          a: sync ok consumer/cooperative-sticky 0
        2700 b sync g
          b: sync ok consumer/cooperative-sticky 1
        3000 -
        ",
    );
}
