//! Streams groups (KIP-1071) whose members, topics or protocol change.

use crate::support::check;

#[test]
fn other_calls_meet_a_streams_group() {
    check(
        "
        0 topics new in=2
        500 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1000 b describe g
          b: describe GROUP_ID_NOT_FOUND g 'Group g is not a classic group.' Dead -/- []
        1500 b delete g
          b: delete g NON_EMPTY_GROUP
        2000 b forget g at=in:0
          b: forget ok in:0 GROUP_SUBSCRIBED_TO_TOPIC
        2500 b see nope
          b: see GROUP_ID_NOT_FOUND nope 'Group nope not found.'
        3000 b show g
          b: show GROUP_ID_NOT_FOUND g 'Group g is not a consumer group.'
        3500 b sync g
          b: sync UNKNOWN_MEMBER_ID
        4000 b beat g
          b: beat UNKNOWN_MEMBER_ID
        4500 b leave g
          b: leave ok - UNKNOWN_MEMBER_ID
        5000 a stream g epoch=1
          a: stream FENCED_MEMBER_EPOCH 'The streams group member has a smaller member epoch (1) than the one known by the group coordinator (2). The member must abandon all its partitions and rejoin.'
        5500 b stream g epoch=5
          b: stream UNKNOWN_MEMBER_ID 'Member b-id is not a member of group g.'
        6000 a stream g epoch=0
          a: stream ok a1 epoch=2 [0:0,1]
        6500 b ask h topics=in
          log: h b1 says in r=20000
          log: h group epoch=2 hash
          log: h b1 target [in:0,1]
          log: h target epoch=2 at=6500
          log: h b1 has epoch=0>2 stable [in:0,1]
          b: ask ok b1 epoch=2 [in:0,1]
        7000 b stream h
          b: stream GROUP_ID_NOT_FOUND 'Group h is not a streams group.'
        7500 b see h
          b: see GROUP_ID_NOT_FOUND h 'Group h is not a streams group.'
        8000 c join k
          c: join MEMBER_ID_REQUIRED member=c1
          log: k v3 gen=0 -/null leader=null since=8000 []
        8500 d stream k
          log: k deleted
          log: k d1 says p=d top=0 r=20000
          log: k topology 0 of 0
          log: k streams epoch=2 valid=0 hash num.standby.replicas=0
          log: k d1 target [0:0,1]
          log: k target epoch=2 at=8500
          log: k d1 has epoch=0>2 stable [0:0,1]
          d: stream ok d1 epoch=2 [0:0,1]
        9000 d see k
          d: see ok k Stable 2/2 {d1@2 d [0:0,1] of [0:0,1]}
        9500 -
        ",
    );
}

#[test]
fn members_come_back_and_bring_what_they_have() {
    check(
        "
        0 topics new in=4
        500 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1,2,3]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [0:0,1,2,3]
          a: stream ok a1 epoch=2 [0:0,1,2,3]
        1000 b stream g
          log: g b1 says p=b top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g b1 target [0:2,3]
          log: g target epoch=3 at=1000
          log: g b1 has epoch=0>3 unreleased []
          b: stream ok b1 epoch=3 []
        1500 c stream g p=a
          log: g c1 says p=a top=0 r=20000
          log: g streams epoch=4 valid=0 hash num.standby.replicas=0
          log: g b1 target [0:2]
          log: g c1 target [0:3]
          log: g target epoch=4 at=1500
          log: g c1 has epoch=0>4 unreleased []
          c: stream ok c1 epoch=4 []
        2000 a stream g has=0:0,0:1,0:2,0:3
          log: g a1 has epoch=2>2 unrevoked [0:0,1] revoking [0:2,3]
          a: stream ok a1 epoch=2 [0:0,1]
        2500 a stream g epoch=0
          log: g a1 has epoch=2>4 stable [0:0,1]
          a: stream ok a1 epoch=4 [0:0,1]
        3000 a stream g has=0:0
          a: stream ok a1 epoch=4
        3500 b stream g has=0:1
          log: g b1 has epoch=3>4 stable [0:2]
          b: stream ok b1 epoch=4 [0:2]
        4000 c stream g has=0:2
          log: g c1 has epoch=4>4 stable [0:3]
          c: stream ok c1 epoch=4 [0:3]
        4500 a stream g has=0:0 epoch=1
          a: stream FENCED_MEMBER_EPOCH 'The streams group member has a smaller member epoch (1) than the one known by the group coordinator (4). The member must abandon all its partitions and rejoin.'
        5000 b stream g
          b: stream ok b1 epoch=4
        5500 c stream g
          c: stream ok c1 epoch=4
        6000 -
        ",
    );
}

#[test]
fn topics_grow_and_go() {
    check(
        "
        0 topics new in=2
        500 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1000 topics grow in=3
        1500 a stream g
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1,2]
          log: g target epoch=3 at=1500
          log: g a1 has epoch=2>3 stable [0:0,1,2]
          a: stream ok a1 epoch=3 [0:0,1,2]
        2000 b stream g epoch=-2
          b: stream INVALID_REQUEST 'InstanceId can't be null.'
        2500 topics drop in=3
        3000 a stream g
          log: g streams epoch=4 valid=-1 num.standby.replicas=0
          log: g a1 target []
          log: g target epoch=4 at=3000
          log: g a1 has epoch=3>3 unrevoked [] revoking [0:0,1,2]
          a: stream ok a1 epoch=3 [] !1 Source topics in are missing.
        3500 b see g
          b: see ok g NotReady 4/4 {a1@3 a [] of []}
        4000 a stream g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g streams epoch=5 valid=-1 num.standby.replicas=0
          a: stream ok a1 epoch=-1
        4500 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g streams epoch=6 valid=-1 num.standby.replicas=0
          log: g a1 target []
          log: g target epoch=6 at=4500
          log: g a1 has epoch=0>6 stable []
          a: stream ok a1 epoch=6 [] !1 Source topics in are missing.
        5000 -
        ",
    );
}

#[test]
fn a_classic_group_takes_the_place_of_an_empty_one() {
    check(
        "
        0 topics new in=2
        500 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=500
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1000 a stream g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          a: stream ok a1 epoch=-1
        1500 a join g m=
          a: join MEMBER_ID_REQUIRED member=a2
          log: g target deleted
          log: g streams deleted
          log: g topology deleted
          log: g v3 gen=0 -/null leader=null since=1500 []
        2000 a see g
          a: see GROUP_ID_NOT_FOUND g 'Group g is not a streams group.'
        2500 -
        ",
    );
}
