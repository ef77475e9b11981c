//! LeaveGroup.

use crate::support::check;

#[test]
fn the_last_member_leaves_an_empty_group() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 a leave g
          log: g v3 gen=2 consumer/null leader=null since=600 []
          a: leave ok a1 ok
        900 a leave g
          a: leave ok a1 UNKNOWN_MEMBER_ID
        1200 a describe g
          a: describe ok g Empty consumer/- []
        1500 -
        ",
    );
}

#[test]
fn a_leaving_member_makes_the_others_rejoin() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3
        600 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1:x b1:y]
          a: sync ok consumer/range x
        1200 b sync g
          b: sync ok consumer/range y
        1500 a leave g v=2
          a: leave ok
        1800 b beat g
          b: beat REBALANCE_IN_PROGRESS
        2100 b join g v=3
          b: join ok gen=3 null/range member=b1 leader=b1 [b1:range]
        2400 b sync g assign=b1:z
          log: g v3 gen=3 consumer/range leader=b1 since=2100 [b1:z]
          b: sync ok consumer/range z
        2700 -
        ",
    );
}

#[test]
fn who_is_waited_for_may_leave() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 b join g v=3
        900 a leave g v=0
          b: join ok gen=2 null/range member=b1 leader=b1 [b1:range]
          a: leave ok
        1200 -
        ",
    );
}

#[test]
fn a_member_that_leaves_while_it_joins_hears_so() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 b join g i=x
        900 c leave g members=/x
          b: join UNKNOWN_MEMBER_ID member=-
          c: leave ok -/x ok
        1200 a beat g
          a: beat REBALANCE_IN_PROGRESS
        1500 -
        ",
    );
}

#[test]
fn a_pending_id_may_leave() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g
          b: join MEMBER_ID_REQUIRED member=b1
        600 c leave g members=b1
          c: leave ok b1 ok
        900 b join g
          b: join UNKNOWN_MEMBER_ID member=b1
        1200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range]
        1500 -
        ",
    );
}

#[test]
fn what_is_not_a_leave_is_refused() {
    check(
        "
        0 a leave '' m=x
          a: leave INVALID_GROUP_ID
        200 a leave g m=x
          a: leave ok (not told) UNKNOWN_MEMBER_ID
        400 a leave g v=2 m=x
          a: leave UNKNOWN_MEMBER_ID
        600 a join g v=3
          log: g v3 gen=0 -/null leader=null since=600 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        800 a leave g m=x
          a: leave ok (not told) UNKNOWN_MEMBER_ID
        1000 a leave g v=1 m=x
          a: leave UNKNOWN_MEMBER_ID
        1200 a leave g members=a1/x,/y,
          a: leave ok a1/x UNKNOWN_MEMBER_ID -/y UNKNOWN_MEMBER_ID
        1400 a leave g members=
          a: leave ok
        1600 a beat g
          a: beat ok
        1800 -
        ",
    );
}

#[test]
fn several_may_leave_at_once() {
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
        1500 c leave g members=a1/x,/y,/z,b1/y
          log: g v3 gen=3 consumer/null leader=null since=1500 []
          c: leave ok a1/x ok -/y ok -/z UNKNOWN_MEMBER_ID b1/y UNKNOWN_MEMBER_ID
        1800 c describe g
          c: describe ok g Empty consumer/- []
        2100 -
        ",
    );
}
