//! OffsetCommit, OffsetFetch and OffsetDelete.

use klamm_groups::Settings;

use crate::support::{check, check_with, settings};

#[test]
fn a_consumer_without_a_group_commits_and_fetches() {
    check(
        "
        0 a commit g at=t:0=5:text,t:1=6,u:0=7 epoch=3
          log: g t:0 v4 offset=5 at=0
          log: g t:1 v4 offset=6 at=0
          log: g u:0 v4 offset=7 at=0
          a: commit t:0 ok t:1 ok u:0 ok
        300 a fetch g at=t:0,t:1,u:0,u:3,v:0
          a: fetch ok [t:0=5@3:text t:1=6@3 u:0=7@3 u:3=-1 v:0=-1]
        600 a fetch g
          a: fetch ok [t:0=5@3:text t:1=6@3 u:0=7@3]
        900 a describe g
          a: describe ok g Empty -/- []
        1200 a list types=classic
          a: list [g - Empty classic]
        1500 a commit g at=t:0=8
          log: g t:0 v4 offset=8 at=1500
          a: commit t:0 ok
        1800 a fetch g at=t:0
          a: fetch ok [t:0=8]
        2100 a fetch nowhere at=t:0
          a: fetch ok [t:0=-1]
        2400 a fetch nowhere
          a: fetch ok []
        2700 a fetch g at=t:0 stable
          a: fetch ok [t:0=8]
        3000 -
        ",
    );
}

#[test]
fn a_member_commits_in_its_generation() {
    check(
        "
        0 a join g v=3
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a commit g at=t:0=1
          a: commit t:0 REBALANCE_IN_PROGRESS
        600 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        900 a commit g at=t:0=2
          log: g t:0 v4 offset=2 at=900
          a: commit t:0 ok
        1200 a commit g at=t:0=3 gen=0
          a: commit t:0 ILLEGAL_GENERATION
        1500 a commit g at=t:0=3 m=other
          a: commit t:0 UNKNOWN_MEMBER_ID
        1800 a commit g at=t:0=3 m=? gen=-1
          a: commit t:0 UNKNOWN_MEMBER_ID
        2100 a commit g at=t:0=3 m=? gen=1
          a: commit t:0 UNKNOWN_MEMBER_ID
        2400 a commit g at=t:0=3 i=x
          a: commit t:0 UNKNOWN_MEMBER_ID
        2700 b join g v=3
        3000 a commit g at=t:0=4
          log: g t:0 v4 offset=4 at=3000
          a: commit t:0 ok
        3300 a fetch g
          a: fetch ok [t:0=4]
        3600 -
        ",
    );
}

#[test]
fn a_group_that_is_not_there_has_no_generations() {
    check(
        "
        0 a commit g at=t:0=1 gen=3 m=x
          a: commit t:0 GROUP_ID_NOT_FOUND
        300 a commit g at=t:0=1 gen=3 m=x v=8
          a: commit t:0 ILLEGAL_GENERATION
        600 a describe g
          a: describe GROUP_ID_NOT_FOUND g 'Group g not found.' Dead -/- []
        900 a commit g at=t:0=1 gen=-1 m=x
          log: g t:0 v4 offset=1 at=900
          a: commit t:0 ok
        1200 a commit g at=t:0=1 gen=0 m=x
          a: commit t:0 UNKNOWN_MEMBER_ID
        1500 a commit g at=t:0=1 gen=0
          a: commit t:0 UNKNOWN_MEMBER_ID
        1800 a commit g at=t:0=2 gen=-1 i=x
          log: g t:0 v4 offset=2 at=1800
          a: commit t:0 ok
        2100 a fetch g
          a: fetch ok [t:0=2]
        2400 -
        ",
    );
}

#[test]
fn a_commit_keeps_the_session() {
    check(
        "
        0 a join g v=3 s=800
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        300 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        800 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=800
          a: commit t:0 ok
        1300 a commit g at=t:0=2
          log: g t:0 v4 offset=2 at=1300
          a: commit t:0 ok
        1800 a beat g
          a: beat ok
        2100 -
        ",
    );
}

#[test]
fn the_text_beside_an_offset_is_limited() {
    let short = Settings { offset_metadata_max: 3, ..settings() };
    check_with(
        short,
        "
        0 a commit g at=t:0=1:four
          a: commit t:0 OFFSET_METADATA_TOO_LARGE
        100 a describe g
          a: describe GROUP_ID_NOT_FOUND g 'Group g not found.' Dead -/- []
        200 a commit g at=t:0=1:four,t:1=2:ool
          log: g t:1 v4 offset=2 at=200
          a: commit t:0 OFFSET_METADATA_TOO_LARGE t:1 ok
        300 a fetch g
          a: fetch ok [t:1=2:ool]
        400 -
        ",
    );
}

