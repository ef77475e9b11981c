//! DescribeGroups, ListGroups, DeleteGroups.

use crate::support::check;

#[test]
fn a_group_is_described_in_every_state() {
    check(
        "
        0 z describe g
          z: describe GROUP_ID_NOT_FOUND g 'Group g not found.' Dead -/- []
        200 z describe g v=5
          z: describe ok g Dead -/- []
        400 a join g v=3
          log: g v3 gen=0 -/null leader=null since=400 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        600 z describe g
          z: describe ok g CompletingRebalance consumer/- [a1 a@/127.0.0.1 - -]
        800 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=400 [a1:x]
          a: sync ok consumer/range x
        1000 z describe g
          z: describe ok g Stable consumer/range [a1 a@/127.0.0.1 range x]
        1200 b join g v=3
        1400 z describe g
          z: describe ok g PreparingRebalance consumer/- [(not told) b@/127.0.0.1 - -, a1 a@/127.0.0.1 - x]
        1600 a leave g
          b: join ok gen=2 null/range member=b1 leader=b1 [b1:range]
          a: leave ok a1 ok
        1800 b leave g
          log: g v3 gen=3 consumer/null leader=null since=1800 []
          b: leave ok b1 ok
        2000 z describe g
          z: describe ok g Empty consumer/- []
        2200 -
        ",
    );
}

#[test]
fn groups_are_listed_by_state_and_type() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b commit h at=t:0=1
          log: h t:0 v4 offset=1 at=300
          b: commit t:0 ok
        600 z list
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        900 z list states=completingrebalance
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        1200 z list states=EMPTY,stable
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        1500 z list states=nonsense
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        1800 z list types=Classic
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        2100 z list types=consumer
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        2400 z list types=nonsense
          z: list [g consumer CompletingRebalance classic, h - Empty classic]
        2700 -
        ",
    );
}

#[test]
fn only_empty_groups_are_deleted() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b commit h at=t:0=1,t:1=2
          log: h t:0 v4 offset=1 at=300
          log: h t:1 v4 offset=2 at=300
          b: commit t:0 ok t:1 ok
        600 z delete g,h,i
          log: h t:0 deleted
          log: h t:1 deleted
          log: h deleted
          z: delete g NON_EMPTY_GROUP h ok i GROUP_ID_NOT_FOUND
        900 z list
          z: list [g consumer CompletingRebalance classic]
        1200 b fetch h
          b: fetch ok []
        1500 a leave g
          log: g v3 gen=2 consumer/null leader=null since=1500 []
          a: leave ok a1 ok
        1800 z delete g,g
          log: g deleted
          z: delete g ok
        2100 z list
          z: list []
        2400 a join g v=3
          a: join UNKNOWN_MEMBER_ID member=a1
        2700 -
        ",
    );
}
