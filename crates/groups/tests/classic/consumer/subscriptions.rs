//! What members subscribe to, what there is of it, and how it is shared out.

use crate::support::{check, check_with, settings};

#[test]
fn topics_come_grow_and_go() {
    check(
        "
        0 topics new t=2
        1000 a ask g topics=t,u
          log: g a1 says t,u r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        2000 topics new u=1
        3000 a ask g has=t:0,t:1
          log: g group epoch=3 hash
          log: g a1 target [t:0,1 u:0]
          log: g target epoch=3 at=3000
          log: g a1 has epoch=2>3 stable [t:0,1 u:0]
          a: ask ok a1 epoch=3 [t:0,1 u:0]
        4000 topics grow t=3
        5000 a ask g has=t:0,t:1,u:0
          log: g group epoch=4 hash
          log: g a1 target [t:0,1,2 u:0]
          log: g target epoch=4 at=5000
          log: g a1 has epoch=3>4 stable [t:0,1,2 u:0]
          a: ask ok a1 epoch=4 [t:0,1,2 u:0]
        6000 topics drop u
        7000 a ask g has=t:0,t:1,t:2,u:0
          log: g group epoch=5 hash
          log: g a1 target [t:0,1,2]
          log: g target epoch=5 at=7000
          log: g a1 has epoch=4>4 unrevoked [t:0,1,2] revoking [u:0]
          a: ask ok a1 epoch=4 [t:0,1,2]
        7500 a ask g has=t:0,t:1,t:2
          log: g a1 has epoch=4>5 stable [t:0,1,2]
          a: ask ok a1 epoch=5
        8000 a show g
          a: show ok g Stable 5/5 uniform {a1@5 consumer t,u [t:0,1,2] of [t:0,1,2]}
        8500 -
        ",
    );
}

#[test]
fn range_is_asked_for() {
    check(
        "
        0 topics new t=3,u=3
        1000 a ask g topics=t,u assignor=range
          log: g a1 says t,u assignor=range r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1,2 u:0,1,2]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1,2 u:0,1,2]
          a: ask ok a1 epoch=2 [t:0,1,2 u:0,1,2]
        1500 b ask g topics=t,u assignor=range
          log: g b1 says t,u assignor=range r=20000
          log: g group epoch=3 hash
          log: g a1 target [t:0,1 u:0,1]
          log: g b1 target [t:2 u:2]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased []
          b: ask ok b1 epoch=3 []
        2000 a ask g has=t:0,t:1
          log: g a1 has epoch=2>3 stable [t:0,1 u:0,1]
          a: ask ok a1 epoch=3 [t:0,1 u:0,1]
        2500 b ask g
          log: g b1 has epoch=3>3 stable [t:2 u:2]
          b: ask ok b1 epoch=3 [t:2 u:2]
        3000 a show g
          a: show ok g Stable 3/3 range {a1@3 consumer t,u [t:0,1 u:0,1] of [t:0,1 u:0,1], b1@3 consumer t,u [t:2 u:2] of [t:2 u:2]}
        3500 -
        ",
    );
}

#[test]
fn different_subscriptions() {
    check(
        "
        0 topics new t=3,u=3
        1000 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1,2]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [t:0,1,2]
          a: ask ok a1 epoch=2 [t:0,1,2]
        1500 b ask g topics=t,u
          log: g b1 says t,u r=20000
          log: g group epoch=3 hash
          log: g b1 target [u:0,1,2]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 stable [u:0,1,2]
          b: ask ok b1 epoch=3 [u:0,1,2]
        2000 a ask g has=t:0,t:1,t:2
          log: g a1 has epoch=2>3 stable [t:0,1,2]
          a: ask ok a1 epoch=3
        2500 b ask g
          b: ask ok b1 epoch=3
        3000 a show g
          a: show ok g Stable 3/3 uniform {a1@3 consumer t [t:0,1,2] of [t:0,1,2], b1@3 consumer t,u [u:0,1,2] of [u:0,1,2]}
        3500 a ask g topics=u has=t:0,t:1,t:2
          log: g a1 says u r=20000
          log: g group epoch=4 hash
          log: g a1 target [u:0,1,2]
          log: g b1 target [t:0,1,2]
          log: g target epoch=4 at=3500
          log: g a1 has epoch=3>3 unrevoked [] revoking [t:0,1,2]
          a: ask ok a1 epoch=3 []
        4000 a ask g has=
          log: g a1 has epoch=3>4 unreleased []
          a: ask ok a1 epoch=4
        4500 b ask g has=u:0,u:1,u:2
          log: g b1 has epoch=3>3 unrevoked [] revoking [u:0,1,2]
          b: ask ok b1 epoch=3 []
        5000 a show g
          a: show ok g Reconciling 4/4 uniform {a1@4 consumer u [] of [u:0,1,2], b1@3 consumer t,u [u:0,1,2] of [t:0,1,2]}
        5500 -
        ",
    );
}

