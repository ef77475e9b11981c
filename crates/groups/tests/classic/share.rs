//! Share groups: members come, share, and go; the state of what they share is made and deleted.

use klamm_groups::Settings;

use crate::support::{check_with, settings};

#[test]
fn a_member_gets_everything_once_its_state_is_made() {
    check_with(
        settings(),
        "
        0 topics new t=3
        1000 a want g topics=t
          log: g a1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0,1,2] made [] deleting []
          log: g a1 share target []
          log: g share target epoch=2
          log: g a1 shares epoch=0>2 []
          a: want ok a1 epoch=2 [] make [t:0,1,2] at 2 soon
        1001 a made g at=t:0,t:1,t:2
          log: g state making [] made [t:0,1,2] deleting []
          a: done ok
        1002 a want g epoch=0 topics=t
          log: g share group epoch=3 hash
          log: g a1 share target [t:0,1,2]
          log: g share target epoch=3
          log: g a1 shares epoch=2>3 [t:0,1,2]
          a: want ok a1 epoch=3 [t:0,1,2]
        1500 a want g
          a: want ok a1 epoch=3
        2000 a view g
          a: view ok g Stable 3/3 simple {a1@3 t [t:0,1,2]}
        2500 a list g
          a: list [g share Stable share]
        2600 a list g types=share
          a: list [g share Stable share]
        2700 a list g types=consumer
          a: list []
        3000 a describe g
          a: describe GROUP_ID_NOT_FOUND g 'Group g is not a classic group.' Dead -/- []
        3100 a show g
          a: show GROUP_ID_NOT_FOUND g 'Group g is not a consumer group.'
        3500 a want g epoch=-1
          log: g a1 shares deleted
          log: g a1 share target deleted
          log: g a1 wants deleted
          log: g share group epoch=4
          a: want ok a1 epoch=-1
        4000 a view g
          a: view ok g Empty 3/4 simple {}
        4500 a want g epoch=5
          a: want UNKNOWN_MEMBER_ID
        5000 a clear g
          log: g state making [] made [] deleting [t]
          a: clear [t:0,1,2]
        5100 a undone g at=t
          log: g state making [] made [] deleting []
          a: done ok
        5500 a delete g
          log: g share target deleted
          log: g state deleted
          log: g share group deleted
          a: delete g ok
        6000 a view g
          a: view GROUP_ID_NOT_FOUND g 'Group g not found.'
        6500 -
        ",
    );
}

#[test]
fn partitions_are_shared() {
    check_with(
        settings(),
        "
        0 topics new t=2
        1000 a want g topics=t
          log: g a1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0,1] made [] deleting []
          log: g a1 share target []
          log: g share target epoch=2
          log: g a1 shares epoch=0>2 []
          a: want ok a1 epoch=2 [] make [t:0,1] at 2 soon
        1001 a made g at=t:0,t:1
          log: g state making [] made [t:0,1] deleting []
          a: done ok
        1002 a want g epoch=0 topics=t
          log: g share group epoch=3 hash
          log: g a1 share target [t:0,1]
          log: g share target epoch=3
          log: g a1 shares epoch=2>3 [t:0,1]
          a: want ok a1 epoch=3 [t:0,1]
        1500 b want g topics=t
          log: g b1 wants t
          log: g share group epoch=4 hash
          log: g b1 shares epoch=0>3 []
          b: want ok b1 epoch=3 []
        2000 c want g topics=t
          log: g c1 wants t
          log: g share group epoch=5 hash
          log: g c1 shares epoch=0>3 []
          c: want ok c1 epoch=3 []
        2500 a want g
          log: g b1 share target [t:0]
          log: g c1 share target [t:1]
          log: g share target epoch=5
          log: g a1 shares epoch=3>5 [t:0,1]
          a: want ok a1 epoch=5
        2600 b want g
          log: g b1 shares epoch=3>5 [t:0]
          b: want ok b1 epoch=5 [t:0]
        3000 d want h
          d: want INVALID_REQUEST
        3500 a want g epoch=1
          a: want FENCED_MEMBER_EPOCH
        3600 a want g epoch=9
          a: want FENCED_MEMBER_EPOCH
        4000 -
        ",
    );
}

