//! Streams groups (KIP-1071).

use klamm_config::StreamsGroupSettings;
use klamm_groups::Settings;

use crate::support::{check, check_configured, settings};

#[test]
fn a_member_gets_all_tasks_and_leaves_an_empty_group() {
    check(
        "
        0 topics new in=2
        1000 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1500 a stream g
          a: stream ok a1 epoch=2
        2000 a see g
          a: see ok g Stable 2/2 {a1@2 a [0:0,1] of [0:0,1]}
        2500 a list g
          a: list [g streams Stable streams]
        3000 a stream g epoch=-1
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          a: stream ok a1 epoch=-1
        3500 a see g
          a: see ok g Empty 2/3 {}
        4000 a delete g
          log: g target deleted
          log: g streams deleted
          log: g topology deleted
          a: delete g ok
        4500 a see g
          a: see GROUP_ID_NOT_FOUND g 'Group g not found.'
        5000 -
        ",
    );
}

#[test]
fn tasks_move_when_they_are_given_up() {
    check(
        "
        0 topics new in=2
        1000 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1500 b stream g
          log: g b1 says p=b top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0]
          log: g b1 target [0:1]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased []
          b: stream ok b1 epoch=3 []
        2000 a see g
          a: see ok g Reconciling 3/3 {a1@2 a [0:0,1] of [0:0], b1@3 b [] of [0:1]}
        2500 a stream g has=0:0,0:1
          log: g a1 has epoch=2>2 unrevoked [0:0] revoking [0:1]
          a: stream ok a1 epoch=2 [0:0]
        3000 b stream g has=
          log: g b1 has epoch=3>3 unreleased []
          b: stream ok b1 epoch=3
        3500 a stream g has=0:0
          log: g a1 has epoch=2>3 stable [0:0]
          a: stream ok a1 epoch=3
        4000 b stream g
          log: g b1 has epoch=3>3 stable [0:1]
          b: stream ok b1 epoch=3 [0:1]
        4500 a see g
          a: see ok g Stable 3/3 {a1@3 a [0:0] of [0:0], b1@3 b [0:1] of [0:1]}
        5000 -
        ",
    );
}

#[test]
fn internal_topics_are_asked_for() {
    check(
        "
        0 topics new in=3
        1000 a stream g top=count
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0,1
          log: g streams epoch=2 valid=-1 hash num.standby.replicas=0
          log: g a1 target []
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable []
          a: stream ok a1 epoch=2 [] !3 Internal topics are missing: rep, store
        1500 a see g
          a: see ok g NotReady 2/2 rep=0 store=0 {a1@2 a [] of []}
        2000 topics new rep=3,store=3
        2500 a stream g
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1,2 1:0,1,2]
          log: g target epoch=3 at=2500
          log: g a1 has epoch=2>3 stable [0:0,1,2 1:0,1,2]
          a: stream ok a1 epoch=3 [0:0,1,2 1:0,1,2]
        3000 a see g
          a: see ok g Stable 3/3 rep=3 store=3 {a1@3 a [0:0,1,2 1:0,1,2] of [0:0,1,2 1:0,1,2]}
        3500 -
        ",
    );
}

#[test]
fn topics_must_be_there_and_fit() {
    check(
        "
        1000 a stream g top=join
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=-1 num.standby.replicas=0
          log: g a1 target []
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable []
          a: stream ok a1 epoch=2 [] !1 Source topics in, side are missing.
        1500 topics new in=2,side=3
        2000 a stream g
          log: g streams epoch=3 valid=-1 hash num.standby.replicas=0
          log: g target epoch=3 at=2000
          log: g a1 has epoch=2>3 stable []
          a: stream ok a1 epoch=3 !2 Following topics do not have the same number of partitions: [{in=2, side=3}]
        2500 a see g
          a: see ok g NotReady 3/3 {a1@3 a [] of []}
        3000 topics grow in=3
        3500 a stream g
          log: g streams epoch=4 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1,2]
          log: g target epoch=4 at=3500
          log: g a1 has epoch=3>4 stable [0:0,1,2]
          a: stream ok a1 epoch=4 [0:0,1,2]
        4000 -
        ",
    );
}

