//! Members come, share, and go.

use crate::support::{check, check_with, settings};

#[test]
fn a_member_gets_everything_and_leaves_an_empty_group() {
    check(
        "
        0 topics new t=3
        1000 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1,2]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1,2]
          a: ask ok a1 epoch=2 [t:0,1,2]
        1500 a ask g
          a: ask ok a1 epoch=2
        2000 a show g
          a: show ok g Stable 2/2 uniform {a1@2 consumer t [t:0,1,2] of [t:0,1,2]}
        2500 a list g
          a: list [g consumer Stable consumer]
        3000 a describe g
          a: describe GROUP_ID_NOT_FOUND g 'Group g is not a classic group.' Dead -/- []
        3500 a ask g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=3
          a: ask ok a1 epoch=-1
        4000 a show g
          a: show ok g Empty 2/3 uniform {}
        4500 a ask g epoch=5
          a: ask UNKNOWN_MEMBER_ID
        5000 b show g,h
          b: show ok g Empty 2/3 uniform {}; show GROUP_ID_NOT_FOUND h 'Group h not found.'
        5500 a delete g
          log: g target deleted
          log: g group deleted
          a: delete g ok
        6000 a show g
          a: show GROUP_ID_NOT_FOUND g 'Group g not found.'
        6500 -
        ",
    );
}

#[test]
fn partitions_move_when_they_are_given_up() {
    check(
        "
        0 topics new t=4
        1000 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1,2,3]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1,2,3]
          a: ask ok a1 epoch=2 [t:0,1,2,3]
        1500 b ask g topics=t
          log: g b1 says t r=20000
          log: g group epoch=3 hash
          log: g a1 target [t:0,1]
          log: g b1 target [t:2,3]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased []
          b: ask ok b1 epoch=3 []
        2000 b show g
          b: show ok g Reconciling 3/3 uniform {a1@2 consumer t [t:0,1,2,3] of [t:0,1], b1@3 consumer t [] of [t:2,3]}
        2500 a ask g has=t:0,t:1,t:2,t:3
          log: g a1 has epoch=2>2 unrevoked [t:0,1] revoking [t:2,3]
          a: ask ok a1 epoch=2 [t:0,1]
        3000 b ask g
          log: g b1 has epoch=3>3 unreleased []
          b: ask ok b1 epoch=3
        3500 a ask g has=t:0,t:1
          log: g a1 has epoch=2>3 stable [t:0,1]
          a: ask ok a1 epoch=3
        4000 b ask g
          log: g b1 has epoch=3>3 stable [t:2,3]
          b: ask ok b1 epoch=3 [t:2,3]
        4500 a show g
          a: show ok g Stable 3/3 uniform {a1@3 consumer t [t:0,1] of [t:0,1], b1@3 consumer t [t:2,3] of [t:2,3]}
        5000 b ask g epoch=-1
          log: g b1 has deleted
          log: g b1 target deleted
          log: g b1 says deleted
          log: g group epoch=4 hash
          b: ask ok b1 epoch=-1
        5500 a ask g
          log: g a1 target [t:0,1,2,3]
          log: g target epoch=4 at=5500
          log: g a1 has epoch=3>4 stable [t:0,1,2,3]
          a: ask ok a1 epoch=4 [t:0,1,2,3]
        6000 a show g
          a: show ok g Stable 4/4 uniform {a1@4 consumer t [t:0,1,2,3] of [t:0,1,2,3]}
        6500 -
        ",
    );
}

#[test]
fn who_is_behind_or_ahead_is_fenced() {
    check(
        "
        0 topics new t=2,u=2
        1000 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1500 a ask g topics=t,u
          log: g a1 says t,u r=20000
          log: g group epoch=3 hash
          log: g a1 target [t:0,1 u:0,1]
          log: g target epoch=3 at=1500
          log: g a1 has epoch=2>3 stable [t:0,1 u:0,1]
          a: ask ok a1 epoch=3 [t:0,1 u:0,1]
        2000 a ask g epoch=1 has=t:0
          a: ask FENCED_MEMBER_EPOCH
        2500 a ask g epoch=1 has=u:7
          a: ask FENCED_MEMBER_EPOCH
        3000 a ask g epoch=1
          a: ask FENCED_MEMBER_EPOCH
        3500 a ask g epoch=9
          a: ask FENCED_MEMBER_EPOCH
        4000 b ask g epoch=3
          b: ask UNKNOWN_MEMBER_ID
        4500 b ask h epoch=3
          b: ask GROUP_ID_NOT_FOUND
        5000 a ask g epoch=0 topics=t,u
          a: ask ok a1 epoch=3 [t:0,1 u:0,1]
        5500 -
        ",
    );
}

