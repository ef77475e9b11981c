//! What each assignor promises, on given and on random groups.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn topic(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// `a:1,2` is a member with the topics 1 and 2, `a/i:1` a static one; topics are `1=4`.
fn spec(members: &str, topics: &str) -> Spec {
    let member = |text: &str| {
        let (id, topics) = text.split_once(':').unwrap();
        let (id, instance_id) = id.split_once('/').map_or((id, None), |(m, i)| (m, Some(i)));
        let ids = topics.split(',').filter(|t| !t.is_empty()).map(|t| topic(t.parse().unwrap()));
        MemberSpec {
            id: id.into(),
            instance_id: instance_id.map(Into::into),
            topics: Arc::new(ids.collect()),
            assigned: Assignment::default(),
        }
    };
    let partitions = topics.split_whitespace().map(|text| {
        let (id, count) = text.split_once('=').unwrap();
        (topic(id.parse().unwrap()), count.parse().unwrap())
    });
    Spec {
        members: members.split_whitespace().map(member).collect(),
        partitions: partitions.collect(),
    }
}

fn shown(assigned: &BTreeMap<Name, Assignment>) -> String {
    let topic = |(topic, set): (&Uuid, &BTreeSet<i32>)| {
        let list: Vec<_> = set.iter().map(ToString::to_string).collect();
        format!("{}-{}", topic.as_u128(), list.join(","))
    };
    let member = |(id, of): (&Name, &Assignment)| {
        let topics: Vec<_> = of.iter().map(topic).collect();
        format!("{id}[{}]", topics.join(" "))
    };
    assigned.iter().map(member).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(assignor: &str, members: &str, topics: &str, expected: &str) {
    assert_eq!(shown(&assign(assignor, &spec(members, topics))), expected);
}

#[test]
fn range_gives_the_same_ranges_of_each_topic() {
    check(RANGE, "a:1,2 b:1,2", "1=3 2=3", "a[1-0,1 2-0,1] b[1-2 2-2]");
    check(RANGE, "a:1 b/y:1 c/x:1", "1=3", "a[1-2] b[1-1] c[1-0]");
    check(RANGE, "a:1,2 b:2", "1=2 2=3", "a[1-0,1 2-0,1] b[2-2]");
    check(RANGE, "a:1 b:1 c:1", "1=2", "a[1-0] b[1-1] c[]");
    check(RANGE, "a: b:1", "1=2", "a[] b[1-0,1]");
}

#[test]
fn uniform_balances() {
    check(UNIFORM, "a:1,2 b:1,2", "1=3 2=2", "a[1-0,1,2] b[2-0,1]");
    check(UNIFORM, "a:1 b:1 c:1", "1=2", "a[1-0] b[1-1] c[]");
    check(UNIFORM, "a:1,2 b:2", "1=3 2=3", "a[1-0,1,2] b[2-0,1,2]");
    check(UNIFORM, "a: b:", "", "a[] b[]");
    check(UNIFORM, "", "", "");
}

/// A random change of a group: members come and go, topics grow, subscriptions change.
fn change(spec: &mut Spec, rng: &mut StdRng, homogeneous: bool, next: &mut u32) {
    let all: BTreeSet<Uuid> = spec.partitions.keys().copied().collect();
    match rng.random_range(0..4) {
        0 if spec.members.len() > 1 => {
            spec.members.remove(rng.random_range(0..spec.members.len()));
        }
        1 => {
            let topic = topic(rng.random_range(1..6));
            *spec.partitions.entry(topic).or_default() += rng.random_range(1..4);
        }
        _ => {
            *next += 1;
            let id = format!("m{:04}", *next * 7919 % 10_000);
            let topics = all.iter().copied().filter(|_| rng.random_bool(0.6)).collect();
            spec.members.push(MemberSpec {
                id: id.as_str().into(),
                instance_id: None,
                topics: Arc::new(topics),
                assigned: Assignment::default(),
            });
        }
    }
    let all: Arc<BTreeSet<Uuid>> = Arc::new(spec.partitions.keys().copied().collect());
    for member in spec.members.iter_mut().filter(|_| homogeneous) {
        member.topics = Arc::clone(&all);
    }
    spec.members.sort_by(|a, b| a.id.cmp(&b.id));
}

/// Every partition that somebody subscribes to has exactly one owner, who subscribes to it.
fn each_has_one_owner(spec: &Spec, assigned: &BTreeMap<Name, Assignment>, seed: u64) {
    let mut owned = BTreeSet::new();
    for member in &spec.members {
        for (topic, partitions) in assigned[&member.id].iter() {
            assert!(member.topics.contains(topic), "seed {seed}: {} has {topic}", member.id);
            for partition in partitions {
                assert!(owned.insert((*topic, *partition)), "seed {seed}: {topic}-{partition}");
            }
        }
    }
    let subscribed: BTreeSet<Uuid> =
        spec.members.iter().flat_map(|m| m.topics.iter().copied()).collect();
    let wanted: i32 = subscribed.iter().map(|topic| spec.count(*topic)).sum();
    assert_eq!(owned.len(), usize::try_from(wanted).unwrap(), "seed {seed}");
}

fn load(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

fn is_balanced(assigned: &BTreeMap<Name, Assignment>) -> bool {
    let loads = || assigned.values().map(load);
    loads().max().unwrap_or(0) <= loads().min().unwrap_or(0) + 1
}

#[test]
fn whatever_changes_each_partition_has_one_owner_and_little_moves() {
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let homogeneous = seed % 2 == 0;
        let mut spec = spec("m:1", "1=3 2=2");
        let mut next = 0;
        for _ in 0..30 {
            change(&mut spec, &mut rng, homogeneous, &mut next);
            each_has_one_owner(&spec, &assign(RANGE, &spec), seed);
            let assigned = assign(UNIFORM, &spec);
            each_has_one_owner(&spec, &assigned, seed);
            assert!(!homogeneous || is_balanced(&assigned), "seed {seed}: {}", shown(&assigned));
            if homogeneous {
                moves_no_more_than_it_must(&spec, &assigned, seed);
            }
            for member in &mut spec.members {
                member.assigned = assigned[&member.id].clone();
            }
            let again = assign(UNIFORM, &spec);
            assert_eq!(again, assigned, "seed {seed}: nothing changed, so nothing moves");
        }
    }
}

/// A member gives up partitions only down to the least that balance asks for.
fn moves_no_more_than_it_must(spec: &Spec, assigned: &BTreeMap<Name, Assignment>, seed: u64) {
    let total: usize = assigned.values().map(load).sum();
    let least = total / spec.members.len();
    for member in &spec.members {
        let before = &member.assigned;
        let now = &assigned[&member.id];
        let kept: usize = before
            .iter()
            .map(|(topic, set)| now.get(topic).map_or(0, |n| n.intersection(set).count()))
            .sum();
        assert!(kept >= load(before).min(least), "seed {seed}: {} kept {kept}", member.id);
    }
}
