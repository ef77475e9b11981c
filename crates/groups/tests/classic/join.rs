//! JoinGroup.

use klamm_groups::Settings;

use crate::support::{check, check_with, settings};

#[test]
fn a_dynamic_member_is_given_an_id_and_joins_with_it() {
    check(
        "
        0 a join g
          a: join MEMBER_ID_REQUIRED member=a1
          log: g v3 gen=0 -/null leader=null since=0 []
        300 a join g
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1:range]
        600 a sync g assign=a1:work
          log: g v3 gen=1 consumer/range leader=a1 since=300 [a1:work]
          a: sync ok consumer/range work
        900 a beat g
          a: beat ok
        1200 -
        ",
    );
}

#[test]
fn before_version_4_a_member_joins_at_once() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g v=2 assign=a1:work
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:work]
          a: sync ok null/null work
        600 a beat g v=1
          a: beat ok
        900 -
        ",
    );
}

#[test]
fn in_version_0_the_session_timeout_is_the_rebalance_timeout() {
    check_with(
        settings(),
        "
        0 a join g v=0 s=1000 r=99999
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g v=0 assign=a1:work
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:work]
          a: sync ok null/null work
        400 a beat g v=0
          a: beat ok
        600 b join g v=0 s=1000 r=99999
        1350 -
          b: join ok gen=2 null/range member=b1 leader=b1 [b1:range]
        1450 b beat g v=0
          b: beat ok
        1600 -
        ",
    );
}

#[test]
fn a_second_member_makes_the_first_rejoin() {
    check(
        "
        0 a join g
          a: join MEMBER_ID_REQUIRED member=a1
          log: g v3 gen=0 -/null leader=null since=0 []
        300 a join g
          a: join ok gen=1 consumer/range member=a1 leader=a1 [a1:range]
        600 a sync g assign=a1:all
          log: g v3 gen=1 consumer/range leader=a1 since=300 [a1:all]
          a: sync ok consumer/range all
        900 b join g
          b: join MEMBER_ID_REQUIRED member=b1
        1200 b join g
        1500 a beat g
          a: beat REBALANCE_IN_PROGRESS
        1800 a join g
          a: join ok gen=2 consumer/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 consumer/range member=b1 leader=a1 []
        2100 b sync g
        2400 a sync g assign=a1:half,b1:rest
          log: g v3 gen=2 consumer/range leader=a1 since=1800 [a1:half b1:rest]
          a: sync ok consumer/range half
          b: sync ok consumer/range rest
        2700 b beat g
          b: beat ok
        3000 -
        ",
    );
}

#[test]
fn what_is_not_a_join_is_refused() {
    check(
        "
        0 a join '' m=some
          a: join INVALID_GROUP_ID member=a1
        200 a join g s=50 m=some
          a: join INVALID_SESSION_TIMEOUT member=a1
        400 a join g s=60001 m=some s=2000000
          a: join INVALID_SESSION_TIMEOUT member=a1
        600 a join g m=some
          a: join UNKNOWN_MEMBER_ID member=a1
        800 a join h p= m=?
          a: join INCONSISTENT_GROUP_PROTOCOL member=-
          log: h v3 gen=0 -/null leader=null since=800 []
        1000 a join h type= m=?
          a: join INCONSISTENT_GROUP_PROTOCOL member=-
        1200 a join h m=? v=3
          a: join ok gen=1 null/range member=a2 leader=a2 [a2:range]
        1400 b join h m=nobody
          b: join UNKNOWN_MEMBER_ID member=b1
        1600 b join h type=connect m=?
          b: join INCONSISTENT_GROUP_PROTOCOL member=-
        1800 b join h p=other m=?
          b: join INCONSISTENT_GROUP_PROTOCOL member=-
        2000 b join h i=x m=nobody
          b: join UNKNOWN_MEMBER_ID member=b1
        2200 -
        ",
    );
}