#[test]
fn what_changes_is_shared_anew() {
    check_with(
        settings(),
        "
        0 topics new t=2
        1000 a want g topics=t
          log: g a1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0,1] made [] deleting []
          log: g a1 share target []
          log: g share target epoch=2
          log: g a1 shares epoch=0>2 []
          a: want ok a1 epoch=2 [] make [t:0,1] at 2 soon
        1001 a made g at=t:0,t:1
          log: g state making [] made [t:0,1] deleting []
          a: done ok
        1002 a want g topics=t
          log: g share group epoch=3 hash
          log: g a1 share target [t:0,1]
          log: g share target epoch=3
          log: g a1 shares epoch=2>3 [t:0,1]
          a: want ok a1 epoch=3 [t:0,1]
        2500 b want g topics=t
          log: g b1 wants t
          log: g share group epoch=4 hash
          log: g a1 share target [t:0]
          log: g b1 share target [t:1]
          log: g share target epoch=4
          log: g b1 shares epoch=0>4 [t:1]
          b: want ok b1 epoch=4 [t:1]
        4000 topics grow t=4
        4500 a want g
          log: g share group epoch=5 hash
          log: g state making [t:2,3] made [t:0,1] deleting []
          log: g share target epoch=5
          log: g a1 shares epoch=3>5 [t:0]
          a: want ok a1 epoch=5 [t:0] make [t:2,3] at 5 soon
        4501 a made g at=t:2,t:3
          log: g state making [] made [t:0,1,2,3] deleting []
          a: done ok
        4502 a want g
          log: g share group epoch=6 hash
          a: want ok a1 epoch=5 soon
        5501 a want g
          log: g a1 share target [t:0,2]
          log: g b1 share target [t:1,3]
          log: g share target epoch=6
          log: g a1 shares epoch=5>6 [t:0,2]
          a: want ok a1 epoch=6 [t:0,2]
        5502 -
        ",
    );
}

#[test]
fn a_member_may_want_something_else() {
    check_with(
        settings(),
        "
        0 topics new t=1
        1000 b want g topics=t
          log: g b1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0] made [] deleting []
          log: g b1 share target []
          log: g share target epoch=2
          log: g b1 shares epoch=0>2 []
          b: want ok b1 epoch=2 [] make [t:0] at 2 soon
        1001 b made g at=t:0
          log: g state making [] made [t:0] deleting []
          b: done ok
        1002 b want g topics=t
          log: g share group epoch=3 hash
          log: g b1 share target [t:0]
          log: g share target epoch=3
          log: g b1 shares epoch=2>3 [t:0]
          b: want ok b1 epoch=3 [t:0]
        5000 b want g topics=t,u
          log: g b1 wants t,u
          log: g share group epoch=4 hash
          log: g share target epoch=4
          log: g b1 shares epoch=3>4 [t:0]
          b: want ok b1 epoch=4 [t:0]
        5500 topics new u=1
        6000 b want g
          log: g share group epoch=5 hash
          log: g state making [u:0] made [t:0] deleting []
          log: g share target epoch=5
          log: g b1 shares epoch=4>5 [t:0]
          b: want ok b1 epoch=5 make [u:0] at 5 soon
        6001 b unmade g at=u:0
          log: g state making [] made [t:0] deleting []
          b: done ok
        6500 b want g
          log: g state making [u:0] made [t:0] deleting []
          b: want ok b1 epoch=5 make [u:0] at 5 soon
        6501 b made g at=u:0
          log: g state making [] made [t:0 u:0] deleting []
          b: done ok
        6502 b want g
          log: g share group epoch=6 hash
          b: want ok b1 epoch=5 soon
        7000 restart
        7500 b want g
          log: g b1 share target [t:0 u:0]
          log: g share target epoch=6
          log: g b1 shares epoch=5>6 [t:0 u:0]
          b: want ok b1 epoch=6 [t:0 u:0]
        8000 b view g
          b: view ok g Stable 6/6 simple {b1@6 t,u [t:0 u:0]}
        8500 topics drop t
        9000 b want g
          log: g share group epoch=7 hash
          log: g b1 share target [u:0]
          log: g share target epoch=7
          log: g b1 shares epoch=6>7 [u:0]
          b: want ok b1 epoch=7 [u:0] soon
        9500 -
        ",
    );
}

#[test]
fn who_is_silent_is_fenced() {
    check_with(
        settings(),
        "
        0 topics new t=1
        1000 a want g topics=t
          log: g a1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0] made [] deleting []
          log: g a1 share target []
          log: g share target epoch=2
          log: g a1 shares epoch=0>2 []
          a: want ok a1 epoch=2 [] make [t:0] at 2 soon
        1001 a made g at=t:0
          log: g state making [] made [t:0] deleting []
          a: done ok
        1002 a want g topics=t
          log: g share group epoch=3 hash
          log: g a1 share target [t:0]
          log: g share target epoch=3
          log: g a1 shares epoch=2>3 [t:0]
          a: want ok a1 epoch=3 [t:0]
        1500 b want g topics=t
          log: g b1 wants t
          log: g share group epoch=4 hash
          log: g b1 shares epoch=0>3 []
          b: want ok b1 epoch=3 []
        20000 b want g
          log: g b1 share target [t:0]
          log: g share target epoch=4
          log: g b1 shares epoch=3>4 [t:0]
          b: want ok b1 epoch=4 [t:0]
          log: g a1 shares deleted
          log: g a1 share target deleted
          log: g a1 wants deleted
          log: g share group epoch=5 hash
        47000 a want g
          a: want UNKNOWN_MEMBER_ID
        47100 a want g epoch=0 topics=t
          log: g a1 wants t
          log: g share group epoch=6 hash
          log: g a1 share target [t:0]
          log: g share target epoch=6
          log: g a1 shares epoch=0>6 [t:0]
          a: want ok a1 epoch=6 [t:0]
        47200 a want g epoch=-1
          log: g a1 shares deleted
          log: g a1 share target deleted
          log: g a1 wants deleted
          log: g share group epoch=7 hash
          a: want ok a1 epoch=-1
        47500 b want g
          log: g b1 shares epoch=4>6 [t:0]
          b: want ok b1 epoch=6
        48000 restart
          log: g b1 shares deleted
          log: g b1 share target deleted
          log: g b1 wants deleted
          log: g share group epoch=8
        94000 -
        ",
    );
}

