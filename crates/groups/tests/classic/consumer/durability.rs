//! What is not durable never was, and what is survives a restart.

use crate::support::{check_with, settings};

#[test]
fn a_failed_append_takes_everything_back() {
    check_with(
        settings(),
        "
        0 topics new t=2
        1000 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1500 hold -
        2000 b ask g topics=t
        2500 a show g
          a: show ok g Stable 2/2 uniform {a1@2 consumer t [t:0,1] of [t:0,1]}
        3000 failed NOT_ENOUGH_REPLICAS
          b: ask COORDINATOR_NOT_AVAILABLE
        3500 a show g
          a: show ok g Stable 2/2 uniform {a1@2 consumer t [t:0,1] of [t:0,1]}
        4000 a ask g epoch=-1
        4500 a show g
          a: show ok g Stable 2/2 uniform {a1@2 consumer t [t:0,1] of [t:0,1]}
        5000 written -
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=3
          a: ask ok a1 epoch=-1
        5500 a show g
          a: show ok g Empty 2/3 uniform {}
        6000 a ask g topics=t epoch=0
        6500 unload -
          a: ask NOT_COORDINATOR
        ",
    );
}

#[test]
fn a_restart_changes_nothing() {
    check_with(
        settings(),
        "
        0 topics new t=4,u=2
        1000 a ask g topics=t i=x rack=r
          log: g a1 says t i=x rack=r r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1,2,3]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1,2,3]
          a: ask ok a1 epoch=2 [t:0,1,2,3]
        1500 b ask g regex=t|u assignor=range
          log: g b1 says  regex=t|u assignor=range r=20000
          log: g regex t|u = t,u at=1500
          log: g group epoch=3 hash
          log: g a1 target [t:0,1]
          log: g b1 target [t:2,3 u:0,1]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased [u:0,1]
          b: ask ok b1 epoch=3 [u:0,1]
        2000 a ask g i=x
          log: g a1 has epoch=2>2 unrevoked [t:0,1] revoking [t:2,3]
          a: ask ok a1 epoch=2 [t:0,1]
        2500 c join g v=3 sub=t
          log: g c1 says t r=20000 classic s=10000 p=range
          log: g group epoch=4 hash
          log: g c1 target [t:2]
          log: g b1 target [t:3 u:0,1]
          log: g target epoch=4 at=2500
          log: g c1 has epoch=0>4 unreleased []
          c: join ok gen=4 null/range member=c1 leader=- []
        3000 a show g
          a: show ok g Reconciling 4/4 range {a1/x@2 consumer t [t:0,1,2,3] of [t:0,1], b1@3 consumer  t|u [u:0,1] of [t:3 u:0,1], c1@4 classic t [] of [t:2]}
        3500 restart -
        4000 a show g
          a: show ok g Reconciling 4/4 range {a1/x@2 consumer t [t:0,1,2,3] of [t:0,1], b1@3 consumer  t|u [u:0,1] of [t:3 u:0,1], c1@4 classic t [] of [t:2]}
        4500 a ask g i=x has=t:0,t:1
          log: g a1 has epoch=2>4 stable [t:0,1]
          a: ask ok a1 epoch=4
        5000 a show g
          a: show ok g Reconciling 4/4 range {a1/x@4 consumer t [t:0,1] of [t:0,1], b1@3 consumer  t|u [u:0,1] of [t:3 u:0,1], c1@4 classic t [] of [t:2]}
        ",
    );
}