#[test]
fn the_protocol_is_one_that_all_support_by_their_votes() {
    check(
        "
        0 a join g v=3 p=range,rr,sticky
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3 p=rr,sticky
        600 c join g v=3 p=sticky,rr,other
        900 a join g v=3 p=range,rr,sticky
          a: join ok gen=2 null/rr member=a1 leader=a1 [a1:rr b1:rr c1:rr]
          b: join ok gen=2 null/rr member=b1 leader=a1 []
          c: join ok gen=2 null/rr member=c1 leader=a1 []
        1200 -
        ",
    );
}

#[test]
fn between_equal_votes_it_is_the_one_kafka_takes() {
    check(
        "
        0 a join g v=3 p=range,roundrobin
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3 p=roundrobin,range
        600 a join g v=3 p=range,roundrobin
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 a join h v=3 p=sticky,cooperative-sticky
          a: join UNKNOWN_MEMBER_ID member=a1
        1200 b join h v=3 p=cooperative-sticky,sticky
          b: join UNKNOWN_MEMBER_ID member=b1
        1500 a join h v=3 p=sticky,cooperative-sticky
          a: join UNKNOWN_MEMBER_ID member=a1
        1800 a join i v=3 p=uniform,range
          a: join UNKNOWN_MEMBER_ID member=a1
        2100 b join i v=3 p=range,uniform
          b: join UNKNOWN_MEMBER_ID member=b1
        2400 a join i v=3 p=uniform,range
          a: join UNKNOWN_MEMBER_ID member=a1
        2700 -
        ",
    );
}

#[test]
fn a_follower_that_comes_back_unchanged_disturbs_nobody() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3
        600 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 b join g v=3
          b: join ok gen=2 null/range member=b1 leader=a1 []
        1200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
        1500 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=600 [a1:x b1:y]
          a: sync ok consumer/range x
        1800 b sync g
          b: sync ok consumer/range y
        2100 b join g v=3
          b: join ok gen=2 null/range member=b1 leader=a1 []
        2400 b join g v=3 meta=new
        2700 a beat g
          a: beat REBALANCE_IN_PROGRESS
        3000 -
        ",
    );
}

#[test]
fn a_leader_that_comes_back_makes_the_group_rebalance() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range]
        900 -
        ",
    );
}

#[test]
fn changed_metadata_during_the_sync_phase_begins_anew() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 b join g v=3
        600 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        900 b sync g
        1200 a join g v=3 meta=new
          b: sync REBALANCE_IN_PROGRESS
        1500 b join g v=3
          a: join ok gen=3 null/range member=a1 leader=a1 [a1:new b1:range]
          b: join ok gen=3 null/range member=b1 leader=a1 []
        1800 -
        ",
    );
}

#[test]
fn a_member_that_does_not_rejoin_in_time_is_out() {
    check(
        "
        0 a join g v=3 r=1000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 b join g v=3 r=1000
        1200 a beat g
          a: beat REBALANCE_IN_PROGRESS
          b: join ok gen=2 null/range member=b1 leader=b1 [b1:range]
        1700 -
        2000 a beat g
          a: beat UNKNOWN_MEMBER_ID
        2300 a join g v=3
          a: join UNKNOWN_MEMBER_ID member=a1
        2600 -
        ",
    );
}

#[test]
fn a_leader_that_does_not_rejoin_is_succeeded() {
    check(
        "
        0 a join g v=3 r=700
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 b join g v=3 r=700
          b: join ok gen=2 null/range member=b1 leader=b1 [b1:range]
        1500 b sync g assign=b1:y
          log: g v3 gen=2 consumer/range leader=b1 since=1300 [b1:y]
          b: sync ok consumer/range y
        1800 a sync g assign=a1:z
          a: sync UNKNOWN_MEMBER_ID
        2100 -
        ",
    );
}

#[test]
fn an_id_that_is_never_used_is_forgotten_after_its_session() {
    check(
        "
        0 a join g s=500
          a: join MEMBER_ID_REQUIRED member=a1
          log: g v3 gen=0 -/null leader=null since=0 []
        1000 a join g s=500
          a: join UNKNOWN_MEMBER_ID member=a1
        1300 -
        ",
    );
}

#[test]
fn a_pending_id_holds_up_a_rebalance_until_it_joins_or_is_forgotten() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        600 b join g s=1000
          b: join MEMBER_ID_REQUIRED member=b1
        900 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range]
        1700 -
        ",
    );
}

