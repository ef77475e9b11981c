//! Static members (KIP-345) in consumer groups.

use crate::support::check;

#[test]
fn a_static_member_keeps_its_place() {
    check(
        "
        0 topics new t=2
        1000 a ask g topics=t i=x
          log: g a1 says t i=x r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1500 b ask g topics=t i=x
          b: ask UNRELEASED_INSTANCE_ID
        2000 a ask g epoch=-2 i=x
          log: g a1 has epoch=0>-2 stable [t:0,1]
          a: ask ok a1 epoch=-2
        2500 a show g
          a: show ok g Reconciling 2/2 uniform {a1/x@-2 consumer t [t:0,1] of [t:0,1]}
        3000 b ask g topics=t i=x
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g b1 says t i=x r=20000
          log: g b1 target [t:0,1]
          log: g b1 has epoch=0>0 stable [t:0,1]
          log: g b1 says t i=x r=20000
          log: g b1 has epoch=0>2 stable [t:0,1]
          b: ask ok b1 epoch=2 [t:0,1]
        3500 b show g
          b: show ok g Stable 2/2 uniform {b1/x@2 consumer t [t:0,1] of [t:0,1]}
        4000 a ask g i=x
          a: ask INVALID_REQUEST
        4500 b ask g i=x
          b: ask ok b1 epoch=2
        5000 b ask g i=x epoch=-1
          log: g b1 has deleted
          log: g b1 target deleted
          log: g b1 says deleted
          log: g group epoch=3
          b: ask ok b1 epoch=-1
        5500 b show g
          b: show ok g Empty 2/3 uniform {}
        6000 c ask g epoch=4 i=x
          c: ask UNKNOWN_MEMBER_ID
        6500 -
        ",
    );
}
