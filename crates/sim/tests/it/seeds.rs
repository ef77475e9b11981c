//! Many seeds, and those that once found something.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use klamm_protocol::ApiKey;
use klamm_sim::{Options, Outcome, run};

/// How many seeds every test run takes.
const SEEDS: u64 = 200;

/// Runs the seeds on all processors; panics with the first that fails and how to replay it.
fn check(seeds: &[u64]) {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while let Some(seed) =
            usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok().and_then(|at| seeds.get(at))
        {
            hold(&run(*seed, &Options::default()));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
}

fn hold(outcome: &Outcome) {
    let violations: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    let seed = outcome.seed;
    assert!(
        violations.is_empty(),
        "seed {seed}: {violations:#?}\nreplay with: cargo xtask sim --seed {seed} --verbose"
    );
}

#[test]
fn everything_holds_for_many_seeds() {
    check(&(0..SEEDS).collect::<Vec<_>>());
}

#[test]
fn seeds_that_found_something_find_nothing_more() {
    let lines = include_str!("../../seeds.txt").lines();
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    let seeds: Vec<u64> = lines.filter(|line| !line.starts_with('#')).filter_map(number).collect();
    assert!(!seeds.is_empty());
    check(&seeds);
}

/// Clients of all ages take part: what moves data and offsets is asked for in every version.
#[test]
fn every_version_is_used() {
    const KEYS: [ApiKey; 15] = [
        ApiKey::Produce,
        ApiKey::Fetch,
        ApiKey::ListOffsets,
        ApiKey::Metadata,
        ApiKey::OffsetCommit,
        ApiKey::OffsetFetch,
        ApiKey::FindCoordinator,
        ApiKey::JoinGroup,
        ApiKey::Heartbeat,
        ApiKey::LeaveGroup,
        ApiKey::SyncGroup,
        ApiKey::InitProducerId,
        ApiKey::CreateTopics,
        ApiKey::DeleteTopics,
        ApiKey::DeleteRecords,
    ];
    let mut missing: BTreeSet<(ApiKey, i16)> = BTreeSet::new();
    for key in KEYS {
        let served = key.stable_versions();
        missing.extend((served.min..=served.max).map(|version| (key, version)));
    }
    for seed in 0..SEEDS {
        if missing.is_empty() {
            return;
        }
        for used in run(seed, &Options::default()).versions {
            missing.remove(&used);
        }
    }
    assert!(missing.is_empty(), "not used in {SEEDS} seeds: {missing:?}");
}

#[test]
fn runs_get_somewhere() {
    let all = (0..20).map(|seed| run(seed, &Options::default()).stats);
    let total = all.fold(klamm_sim::Stats::default(), |sum, stats| sum + stats);
    assert!(total.batches > 2_000, "{total:?}");
    assert!(total.records_read > 5_000, "{total:?}");
    assert!(total.commits > 200, "{total:?}");
    assert!(total.assignments > 20, "{total:?}");
    assert!(total.changes > 50, "{total:?}");
    assert!(total.restarts > 40, "{total:?}");
}