#[test]
fn standby_tasks_go_to_other_processes() {
    let streams = StreamsGroupSettings { num_standby_replicas: 1, ..settings().streams };
    check_configured(
        Settings { streams, ..settings() },
        &[("streams.num.standby.replicas", "1")],
        "
        0 topics new in=2,rep=2,store=2
        1000 a stream g top=count p=x
          log: g a1 says p=x top=0 r=20000
          log: g topology 0 of 0,1
          log: g streams epoch=2 valid=0 hash num.standby.replicas=1
          log: g a1 target [0:0,1 1:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1 1:0,1]
          a: stream ok a1 epoch=2 [0:0,1 1:0,1]
        1500 b stream g top=count p=y
          log: g b1 says p=y top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=1
          log: g a1 target [0:0 1:0] copies [1:1]
          log: g b1 target [0:1 1:1] copies [1:0]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased [] copies [1:0]
          b: stream ok b1 epoch=3 [] copies [1:0]
        2000 a stream g has=0:0,0:1,1:0,1:1
          log: g a1 has epoch=2>2 unrevoked [0:0 1:0] revoking [0:1 1:1]
          a: stream ok a1 epoch=2 [0:0 1:0]
        2500 a stream g has=0:0,1:0
          log: g a1 has epoch=2>3 unreleased [0:0 1:0]
          a: stream ok a1 epoch=3
        3000 b stream g
          log: g b1 has epoch=3>3 stable [0:1 1:1] copies [1:0]
          b: stream ok b1 epoch=3 [0:1 1:1] copies [1:0]
        3500 a stream g
          log: g a1 has epoch=3>3 stable [0:0 1:0] copies [1:1]
          a: stream ok a1 epoch=3 [0:0 1:0] copies [1:1]
        4000 b stream g
          b: stream ok b1 epoch=3
        4500 a see g
          a: see ok g Stable 3/3 rep=2 store=2 {a1@3 x [0:0 1:0] copies [1:1] of [0:0 1:0] copies [1:1], b1@3 y [0:1 1:1] copies [1:0] of [0:1 1:1] copies [1:0]}
        5000 -
        ",
    );
}

#[test]
fn a_new_group_waits_for_more_members() {
    let streams = StreamsGroupSettings { initial_rebalance_delay_ms: 3_000, ..settings().streams };
    check_configured(
        Settings { streams, ..settings() },
        &[("streams.initial.rebalance.delay.ms", "3000")],
        "
        0 topics new in=2
        1000 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 has epoch=0>1 stable []
          a: stream ok a1 epoch=1 [] !5 Assignment delayed due to the configured initial rebalance delay.
        1500 b stream g
          log: g b1 says p=b top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g b1 has epoch=0>1 stable []
          b: stream ok b1 epoch=1 [] !5 Assignment delayed due to the configured initial rebalance delay.
          log: g a1 target [0:0]
          log: g b1 target [0:1]
          log: g target epoch=3 at=4000
        4500 a stream g
          log: g a1 has epoch=1>3 stable [0:0]
          a: stream ok a1 epoch=3 [0:0]
        5000 b stream g
          log: g b1 has epoch=1>3 stable [0:1]
          b: stream ok b1 epoch=3 [0:1]
        5500 -
        ",
    );
}

#[test]
fn who_is_silent_or_slow_is_fenced() {
    check(
        "
        0 topics new in=2
        1000 a stream g r=5000
          log: g a1 says p=a top=0 r=5000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1500 b stream g
          log: g b1 says p=b top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0]
          log: g b1 target [0:1]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased []
          b: stream ok b1 epoch=3 []
        2000 a stream g has=0:0,0:1
          log: g a1 has epoch=2>2 unrevoked [0:0] revoking [0:1]
          a: stream ok a1 epoch=2 [0:0]
          log: g a1 has deleted
          log: g a1 target deleted
          log: g a1 says deleted
          log: g streams epoch=4 valid=0 hash num.standby.replicas=0
        8000 b stream g
          log: g b1 target [0:0,1]
          log: g target epoch=4 at=8000
          log: g b1 has epoch=3>4 stable [0:0,1]
          b: stream ok b1 epoch=4 [0:0,1]
          log: g b1 has deleted
          log: g b1 target deleted
          log: g b1 says deleted
          log: g streams epoch=5 valid=0 hash num.standby.replicas=0
        60000 c see g
          c: see ok g Empty 4/5 {}
        60500 -
        ",
    );
}

