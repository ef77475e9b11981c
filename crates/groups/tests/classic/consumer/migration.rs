//! Between the classic protocol and the consumer protocol, and members of both in one group.

use klamm_config::Migration;

use crate::support::{check, check_with, settings};

#[test]
fn a_classic_group_is_taken_over_and_goes_back() {
    check(
        "
        0 topics new t=4
        1000 a join g v=3 sub=t
          log: g v3 gen=0 -/null leader=null since=1000 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:17 bytes]
        1500 a sync g assign=a1:t/0/1/2/3
          log: g v3 gen=1 consumer/range leader=a1 since=1000 [a1:<t:0,1,2,3>]
          a: sync ok consumer/range <t:0,1,2,3>
        2000 b ask g topics=t
          log: g deleted
          log: g a1 says t r=20000 classic s=10000 p=range
          log: g group epoch=1
          log: g a1 target [t:0,1,2,3]
          log: g target epoch=1 at=0
          log: g a1 has epoch=1>1 stable [t:0,1,2,3]
          log: g b1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g b1 target [t:2,3]
          log: g target epoch=2 at=2000
          log: g b1 has epoch=0>2 unreleased []
          b: ask ok b1 epoch=2 []
        2500 a show g
          a: show ok g Reconciling 2/2 uniform {a1@1 classic t [t:0,1,2,3] of [t:0,1], b1@2 consumer t [] of [t:2,3]}
        3000 a beat g
          a: beat REBALANCE_IN_PROGRESS
        3500 a join g sub=t
          log: g a1 has epoch=1>2 stable [t:0,1]
          a: join ok gen=2 consumer/range member=a1 leader=- []
        4000 a sync g
          a: sync ok consumer/range <t:0,1>
        4500 b ask g
          log: g b1 has epoch=2>2 stable [t:2,3]
          b: ask ok b1 epoch=2 [t:2,3]
        5000 a show g
          a: show ok g Stable 2/2 uniform {a1@2 classic t [t:0,1] of [t:0,1], b1@2 consumer t [t:2,3] of [t:2,3]}
        5500 a beat g
          a: beat ok
        6000 b ask g epoch=-1
          log: g b1 has deleted
          log: g b1 target deleted
          log: g b1 says deleted
          log: g a1 has deleted
          log: g a1 target deleted
          log: g target deleted
          log: g a1 says deleted
          log: g group deleted
          log: g v3 gen=2 consumer/range leader=a1 since=6000 [a1:<t:0,1>]
          b: ask ok b1 epoch=-1
        6500 a describe g
          a: describe ok g PreparingRebalance consumer/- [a1 a@/127.0.0.1 - <t:0,1>]
        7000 a beat g
          a: beat REBALANCE_IN_PROGRESS
        7500 a join g sub=t
          a: join ok gen=3 consumer/range member=a1 leader=a1 [a1:17 bytes]
        8000 a sync g assign=a1:t/0/1/2/3
          log: g v3 gen=3 consumer/range leader=a1 since=7500 [a1:<t:0,1,2,3>]
          a: sync ok consumer/range <t:0,1,2,3>
        8500 -
        ",
    );
}

#[test]
fn a_classic_member_joins_a_consumer_group() {
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
        1500 b join g sub=t
          b: join MEMBER_ID_REQUIRED member=b1
        2000 b join g sub=t
          log: g b1 says t r=20000 classic s=10000 p=range
          log: g group epoch=3 hash
          log: g b1 target [t:2,3]
          log: g a1 target [t:0,1]
          log: g target epoch=3 at=2000
          log: g b1 has epoch=0>3 unreleased []
          b: join ok gen=3 consumer/range member=b1 leader=- []
        2500 b sync g
          b: sync ok consumer/range <>
        3000 a ask g has=t:0,t:1
          log: g a1 has epoch=2>3 stable [t:0,1]
          a: ask ok a1 epoch=3 [t:0,1]
        3500 b beat g
          b: beat REBALANCE_IN_PROGRESS
        4000 b join g sub=t
          log: g b1 has epoch=3>3 stable [t:2,3]
          b: join ok gen=3 consumer/range member=b1 leader=- []
        4500 b sync g
          b: sync ok consumer/range <t:2,3>
        5000 b beat g
          b: beat ok
        5500 a show g
          a: show ok g Stable 3/3 uniform {a1@3 consumer t [t:0,1] of [t:0,1], b1@3 classic t [t:2,3] of [t:2,3]}
        6000 b commit g at=t:2=1
          log: g t:2 v4 offset=1 at=6000
          b: commit t:2 ok
        6500 b commit g at=t:2=1 gen=1
          b: commit t:2 ILLEGAL_GENERATION
        7000 b leave g
          log: g b1 has deleted
          log: g b1 target deleted
          log: g b1 says deleted
          log: g group epoch=4 hash
          b: leave ok b1 ok
        7500 a show g
          a: show ok g Assigning 3/4 uniform {a1@3 consumer t [t:0,1] of [t:0,1]}
        8000 c join g type=connect
          c: join INCONSISTENT_GROUP_PROTOCOL member=-
        8500 c join g p= sub=t
          c: join INCONSISTENT_GROUP_PROTOCOL member=-
        9000 a leave g
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g group epoch=5
          a: leave ok a1 ok
        9500 a show g
          a: show ok g Empty 3/5 uniform {}
        10000 b join g sub=t
          b: join UNKNOWN_MEMBER_ID member=b1
        10500 b describe g
          b: describe GROUP_ID_NOT_FOUND g 'Group g is not a classic group.' Dead -/- []
        11000 -
        ",
    );
}

