//! Committed offsets of consumer groups.

use crate::support::check;

#[test]
fn offsets_are_of_those_who_have_them() {
    check(
        "
        0 topics new t=2
        1000 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1500 a commit g at=t:0=5
          log: g t:0 v4 offset=5 at=1500
          a: commit t:0 ok
        2000 a commit g at=t:0=6 gen=7
          a: commit t:0 STALE_MEMBER_EPOCH
        2500 a commit g at=t:0=6 gen=0
          a: commit t:0 STALE_MEMBER_EPOCH
        3000 a commit g at=t:0=6 v=8
          a: commit t:0 UNSUPPORTED_VERSION
        3500 b commit g at=t:0=6 gen=-1
          b: commit t:0 UNKNOWN_MEMBER_ID
        4000 a fetch g at=t:0 as
          a: fetch ok [t:0=5]
        4500 a fetch g at=t:0 as gen=9
          a: fetch STALE_MEMBER_EPOCH
        5000 b fetch g at=t:0
          b: fetch ok [t:0=5]
        5500 b fetch g at=t:0 as m=zz gen=1
          b: fetch UNKNOWN_MEMBER_ID
        6000 a forget g at=t:0
          a: forget ok t:0 GROUP_SUBSCRIBED_TO_TOPIC
        6500 a delete g
          a: delete g NON_EMPTY_GROUP
        7000 a ask g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=3
          a: ask ok a1 epoch=-1
        7500 b commit g at=t:0=8 gen=-1 m=?
          log: g t:0 v4 offset=8 at=7500
          b: commit t:0 ok
        8000 b fetch g at=t:0
          b: fetch ok [t:0=8]
        8500 b forget g at=t:0
          log: g t:0 deleted
          b: forget ok t:0 ok
        9000 a delete g
          log: g target deleted
          log: g group deleted
          a: delete g ok
        9500 -
        ",
    );
}
