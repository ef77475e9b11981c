//! Static members (KIP-345).

use crate::support::check;

#[test]
fn a_static_member_that_comes_back_does_not_disturb_a_stable_group() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 b join g i=y
        600 a join g i=x
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1/x:range b1/y:range]
          b: join ok gen=2 consumer/range member=b1 leader=a1 []
        900 a sync g assign=a1:1,b1:2
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1/x:1 b1/y:2]
          a: sync ok consumer/range 1
        1200 b sync g
          b: sync ok consumer/range 2
        1500 b join g i=y m=?
          log: g v3 gen=2 consumer/range leader=a1 since=900 [a1/x:1 b2/y:2]
          b: join ok gen=2 consumer/range member=b2 leader=a1 []
        1800 b sync g
          b: sync ok consumer/range 2
        2100 a beat g
          a: beat ok
        2400 b beat g m=b1 i=y
          b: beat FENCED_INSTANCE_ID
        2700 b beat g m=b2 i=y
          b: beat ok
        3000 -
        ",
    );
}

#[test]
fn a_static_leader_that_comes_back_is_told_not_to_assign() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 a sync g assign=a1:1
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:1]
          a: sync ok consumer/range 1
        600 a join g i=x m=?
          log: g v3 gen=1 consumer/range leader=a2 since=300 [a2/x:1]
          a: join ok gen=1 consumer/range member=a2 leader=a2 [a2/x:range] skip
        900 a sync g
          a: sync ok consumer/range 1
        1200 -
        ",
    );
}

#[test]
fn before_version_9_it_is_told_that_it_does_not_lead() {
    check(
        "
        0 a join g i=x v=8
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 a sync g assign=a1:1
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:1]
          a: sync ok consumer/range 1
        600 a join g i=x m=? v=8
          log: g v3 gen=1 consumer/range leader=a2 since=300 [a2/x:1]
          a: join ok gen=1 consumer/range member=a2 leader=a1 []
        900 a sync g
          a: sync ok consumer/range 1
        1200 a join g i=x v=8
          a: join ok gen=2 consumer/range member=a2 leader=a2 [a2/x:range]
        1500 -
        ",
    );
}

#[test]
fn a_new_protocol_makes_the_group_rebalance() {
    check(
        "
        0 a join g i=x p=range
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 a sync g assign=a1:1
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:1]
          a: sync ok consumer/range 1
        600 a join g i=x m=? p=rr,range
          a: join ok gen=2 consumer/rr member=a2 leader=a2 [a2/x:rr]
        900 -
        ",
    );
}

#[test]
fn during_a_sync_phase_the_group_begins_anew() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 b join g i=y
        600 a join g i=x
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1/x:range b1/y:range]
          b: join ok gen=2 consumer/range member=b1 leader=a1 []
        900 b sync g i=y
        1200 b join g i=y m=?
          b: sync FENCED_INSTANCE_ID
        1500 a join g i=x
          a: join ok gen=3 consumer/range member=a1 leader=a1 [a1/x:range b2/y:range]
          b: join ok gen=3 consumer/range member=b2 leader=a1 []
        1800 -
        ",
    );
}

#[test]
fn during_a_join_phase_the_old_join_is_fenced() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 a sync g assign=a1:1
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:1]
          a: sync ok consumer/range 1
        600 b join g i=y
        900 b join g i=y m=?
          b: join FENCED_INSTANCE_ID member=b1
        1200 a join g i=x
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1/x:range b2/y:range]
          b: join ok gen=2 consumer/range member=b2 leader=a1 []
        1500 -
        ",
    );
}

#[test]
fn an_old_id_is_fenced_everywhere() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 a sync g assign=a1:1
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1/x:1]
          a: sync ok consumer/range 1
        600 b join g i=x
          log: g v3 gen=1 consumer/range leader=b1 since=300 [b1/x:1]
          b: join ok gen=1 consumer/range member=b1 leader=b1 [b1/x:range] skip
        900 a beat g i=x
          a: beat FENCED_INSTANCE_ID
        1200 a sync g i=x
          a: sync FENCED_INSTANCE_ID
        1500 a commit g i=x at=t:0=5
          a: commit t:0 FENCED_INSTANCE_ID
        1800 a join g i=x
          a: join FENCED_INSTANCE_ID member=a1
        2100 a leave g members=a1/x
          a: leave ok a1/x FENCED_INSTANCE_ID
        2400 a beat g
          a: beat UNKNOWN_MEMBER_ID
        2700 -
        ",
    );
}

#[test]
fn a_static_member_stays_while_its_session_lasts() {
    check(
        "
        0 a join g i=x r=500 s=4000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 b join g i=y r=500 s=4000
        600 a join g i=x r=500 s=4000
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1/x:range b1/y:range]
          b: join ok gen=2 consumer/range member=b1 leader=a1 []
        900 a sync g assign=a1:1,b1:2
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1/x:1 b1/y:2]
          a: sync ok consumer/range 1
        1200 b sync g
          b: sync UNKNOWN_MEMBER_ID
        1500 a join g i=x r=500 s=4000
          a: join ok gen=3 consumer/range member=a1 leader=a1 [a1/x:range]
          log: g v3 gen=4 consumer/null leader=null since=2000 []
        2400 a sync g assign=a1:3,b1:4
          a: sync UNKNOWN_MEMBER_ID
        3300 a beat g
          a: beat UNKNOWN_MEMBER_ID
        3600 -
        ",
    );
}

#[test]
fn a_generation_waits_for_a_static_member_to_come_back() {
    check(
        "
        0 a join g i=x r=400 s=3000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 b join g r=400 s=1000
          b: join MEMBER_ID_REQUIRED member=b1
          log: g v3 gen=2 consumer/null leader=null since=400 []
        600 a join g i=x r=400 s=3000
          a: join UNKNOWN_MEMBER_ID member=a1
        900 b join g r=400 s=1000
          b: join ok gen=3 consumer/range member=b1 leader=b1 [b1:range]
        1200 -
          log: g v3 gen=4 consumer/null leader=null since=1300 []
        1500 c join g r=400
          c: join MEMBER_ID_REQUIRED member=c1
        1800 c describe g
          c: describe ok g Empty consumer/- []
        2100 -
        ",
    );
}

#[test]
fn an_unknown_instance_with_an_id_is_not_let_in() {
    check(
        "
        0 a join g i=x
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1/x:range]
        300 b join g i=y m=a1
          b: join UNKNOWN_MEMBER_ID member=a1
        600 b join g i=x m=other
          b: join FENCED_INSTANCE_ID member=b1
        900 -
        ",
    );
}
