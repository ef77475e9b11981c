//! After the faults have ended: everything must be served, and everything must be there.

use std::{collections::BTreeMap, sync::Arc};

use klamm_env::Disk;
use klamm_protocol::ErrorCode;

use crate::{
    actors::{admin, keeper, sharer, transactor::PARTITIONS},
    calls::{
        EARLIEST, Joined, LATEST, Produced, Session, Want, alter_quota, committed, describe_quotas,
        describe_topic, fetch, first_offset, heartbeat, join, list_offset, new_batch, produce,
        read_committed, sync,
    },
    client::Client,
    machine::{FIRM_DIR, FRAIL_DIR, OFFSETS_CHECK_MS, OFFSETS_RETENTION_MS},
    oracle::{Assignments, Place, RecordId},
    world::{Topic, World},
};

/// How long it takes at most until what has expired is gone, milliseconds.
const SETTLE_MS: i64 = 4_000;

/// How long everything may take to be served again, milliseconds.
const BOUND_MS: i64 = 60_000;

/// After so many fetches that brought nothing the share group has everything.
const DRAINED_AFTER: u32 = 20;

/// Checks the whole cluster.
pub(crate) async fn verify(world: &Arc<World>, round: u64) {
    let mut client = world.client(&format!("verify-{round}"));
    let deadline = world.elapsed_ms() + BOUND_MS;
    settle_quotas(world, &mut client, deadline).await;
    admin::refresh(world, &mut client).await;
    let topics = world.topics.lock().clone();
    let mut places = Vec::new();
    for (name, topic) in topics {
        describe(world, &mut client, &name, deadline).await;
        for index in 0..topic.partitions {
            let place = (name.clone(), index);
            whole_segments(world, &mut client, &place).await;
            write(world, &mut client, &place, topic, deadline).await;
            read(world, &mut client, &place, topic, deadline).await;
            places.push((place, topic));
        }
    }
    read_in_session(world, &mut client, &places, deadline).await;
    read_transactions(world, &mut client, deadline).await;
    drain_shares(world, round, deadline).await;
    let asked: Vec<(String, Place)> = world.oracle().commits.keys().cloned().collect();
    for (group, place) in asked {
        read_commit(world, &mut client, &group, &place, deadline).await;
    }
    while world.is_keeping() && keeper::read_whole(world, &mut client).await.is_none() {
        let violated = !world.oracle().violations.is_empty();
        let what = "the compacted topic cannot be read";
        if violated || !may_retry(world, &client, deadline, what).await {
            return;
        }
    }
    spared(world, &mut client).await;
    agree(world, &mut client, deadline).await;
    for (place, _) in &places {
        find(world, &client, place).await;
    }
}

/// Looks at all quotas and removes them: what follows has nothing to wait for.
async fn settle_quotas(world: &World, client: &mut Client, deadline: i64) {
    loop {
        let described = describe_quotas(world, client).await;
        let mut is_settled = described == Some(ErrorCode::None);
        let set = world.oracle().quotas_set();
        for (entity, key) in set {
            let altered = alter_quota(world, client, &entity, key, None).await;
            is_settled &= altered == Some(ErrorCode::None);
        }
        let what = format!("the quotas are not described and removed: {described:?}");
        if is_settled || !may_retry(world, client, deadline, &what).await {
            return;
        }
    }
}

/// Checks that everything can be written again, without a restart, after the disk was full or slow.
pub(crate) async fn writable(world: &World) {
    let mut client = world.client(&format!("probe-{}", world.number()));
    let deadline = world.elapsed_ms() + BOUND_MS;
    let topics = world.topics.lock().clone();
    for (name, topic) in topics {
        for index in 0..topic.partitions {
            whole_segments(world, &mut client, &(name.clone(), index)).await;
            write(world, &mut client, &(name.clone(), index), topic, deadline).await;
        }
    }
}

/// Whether there is time to try again; says so to the oracle if not.
async fn may_retry(world: &World, client: &Client, deadline: i64, what: &str) -> bool {
    if world.elapsed_ms() > deadline {
        world.oracle().not_served(what.to_owned());
        return false;
    }
    world.pause(&client.random, 200).await;
    true
}

/// Looks whether a partition begins where one of its segments does.
async fn whole_segments(world: &World, client: &mut Client, place: &Place) {
    let Some(Ok(start)) = list_offset(world, client, place, EARLIEST).await else { return };
    let Some(dir) = directories_of(world, place).into_iter().next() else { return };
    let entries = Disk::list(&world.disk, dir.as_ref()).unwrap_or_default();
    let bases = entries.iter().filter_map(|entry| entry.name.strip_suffix(".log")?.parse().ok());
    world.oracle().begins_at(place, start, &bases.collect());
}