#[test]
fn what_is_asked_must_make_sense() {
    check_with(
        settings(),
        "
        0 topics new t=2
        1000 a want g
          a: want INVALID_REQUEST
        1100 a want '' topics=t
          a: want INVALID_REQUEST
        1200 a want g epoch=-2 topics=t
          a: want INVALID_REQUEST
        1300 a want g m=? topics=t
          a: want INVALID_REQUEST
        1400 a want g epoch=3
          a: want GROUP_ID_NOT_FOUND
        1500 a want g topics=
          a: want INVALID_REQUEST
        2000 a ask k topics=t
          log: k a1 says t r=20000
          log: k group epoch=2 hash
          log: k a1 target [t:0,1]
          log: k target epoch=2 at=2000
          log: k a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        2500 b want k topics=t
          b: want GROUP_ID_NOT_FOUND
        3000 b want g topics=t
          log: g b1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0,1] made [] deleting []
          log: g b1 share target []
          log: g share target epoch=2
          log: g b1 shares epoch=0>2 []
          b: want ok b1 epoch=2 [] make [t:0,1] at 2 soon
        3500 c ask g topics=t
          c: ask GROUP_ID_NOT_FOUND
        4000 c join g
          c: join INCONSISTENT_GROUP_PROTOCOL member=-
        4500 c commit g at=t:0=5
          c: commit t:0 GROUP_ID_NOT_FOUND
        5000 c fetch g at=t:0
          c: fetch GROUP_ID_NOT_FOUND
        5500 c view k,x
          c: view GROUP_ID_NOT_FOUND k 'Group k is not a share group.'; view GROUP_ID_NOT_FOUND x 'Group x not found.'
        6000 b delete g
          b: delete g NON_EMPTY_GROUP
        6500 -
        ",
    );
}

#[test]
fn offsets_are_set_and_deleted() {
    check_with(
        settings(),
        "
        0 topics new t=2,u=1
        1000 a alter g at=t:0,t:7,x:0
          log: g state making [t:0] made [] deleting []
          a: alter ok at 1 [t:0 ok, t:7 UNKNOWN_TOPIC_OR_PARTITION, x:0 UNKNOWN_TOPIC_OR_PARTITION]
        1001 a made g at=t:0
          log: g state making [] made [t:0] deleting []
          a: done ok
        1200 restart
        1500 a view g
          a: view ok g Empty 1/1 simple {}
        1600 a lost g at=t:0
          a: lost, again at 1
        1601 a lost g at=t:1
          a: lost nothing
        2000 a undo g at=t,u,x
          log: g state making [] made [] deleting [t]
          a: undo ok [u UNKNOWN_TOPIC_OR_PARTITION 'There is no offset information to delete.', x UNKNOWN_TOPIC_OR_PARTITION 'This broker has no such topic or partition.'] drop [t:0]
        2001 a undone g at=t
          log: g state making [] made [] deleting []
          a: done ok
        2500 a undo h at=t
          a: undo GROUP_ID_NOT_FOUND 'Share group h not found.' [] drop []
        3000 b want g topics=t
          log: g b1 wants t
          log: g share group epoch=2 hash
          log: g state making [t:0,1] made [] deleting []
          log: g b1 share target []
          log: g share target epoch=2
          log: g b1 shares epoch=0>2 []
          b: want ok b1 epoch=2 [] make [t:0,1] at 2 soon
        3001 b made g at=t:0,t:1
          log: g state making [] made [t:0,1] deleting []
          b: done ok
        3500 a alter g at=t:0
          a: alter NON_EMPTY_GROUP 'The group has members.' at 0 []
        4000 a undo g at=t
          a: undo NON_EMPTY_GROUP 'The group has members.' [] drop []
        4500 a clear g
          a: clear NON_EMPTY_GROUP
        5000 b want g epoch=-1
          log: g b1 shares deleted
          log: g b1 share target deleted
          log: g b1 wants deleted
          log: g share group epoch=3
          b: want ok b1 epoch=-1
        5500 a clear g
          log: g state making [] made [] deleting [t]
          a: clear [t:0,1]
        5501 a delete g
          log: g share target deleted
          log: g state deleted
          log: g share group deleted
          a: delete g ok
        6000 -
        ",
    );
}

#[test]
fn a_group_without_members_stays() {
    check_with(
        Settings { offsets_retention_check_interval_ms: 500, ..settings() },
        "
        0 topics new t=1
        1000 a alter g at=t:0
          log: g state making [t:0] made [] deleting []
          a: alter ok at 1 [t:0 ok]
        1001 a made g at=t:0
          log: g state making [] made [t:0] deleting []
          a: done ok
        5000 a view g
          a: view ok g Empty 1/1 simple {}
        6000 -
        ",
    );
}
