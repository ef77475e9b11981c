//! Retention of offsets (KIP-211).

use klamm_groups::Settings;

use crate::support::{check_with, settings};

/// Offsets live 1,000 ms and are looked at each 500 ms.
fn check(script: &str) {
    let short = Settings {
        offsets_retention_ms: 1_000,
        offsets_retention_check_interval_ms: 500,
        ..settings()
    };
    check_with(short, script);
}

#[test]
fn without_members_an_offset_lives_from_its_commit() {
    check(
        "
        100 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=100
          a: commit t:0 ok
        700 a commit g at=t:1=2
          log: g t:1 v4 offset=2 at=700
          a: commit t:1 ok
        1400 a fetch g
          a: fetch ok [t:0=1 t:1=2]
          log: g t:0 deleted
        1510 a fetch g
          a: fetch ok [t:1=2]
        1900 z list
          z: list [g - Empty classic]
          log: g t:1 deleted
          log: g deleted
        2010 z list
          z: list []
        2100 -
        ",
    );
}

#[test]
fn a_live_group_keeps_its_offsets() {
    check(
        "
        0 a join g v=3 sub=t s=9000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:17 bytes]
        100 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=0 [a1:x]
          a: sync ok consumer/range x
        200 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=200
          a: commit t:0 ok
        8000 a fetch g
          a: fetch ok [t:0=1]
        8100 a leave g
          log: g v3 gen=2 consumer/null leader=null since=8100 []
          a: leave ok a1 ok
        9001 a fetch g
          a: fetch ok [t:0=1]
          log: g t:0 deleted
          log: g deleted
        9501 a fetch g
          a: fetch ok []
        9600 z list
          z: list []
        9700 -
        ",
    );
}

#[test]
fn a_live_consumer_group_forgets_topics_it_left() {
    check(
        "
        0 a commit g at=t:0=1,u:0=2
          log: g t:0 v4 offset=1 at=0
          log: g u:0 v4 offset=2 at=0
          a: commit t:0 ok u:0 ok
        100 a join g v=3 sub=u m=? s=9000
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:17 bytes]
        1200 a fetch g
          a: fetch ok [t:0=1 u:0=2]
        1210 a sync g assign=a1:x
          log: g v3 gen=1 consumer/range leader=a1 since=100 [a1:x]
          a: sync ok consumer/range x
          log: g t:0 deleted
        1600 a fetch g
          a: fetch ok [u:0=2]
        1700 -
        ",
    );
}

#[test]
fn what_other_protocols_commit_is_kept_while_they_live() {
    check(
        "
        0 a join g v=3 type=connect s=9000
          log: g v3 gen=0 -/null leader=null since=0 []
          a: join ok gen=1 null/range member=a1 leader=a1 [a1:range]
        100 a sync g type=connect assign=a1:x
          log: g v3 gen=1 connect/range leader=a1 since=0 [a1:x]
          a: sync ok connect/range x
        200 a commit g at=t:0=1
          log: g t:0 v4 offset=1 at=200
          a: commit t:0 ok
        300 b join h v=3 meta=unreadable s=9000
          log: h v3 gen=0 -/null leader=null since=300 []
          b: join ok gen=1 null/range member=b1 leader=b1 [b1:unreadable]
        400 b sync h assign=b1:x
          log: h v3 gen=1 consumer/range leader=b1 since=300 [b1:x]
          b: sync ok consumer/range x
        500 b commit h at=t:0=1
          log: h t:0 v4 offset=1 at=500
          b: commit t:0 ok
        5000 a fetch g
          a: fetch ok [t:0=1]
        5100 b fetch h
          b: fetch ok [t:0=1]
        5200 -
        ",
    );
}

#[test]
fn a_retention_of_its_own_goes_first() {
    check(
        "
        0 a commit g v=2 at=t:0=1 retention=100
          log: g t:0 v1 offset=1 at=0 expires=100
          a: commit t:0 ok
        10 a commit g v=2 at=t:1=1 retention=2500
          log: g t:1 v1 offset=1 at=10 expires=2510
          a: commit t:1 ok
          log: g t:0 deleted
        600 a fetch g
          a: fetch ok [t:1=1]
        2100 a fetch g
          a: fetch ok [t:1=1]
          log: g t:1 deleted
          log: g deleted
        3100 a fetch g
          a: fetch ok []
        3200 -
        ",
    );
}

#[test]
fn an_empty_group_without_offsets_goes_at_the_next_look() {
    check(
        "
        0 a join g p=
          a: join INCONSISTENT_GROUP_PROTOCOL member=-
          log: g v3 gen=0 -/null leader=null since=0 []
        100 z list
          z: list [g - Empty classic]
          log: g deleted
        510 z list
          z: list []
        600 -
        ",
    );
}

#[test]
fn many_offsets_go_in_several_appends() {
    let mut shard = klamm_groups::Coordinator::new(Settings {
        offsets_retention_ms: 1,
        offsets_retention_check_interval_ms: 10,
        ..settings()
    });
    shard.loaded(0);
    let at: Vec<String> = (0..1_200).map(|p| format!("t:{p}=1")).collect();
    let text = format!("0 a commit g at={}", at.join(","));
    let command = crate::support::command::Command::parse(&text);
    let client = crate::support::command::Client { generation: -1, ..Default::default() };
    let request = command.request(&client, &Default::default());
    let token = klamm_groups::Token(0);
    for effect in shard.handle(0, token, &command.context(), request, &mut || unreachable!()) {
        if let klamm_groups::Effect::Append { id, .. } = effect {
            shard.on_appended(0, id, Ok(()));
        }
    }
    let sizes: Vec<usize> = shard
        .on_deadline(10)
        .into_iter()
        .filter_map(|effect| match effect {
            klamm_groups::Effect::Append { records, .. } => Some(records.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [500, 500, 201], "and the group with the last");
}