/// Looks where the topics begin of which nothing is ever deleted.
async fn spared(world: &World, client: &mut Client) {
    let internal = [("__consumer_offsets", 4), ("__transaction_state", 2)];
    let transactions = world.plan.compacts_transactions.then_some(("transactions", PARTITIONS));
    for (topic, partitions) in internal.into_iter().chain(transactions) {
        for index in 0..partitions {
            // Not every run has all of them.
            if let Some(start) = first_offset(client, (topic, index)).await {
                world.oracle().spared_begins(&(topic.to_owned(), index), start);
            }
        }
    }
}

/// Asks for the settings of a topic.
async fn describe(world: &World, client: &mut Client, name: &str, deadline: i64) {
    loop {
        let described = describe_topic(world, client, name).await;
        if described == Some(ErrorCode::None) {
            return;
        }
        let what = format!("the settings of {name} are not described: {described:?}");
        if !may_retry(world, client, deadline, &what).await {
            return;
        }
    }
}

/// Appends one record.
async fn write(world: &World, client: &mut Client, place: &Place, topic: Topic, deadline: i64) {
    loop {
        let batch = new_batch(world, client, 1, None);
        let produced = produce(world, client, (place, topic), &batch, -1, true).await;
        world.note("verify", &format!("{place:?} written: {produced:?}"));
        let of_it = world.oracle().topics.get(&place.0).copied();
        let is_deleted = of_it.is_none_or(|now| now.deletion_asked || now.era != topic.era);
        if matches!(produced, Produced::Acknowledged(_)) || is_deleted {
            return;
        }
        let what = format!("{place:?} cannot be written: {produced:?}");
        if !may_retry(world, client, deadline, &what).await {
            return;
        }
    }
}

/// Reads the whole partition.
async fn read(world: &World, client: &mut Client, place: &Place, topic: Topic, deadline: i64) {
    while !try_read(world, client, place, topic).await {
        let what = format!("{place:?} cannot be read to its end");
        if !may_retry(world, client, deadline, &what).await {
            return;
        }
    }
}

async fn try_read(world: &World, client: &mut Client, place: &Place, topic: Topic) -> bool {
    let start = list_offset(world, client, place, EARLIEST).await;
    let end = list_offset(world, client, place, LATEST).await;
    let (Some(Ok(start)), Some(Ok(end))) = (start, end) else { return false };
    let mut found: BTreeMap<i64, RecordId> = BTreeMap::new();
    let mut next = start;
    let mut idle = 0;
    while next < end {
        let want = Want::from([(place.clone(), (topic, next))]);
        let answered = fetch(world, client, &mut None, &want, 100).await;
        let Some(answered) = answered.and_then(|mut all| all.remove(place)) else { return false };
        if answered.error != ErrorCode::None {
            return false;
        }
        found.extend(answered.records);
        idle = if answered.next > next { 0 } else { idle + 1 };
        if idle > 5 {
            world.oracle().read_ended(place, next, end);
            return true;
        }
        next = answered.next;
    }
    world.note("verify", &format!("{place:?}: {start}..{next}"));
    world.oracle().read_whole(place, start, &found);
    true
}

/// Reads everything in one session, which must not leave out a partition.
async fn read_in_session(
    world: &World,
    client: &mut Client,
    places: &[(Place, Topic)],
    deadline: i64,
) {
    let mut want = Want::new();
    let mut ends = BTreeMap::new();
    for (place, topic) in places {
        let start = list_offset(world, client, place, EARLIEST).await;
        let end = list_offset(world, client, place, LATEST).await;
        if let (Some(Ok(start)), Some(Ok(end))) = (start, end) {
            want.insert(place.clone(), (*topic, start));
            ends.insert(place.clone(), end);
        }
    }
    let mut session = Some(Session::default());
    loop {
        let missing = want.iter().find(|(place, (_, next))| *next < ends[*place]);
        let Some((place, (_, next))) = missing else { return };
        let what = format!("{place:?} is not read beyond {next} in a session");
        if !may_retry(world, client, deadline, &what).await {
            return;
        }
        let found = fetch(world, client, &mut session, &want, 100).await;
        for (place, answered) in found.into_iter().flatten() {
            match answered.error {
                ErrorCode::None => {
                    want.entry(place).and_modify(|(_, next)| *next = answered.next);
                }
                // Retention was faster.
                _ => drop(want.remove(&place)),
            }
        }
    }
}

/// Reads everything that is committed, once every transaction has ended.
async fn read_transactions(world: &World, client: &mut Client, deadline: i64) {
    let Some(topic) = world.txn_topic.lock().clone() else { return };
    let mut found = BTreeMap::new();
    for index in 0..PARTITIONS {
        let mut values = Vec::new();
        let mut next = 0;
        loop {
            let read = read_committed(client, (&topic, index), next).await;
            let place = read.as_ref().map(|of| (of.last_stable_offset, of.high_watermark));
            if let Some(read) = read {
                next = read.next;
                values.extend(read.values);
                if next >= read.high_watermark {
                    break;
                }
                if next < read.last_stable_offset {
                    continue;
                }
            }
            let what = format!("transactions-{index} is not read beyond {next}: {place:?}");
            if !may_retry(world, client, deadline, &what).await {
                return;
            }
        }
        world.note("verify", &format!("transactions-{index}: {} values", values.len()));
        world.oracle().committed_read(index, &values);
        found.insert(index, values);
    }
    world.oracle().committed_read_whole(&found);
}