#[test]
fn what_is_asked_must_make_sense() {
    check(
        "
        0 topics new t=2
        1000 a ask g r=-1 topics=t
          a: ask INVALID_REQUEST
        1500 a ask g
          a: ask INVALID_REQUEST
        2000 a ask '' topics=t
          a: ask INVALID_REQUEST
        2500 a ask g epoch=-3
          a: ask INVALID_REQUEST
        3000 a ask g topics=t i=
          a: ask INVALID_REQUEST
        3500 a ask g topics=t assignor=mine
          a: ask UNSUPPORTED_ASSIGNOR
        4000 a ask g topics=t m=?
          a: ask INVALID_REQUEST
        4500 a ask g topics=t m=? v=0
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=4500
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        5000 a ask g topics=t epoch=-2
          a: ask INVALID_REQUEST
        5500 a ask g topics=t regex=[
          a: ask INVALID_REGULAR_EXPRESSION
        6000 a ask g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=3
          a: ask ok a1 epoch=-1
        6500 a ask g topics=
          log: g a1 says  r=20000
          log: g a1 target []
          log: g target epoch=3 at=6500
          log: g a1 has epoch=0>3 stable []
          a: ask ok a1 epoch=3 []
        7000 a show g
          a: show ok g Stable 3/3 uniform {a1@3 consumer  [] of []}
        7500 -
        ",
    );
}

#[test]
fn silence() {
    check_with(
        settings(),
        "
        0 topics new t=2
        500 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1000 b ask g topics=t
          log: g b1 says t r=20000
          log: g group epoch=3 hash
          log: g a1 target [t:0]
          log: g b1 target [t:1]
          log: g target epoch=3 at=1000
          log: g b1 has epoch=0>3 unreleased []
          b: ask ok b1 epoch=3 []
        20000 b ask g
          log: g b1 has epoch=3>3 unreleased []
          b: ask ok b1 epoch=3
        45499 a ask g
          log: g a1 has epoch=2>2 unrevoked [t:0] revoking [t:1]
          a: ask ok a1 epoch=2 [t:0]
        46000 a show g
          a: show ok g Reconciling 3/3 uniform {a1@2 consumer t [t:0,1] of [t:0], b1@3 consumer t [] of [t:1]}
        65000 a show g
          a: show ok g Reconciling 3/3 uniform {a1@2 consumer t [t:0,1] of [t:0], b1@3 consumer t [] of [t:1]}
          log: g b1 has deleted
          log: g b1 target deleted
          log: g b1 says deleted
          log: g group epoch=4 hash
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=5
        100000 a show g
          a: show ok g Empty 3/5 uniform {}
        ",
    );
}

#[test]
fn who_does_not_give_up_is_out() {
    check_with(
        settings(),
        "
        0 topics new t=2
        500 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1000 b ask g topics=t
          log: g b1 says t r=20000
          log: g group epoch=3 hash
          log: g a1 target [t:0]
          log: g b1 target [t:1]
          log: g target epoch=3 at=1000
          log: g b1 has epoch=0>3 unreleased []
          b: ask ok b1 epoch=3 []
        2000 a ask g
          log: g a1 has epoch=2>2 unrevoked [t:0] revoking [t:1]
          a: ask ok a1 epoch=2 [t:0]
        12000 a ask g
          a: ask ok a1 epoch=2
        21999 a ask g
          a: ask ok a1 epoch=2
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=4 hash
        22001 b ask g
          log: g b1 target [t:0,1]
          log: g target epoch=4 at=22001
          log: g b1 has epoch=3>4 stable [t:0,1]
          b: ask ok b1 epoch=4 [t:0,1]
        23000 b show g
          b: show ok g Stable 4/4 uniform {b1@4 consumer t [t:0,1] of [t:0,1]}
        24000 -
        ",
    );
}