#[test]
fn a_group_is_what_its_records_say() {
    check(
        "
        0 topics new in=2
        1000 a stream g at=h
          log: g a1 says p=a top=0 r=20000 at=h:80
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1] h=[in:0,1]
        1500 b stream g
          log: g b1 says p=b top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0]
          log: g b1 target [0:1]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased []
          b: stream ok b1 epoch=3 [] h=[in:0,1]
        2000 restart
        2500 a see g
          a: see ok g Reconciling 3/3 {a1@2 a [0:0,1] of [0:0], b1@3 b [] of [0:1]}
        3000 a stream g has=0:0,0:1
          log: g a1 has epoch=2>2 unrevoked [0:0] revoking [0:1]
          a: stream ok a1 epoch=2 [0:0] h=[in:0]
        3500 -
        ",
    );
}

#[test]
fn requests_that_cannot_be_are_refused() {
    check(
        "
        0 topics new in=2
        500 a stream g epoch=3
          a: stream GROUP_ID_NOT_FOUND 'Streams group g not found.'
        1000 a stream g i=x
          a: stream INVALID_REQUEST 'Static membership is not yet supported.'
        1500 a stream g r=-1
          a: stream INVALID_REQUEST 'RebalanceTimeoutMs must be provided in first request.'
        2000 a stream g top=none
          a: stream INVALID_REQUEST 'Topology must be non-null when (re-)joining.'
        2500 a stream g top=sized
          a: stream STREAMS_INVALID_TOPOLOGY 'Changelog topic store must have an undefined partition count, but it is set to 2.'
        3000 a stream g top=loop
          a: stream STREAMS_INVALID_TOPOLOGY 'Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.'
        3500 a stream g epoch=-3
          a: stream INVALID_REQUEST 'MemberEpoch is -3, but must be greater than or equal to -2.'
        4000 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=4000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        4500 a stream g epoch=9
          a: stream FENCED_MEMBER_EPOCH 'The streams group member has a greater member epoch (9) than the one known by the group coordinator (2). The member must abandon all its partitions and rejoin.'
        5000 a stream g has=7:0
          a: stream INVALID_REQUEST 'Subtopology 7 does not exist in the topology.'
        5500 a stream g has=0:5
          a: stream INVALID_REQUEST 'Task 5 for subtopology 0 is invalid. Number of tasks for this subtopology: 2'
        6000 a stream g warm=0:0 has=0:0
          a: stream INVALID_REQUEST 'WarmupTasks are not supported yet.'
        6500 a ask g topics=in
          a: ask GROUP_ID_NOT_FOUND
        7000 a join g
          a: join INCONSISTENT_GROUP_PROTOCOL member=-
        7500 b stream g top=count
          b: stream INVALID_REQUEST 'Topology updates are not supported yet.'
        8000 -
        ",
    );
}

#[test]
fn the_whole_application_is_shut_down() {
    check(
        "
        0 topics new in=2
        1000 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1500 b stream g
          log: g b1 says p=b top=0 r=20000
          log: g streams epoch=3 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0]
          log: g b1 target [0:1]
          log: g target epoch=3 at=1500
          log: g b1 has epoch=0>3 unreleased []
          b: stream ok b1 epoch=3 []
        2000 a stream g shutdown=1
          log: g a1 has epoch=2>2 unrevoked [0:0] revoking [0:1]
          a: stream ok a1 epoch=2 [0:0] !4 Streams group member a-id encountered a fatal error and requested a shutdown for the entire application.
        2500 b stream g
          log: g b1 has epoch=3>3 unreleased []
          b: stream ok b1 epoch=3 !4 Streams group member a-id encountered a fatal error and requested a shutdown for the entire application.
        3000 -
        ",
    );
}

#[test]
fn members_commit_for_their_tasks() {
    check(
        "
        0 topics new in=2
        1000 a stream g
          log: g a1 says p=a top=0 r=20000
          log: g topology 0 of 0
          log: g streams epoch=2 valid=0 hash num.standby.replicas=0
          log: g a1 target [0:0,1]
          log: g target epoch=2 at=1000
          log: g a1 has epoch=0>2 stable [0:0,1]
          a: stream ok a1 epoch=2 [0:0,1]
        1500 a commit g at=in:0=5
          log: g in:0 v4 offset=5 at=1500
          a: commit in:0 ok
        2000 a commit g at=in:0=6 gen=9
          a: commit in:0 STALE_MEMBER_EPOCH
        2500 b commit g at=in:0=7
          b: commit in:0 UNKNOWN_MEMBER_ID
        3000 a fetch g at=in:0
          a: fetch ok [in:0=5]
        3500 -
        ",
    );
}