#[test]
fn patterns_are_looked_up_at_once_and_again_when_topics_are_new() {
    check_with(
        settings(),
        "
        0 topics new ta=1,tb=1,x=1
        500 a ask g regex=t.*
          log: g a1 says  regex=t.* r=20000
          log: g regex t.* = ta,tb at=500
          log: g group epoch=2 hash
          log: g a1 target [ta:0 tb:0]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [ta:0 tb:0]
          a: ask ok a1 epoch=2 [ta:0 tb:0]
        1000 b ask g regex=t.*
          log: g b1 says  regex=t.* r=20000
          log: g group epoch=3 hash
          log: g a1 target [ta:0]
          log: g b1 target [tb:0]
          log: g target epoch=3 at=1000
          log: g b1 has epoch=0>3 unreleased []
          b: ask ok b1 epoch=3 []
        1500 c ask g regex=x topics=ta
          log: g c1 says ta regex=x r=20000
          log: g regex x = x at=1500
          log: g group epoch=4 hash
          log: g c1 target [x:0]
          log: g target epoch=4 at=1500
          log: g c1 has epoch=0>4 stable [x:0]
          c: ask ok c1 epoch=4 [x:0]
        2000 topics new tc=1
        2500 b ask g
          log: g b1 has epoch=3>4 unreleased []
          b: ask ok b1 epoch=4
        12000 b ask g
          log: g regex t.* = ta,tb,tc at=12000
          log: g regex x = x at=12000
          log: g group epoch=5 hash
          log: g a1 target [ta:0 tc:0]
          log: g target epoch=5 at=12000
          log: g b1 has epoch=4>5 unreleased []
          b: ask ok b1 epoch=5
        12500 a ask g has=ta:0
          log: g a1 has epoch=2>5 stable [ta:0 tc:0]
          a: ask ok a1 epoch=5 [ta:0 tc:0]
        13000 b ask g
          log: g b1 has epoch=5>5 stable [tb:0]
          b: ask ok b1 epoch=5 [tb:0]
        13500 c ask g
          log: g c1 has epoch=4>5 stable [x:0]
          c: ask ok c1 epoch=5
        14000 a show g
          a: show ok g Stable 5/5 uniform {a1@5 consumer  t.* [ta:0 tc:0] of [ta:0 tc:0], b1@5 consumer  t.* [tb:0] of [tb:0], c1@5 consumer ta x [x:0] of [x:0]}
        ",
    );
}

#[test]
fn a_pattern_goes_with_its_last_subscriber() {
    check_with(
        settings(),
        "
        0 topics new ta=1,x=1
        500 a ask g regex=t.* topics=x
          log: g a1 says x regex=t.* r=20000
          log: g regex t.* = ta at=500
          log: g group epoch=2 hash
          log: g a1 target [ta:0 x:0]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [ta:0 x:0]
          a: ask ok a1 epoch=2 [ta:0 x:0]
        1000 a ask g regex=
          log: g a1 says x r=20000
          log: g regex t.* deleted
          log: g group epoch=3 hash
          log: g a1 target [x:0]
          log: g target epoch=3 at=1000
          log: g a1 has epoch=2>2 unrevoked [x:0] revoking [ta:0]
          a: ask ok a1 epoch=2 [x:0]
        1500 restart -
        2000 a ask g has=x:0
          log: g a1 has epoch=2>3 stable [x:0]
          a: ask ok a1 epoch=3
        2500 a ask g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=4
          a: ask ok a1 epoch=-1
        3000 a delete g
          log: g target deleted
          log: g group deleted
          a: delete g ok
        3500 -
        ",
    );
}