#[test]
fn a_static_member_goes_back_to_the_classic_protocol() {
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
        1500 b join g sub=t i=x
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g b1 says t i=x r=20000
          log: g b1 target [t:0,1]
          log: g b1 has epoch=0>0 stable [t:0,1]
          log: g b1 says t i=x r=20000 classic s=10000 p=range
          log: g b1 has epoch=0>2 stable [t:0,1]
          log: g b1 has deleted
          log: g b1 target deleted
          log: g target deleted
          log: g b1 says deleted
          log: g group deleted
          log: g v3 gen=2 consumer/range leader=b1 since=1500 [b1/x:<t:0,1>]
          b: join ok gen=2 consumer/range member=b1 leader=- []
        2000 b describe g
          b: describe ok g Stable consumer/range [b1/x b@/127.0.0.1 17 bytes <t:0,1>]
        2500 b sync g
          b: sync ok consumer/range <t:0,1>
        3000 a ask g i=x
          a: ask GROUP_ID_NOT_FOUND
        3500 -
        ",
    );
}

#[test]
fn a_rebalancing_classic_group_is_taken_over() {
    check_with(
        settings(),
        "
        0 topics new t=4
        1000 a join g v=3 sub=t
          log: g v3 gen=0 -/null leader=null since=1000 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:17 bytes]
        1500 a sync g assign=a1:t/0/1/2/3
          log: g v3 gen=1 consumer/range leader=a1 since=1000 [a1:<t:0,1,2,3>]
          a: sync ok consumer/range <t:0,1,2,3>
        2000 b join g v=3 sub=t
        2500 c ask g topics=t
          b: join REBALANCE_IN_PROGRESS member=b1
          log: g deleted
          log: g a1 says t r=20000 classic s=10000 p=range
          log: g b1 says t r=20000 classic s=10000 p=range
          log: g group epoch=1
          log: g a1 target [t:0,1,2,3]
          log: g b1 target []
          log: g target epoch=1 at=0
          log: g a1 has epoch=1>1 stable [t:0,1,2,3]
          log: g b1 has epoch=1>1 stable []
          log: g c1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g b1 target [t:2]
          log: g c1 target [t:3]
          log: g target epoch=2 at=2500
          log: g c1 has epoch=0>2 unreleased []
          c: ask ok c1 epoch=2 []
        3000 c show g
          c: show ok g Reconciling 2/2 uniform {a1@1 classic t [t:0,1,2,3] of [t:0,1], b1@1 classic t [] of [t:2], c1@2 consumer t [] of [t:3]}
        3500 a beat g
          a: beat REBALANCE_IN_PROGRESS
        4000 a join g v=3 sub=t
          log: g a1 has epoch=1>2 stable [t:0,1]
          a: join ok gen=2 null/range member=a1 leader=- []
        4500 a sync g
          a: sync ok consumer/range <t:0,1>
        5000 b join g v=3 sub=t
          log: g b1 has epoch=1>2 stable [t:2]
          b: join ok gen=2 null/range member=b1 leader=- []
        5500 b sync g
          b: sync ok consumer/range <t:2>
        6000 c ask g
          log: g c1 has epoch=2>2 stable [t:3]
          c: ask ok c1 epoch=2 [t:3]
        6500 c show g
          c: show ok g Stable 2/2 uniform {a1@2 classic t [t:0,1] of [t:0,1], b1@2 classic t [t:2] of [t:2], c1@2 consumer t [t:3] of [t:3]}
        7000 a beat g
          a: beat ok
        7500 -
        ",
    );
}

#[test]
fn without_the_policy_a_group_keeps_its_protocol() {
    let mut settings = settings();
    settings.consumer.migration = Migration::named("downgrade");
    check_with(
        settings.clone(),
        "
        0 topics new t=2
        500 a join g v=3 sub=t
          log: g v3 gen=0 -/null leader=null since=500 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:17 bytes]
        1000 b ask g topics=t
          b: ask GROUP_ID_NOT_FOUND
        1500 c ask g
          c: ask INVALID_REQUEST
        2000 -
        ",
    );
    settings.consumer.migration = Migration::named("DISABLED");
    check_with(
        settings,
        "
        0 topics new t=2
        500 a ask g topics=t
          log: g a1 says t r=20000
          log: g group epoch=2 hash
          log: g a1 target [t:0,1]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [t:0,1]
          a: ask ok a1 epoch=2 [t:0,1]
        1000 b join g v=3 sub=t
          b: join INCONSISTENT_GROUP_PROTOCOL member=-
        1500 -
        ",
    );
}

#[test]
fn a_group_that_does_not_speak_the_consumer_protocol_stays_classic() {
    check(
        "
        0 a join g v=3 type=connect
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        500 b ask g topics=t
          b: ask GROUP_ID_NOT_FOUND
        1000 -
        ",
    );
}