#[test]
fn a_retention_of_its_own_is_written_with_the_offset() {
    check_with(
        settings(),
        "
        1000 a commit g v=2 at=t:0=1 retention=5000
          log: g t:0 v1 offset=1 at=1000 expires=6000
          a: commit t:0 ok
        1100 a commit g v=1 at=t:1=1 time=77
          log: g t:1 v4 offset=1 at=77
          a: commit t:1 ok
        1200 a commit g v=0 at=t:2=1
          log: g t:2 v4 offset=1 at=1200
          a: commit t:2 ok
        1250 a commit g v=2 at=t:3=1 retention=9223372036854775807
          log: g t:3 v1 offset=1 at=1250 expires=9223372036854775807
          a: commit t:3 ok
        1300 -
        ",
    );
}

#[test]
fn an_offset_belongs_to_a_topic_and_not_to_its_name() {
    check_with(
        settings(),
        "
        0 a commit g v=10 at=t:0=5 id=7
          log: g t:0 v4 offset=5 at=0
          a: commit t:0 ok
        100 a fetch g v=10 at=t:0 id=7
          a: fetch ok [t:0=5]
        200 a fetch g v=10 at=t:0 id=8
          a: fetch ok [t:0=-1]
        300 a fetch g at=t:0
          a: fetch ok [t:0=5]
        400 a commit g at=t:0=6
          log: g t:0 v4 offset=6 at=400
          a: commit t:0 ok
        500 a fetch g v=10 at=t:0 id=8
          a: fetch ok [t:0=6]
        600 a commit g v=10 at=t:0=7 id=7
          log: g t:0 v4 offset=7 at=600
          a: commit t:0 ok
        700 drop t
        800 a fetch g at=t:0
          a: fetch ok [t:0=7]
        900 a commit g v=10 at=t:0=8 id=1
          log: g t:0 v4 offset=8 at=900
          a: commit t:0 ok
        1000 a commit g at=t:1=9
          log: g t:1 v4 offset=9 at=1000
          a: commit t:1 ok
        1100 drop t
          log: g t:0 deleted
          log: g t:1 deleted
        1200 a fetch g
          a: fetch ok []
        1300 -
        ",
    );
}

#[test]
fn offsets_are_deleted_where_nobody_consumes() {
    check(
        "
        0 a commit g at=t:0=1,t:1=2,u:0=3
          log: g t:0 v4 offset=1 at=0
          log: g t:1 v4 offset=2 at=0
          log: g u:0 v4 offset=3 at=0
          a: commit t:0 ok t:1 ok u:0 ok
        300 a forget g at=t:0,t:3
          log: g t:0 deleted
          a: forget ok t:0 ok t:3 ok
        600 a fetch g
          a: fetch ok [t:1=2 u:0=3]
        900 a forget nowhere at=t:0
          a: forget GROUP_ID_NOT_FOUND
        1200 a forget '' at=t:0
          a: forget INVALID_GROUP_ID
        1500 b join g v=3 sub=u
          b: join ok gen=1 null/range member=b1 leader=b1 [b1:17 bytes]
        1800 b sync g assign=b1:x
          log: g v3 gen=1 consumer/range leader=b1 since=1500 [b1:x]
          b: sync ok consumer/range x
        2100 a forget g at=t:1,u:0
          log: g t:1 deleted
          a: forget ok t:1 ok u:0 GROUP_SUBSCRIBED_TO_TOPIC
        2400 a fetch g
          a: fetch ok [u:0=3]
        2700 b leave g
          log: g v3 gen=2 consumer/null leader=null since=2700 []
          b: leave ok b1 ok
        3000 a forget g at=u:0
          log: g u:0 deleted
          a: forget ok u:0 ok
        3300 a fetch g
          a: fetch ok []
        3600 -
        ",
    );
}

#[test]
fn offsets_of_a_group_whose_subscriptions_are_hidden_stay() {
    check(
        "
        0 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=0
          a: commit t:0 ok
        300 b join g v=3 type=connect
          b: join ok gen=1 null/range member=b1 leader=b1 [b1:range]
        600 a forget g at=t:0
          a: forget NON_EMPTY_GROUP
        900 c commit h at=t:0=1
          log: h t:0 v4 offset=1 at=900
          c: commit t:0 ok
        1200 d join h v=3 meta=x
          d: join ok gen=1 null/range member=d1 leader=d1 [d1:x]
        1500 c forget h at=t:0
          c: forget ok t:0 GROUP_SUBSCRIBED_TO_TOPIC
        1800 -
        ",
    );
}