#[test]
fn a_pending_id_cannot_become_static() {
    check(
        "
        0 a join g
          a: join MEMBER_ID_REQUIRED member=a1
          log: g v3 gen=0 -/null leader=null since=0 []
        300 a join g i=x
          a: join UNKNOWN_SERVER_ERROR member=-
        600 -
        ",
    );
}

#[test]
fn a_join_sent_twice_is_answered_twice() {
    check_with(
        settings(),
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 b join g v=3
        200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        300 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=200 [a1:x b1:y]
          a: sync ok consumer/range x
        400 a join g v=3
        500 a join g v=3
          a: join REBALANCE_IN_PROGRESS member=a1
        600 b join g v=3
          a: join ok gen=3 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=3 null/range member=b1 leader=a1 []
        700 -
        ",
    );
}

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let delayed = Settings { initial_rebalance_delay_ms: 3_000, ..settings() };
    check_with(
        delayed.clone(),
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
        2999 -
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        3001 -
        ",
    );
    check_with(
        delayed.clone(),
        "
        0 a join g v=3 r=7000
          log: g v3 gen=0 -/null leader=null since=0 []
        1000 b join g v=3 r=7000
        3001 -
        4000 c join g v=3 r=7000
        6001 -
        6500 d join g v=3 r=7000
        6999 -
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range b1:range c1:range d1:range]
          b: join ok gen=1 null/range member=b1 leader=a1 []
          c: join ok gen=1 null/range member=c1 leader=a1 []
          d: join ok gen=1 null/range member=d1 leader=a1 []
        7001 -
        ",
    );
    check_with(
        delayed,
        "
        0 a join g v=3 r=1000
          log: g v3 gen=0 -/null leader=null since=0 []
        2000 b join g v=3 r=1000
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=1 null/range member=b1 leader=a1 []
        3001 -
        ",
    );
}

#[test]
fn an_initial_rebalance_without_anybody_left_makes_an_empty_generation() {
    let delayed = Settings { initial_rebalance_delay_ms: 3_000, ..settings() };
    check_with(
        delayed,
        "
        0 a join g
          a: join MEMBER_ID_REQUIRED member=a1
          log: g v3 gen=0 -/null leader=null since=0 []
        100 a join g
        200 a leave g
          a: join UNKNOWN_MEMBER_ID member=-
          a: leave ok a1 ok
          log: g v3 gen=1 consumer/null leader=null since=3100 []
        3200 c describe g
          c: describe ok g Empty consumer/- []
        3300 -
        ",
    );
}

#[test]
fn a_new_member_that_is_not_fetched_off_is_given_up_after_five_minutes() {
    let slow = Settings { initial_rebalance_delay_ms: 400_000, ..settings() };
    check_with(
        slow,
        "
        0 a join g v=3 r=900000
          log: g v3 gen=0 -/null leader=null since=0 []
        299999 -
          a: join UNKNOWN_MEMBER_ID member=-
          log: g v3 gen=1 consumer/null leader=null since=300000 []
        300001 -
        ",
    );
}

#[test]
fn a_full_group_takes_nobody() {
    let small = Settings { group_size_max: 2, ..settings() };
    check_with(
        small,
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 b join g v=3
        200 a join g v=3
          a: join ok gen=2 null/range member=a1 leader=a1 [a1:range b1:range]
          b: join ok gen=2 null/range member=b1 leader=a1 []
        300 c join g v=3
          c: join GROUP_MAX_SIZE_REACHED member=-
        400 a sync g assign=a1:x,b1:y
          log: g v3 gen=2 consumer/range leader=a1 since=200 [a1:x b1:y]
          a: sync ok consumer/range x
        500 b sync g
          b: sync ok consumer/range y
        600 c join g v=3
          c: join GROUP_MAX_SIZE_REACHED member=-
        700 a join g v=3
        800 c join g v=3 r=700
        900 b join g v=3
          b: join GROUP_MAX_SIZE_REACHED member=-
        20000 -
        ",
    );
}