/// Takes part in the share group, whose members are gone, until everything was delivered.
async fn drain_shares(world: &Arc<World>, round: u64, deadline: i64) {
    let name = format!("drain-{round}");
    let Some(mut member) = sharer::Member::new(world, &name) else { return };
    let client = world.client(&name);
    let mut idle = 0;
    while idle < DRAINED_AFTER {
        let before = world.stats().records_read;
        member.beat().await;
        member.work(false).await;
        let got_some = world.stats().records_read > before;
        idle = if got_some || !member.is_served() { 0 } else { idle + 1 };
        let violated = !world.oracle().violations.is_empty();
        let what = "the share group is not served";
        if violated || (idle == 0 && !may_retry(world, &client, deadline, what).await) {
            return;
        }
    }
    let starts = member.log_starts().await;
    world.oracle().share_drained(&starts);
}

/// Looks for a partition in the log directories, once its moves have had time to end.
async fn find(world: &World, client: &Client, place: &Place) {
    let deadline = world.elapsed_ms() + BOUND_MS;
    loop {
        let found = directories_of(world, place);
        let is_there = world.topics.lock().contains_key(&place.0);
        if found.len() == 1 || !is_there || world.elapsed_ms() > deadline {
            world.oracle().found_in(place, &found);
            return;
        }
        world.pause(&client.random, 500).await;
    }
}

/// The directories that have a partition or a copy of it, but not those that are to be deleted or
/// were set aside.
fn directories_of(world: &World, (topic, index): &Place) -> Vec<String> {
    let (name, copy) = (format!("{topic}-{index}"), format!("{topic}-{index}."));
    let mut found = Vec::new();
    for dir in [FIRM_DIR, FRAIL_DIR] {
        let entries = Disk::list(&world.disk, dir.as_ref()).unwrap_or_default();
        let names = entries.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name);
        let is_of_it = |entry: &String| {
            *entry == name || (entry.starts_with(&copy) && entry.ends_with("-future"))
        };
        found.extend(names.filter(is_of_it).map(|entry| format!("{dir}/{entry}")));
    }
    found
}

async fn read_commit(
    world: &World,
    client: &mut Client,
    group: &str,
    place: &Place,
    deadline: i64,
) {
    loop {
        let found = committed(world, client, group, place).await;
        world.note("verify", &format!("{group} {place:?}: {found:?}"));
        if matches!(found, Some(Ok(_))) {
            return;
        }
        let what = format!("the offset of group {group} cannot be fetched: {found:?}");
        if !may_retry(world, client, deadline, &what).await {
            return;
        }
    }
}

/// Takes part in the group of the members, whose own members are gone.
async fn agree(world: &World, client: &mut Client, deadline: i64) {
    let group = crate::actors::GROUP;
    let mut member = String::new();
    while become_member(world, client, &mut member).await.is_none() {
        let what = format!("group {group} does not come together");
        if !may_retry(world, client, deadline, &what).await {
            return;
        }
    }
}

/// Tries to take part in the group of the members.
async fn become_member(world: &World, client: &mut Client, member: &mut String) -> Option<Joined> {
    let group = crate::actors::GROUP;
    let joined = join(world, client, group, member, None).await;
    if matches!(joined, Some(Err(ErrorCode::UnknownMemberId))) {
        member.clear();
    }
    let Some(Ok(joined)) = joined else {
        world.note("verify", &format!("group: {joined:?}"));
        return None;
    };
    let shares = joined.members.iter().map(|member| (member.clone(), String::new()));
    let shares: Assignments = if joined.is_leader { shares.collect() } else { Assignments::new() };
    let given = sync(world, client, group, &joined, &shares).await;
    let beat = heartbeat(client, group, &joined).await;
    world.note("verify", &format!("group: {given:?} {beat:?}"));
    (matches!(given, Some(Ok(_))) && beat == Some(ErrorCode::None)).then_some(joined)
}

/// Takes part in the group of the members for longer than offsets are kept without members.
pub(crate) async fn linger(world: &World) {
    let mut client = world.client("lingerer");
    let mut member = String::new();
    let mut joined = None;
    let end_ms = world.elapsed_ms() + OFFSETS_RETENTION_MS + OFFSETS_CHECK_MS + SETTLE_MS;
    while world.elapsed_ms() < end_ms {
        joined = match joined {
            None => become_member(world, &mut client, &mut member).await,
            Some(joined) => {
                let beat = heartbeat(&mut client, crate::actors::GROUP, &joined).await;
                if beat == Some(ErrorCode::None) {
                    world.oracle().member_seen(crate::actors::GROUP, world.elapsed_ms());
                }
                Some(joined).filter(|_| beat == Some(ErrorCode::None))
            }
        };
        world.pause(&client.random, 1_500).await;
    }
}
