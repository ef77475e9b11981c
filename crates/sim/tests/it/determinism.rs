//! The same seed gives the same trace, here and in another process.

use std::process::Command;

use klamm_sim::{Options, run};

const SEEDS: std::ops::Range<u64> = 0..10;

/// What another process prints before its hashes.
const MARK: &str = "hashes:";

fn hashes() -> String {
    let hash = |seed| format!("{:016x}", run(seed, &Options::default()).trace_hash);
    SEEDS.map(hash).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_seed_is_a_trace() {
    for seed in SEEDS {
        let options = Options { keep_trace: true };
        let (first, second) = (run(seed, &options), run(seed, &options));
        let differs = first.trace.iter().zip(&second.trace).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.trace.len(), first.trace_len);
    }
}

#[test]
fn seeds_differ() {
    let all = hashes();
    let mut distinct: Vec<&str> = all.split(' ').collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), SEEDS.count());
}

#[test]
fn a_seed_is_the_same_trace_in_another_process() {
    let this = std::env::current_exe().expect("the path of this test");
    let output = Command::new(this)
        .args(["--exact", "determinism::another_process", "--ignored", "--nocapture"])
        .output()
        .expect("this test starts once more");
    let text = String::from_utf8_lossy(&output.stdout);
    let there = text.lines().find_map(|line| line.split_once(MARK));
    let there = there.unwrap_or_else(|| panic!("no hashes in {text}")).1;
    assert_eq!(there.trim(), hashes());
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn another_process() {
    println!("{MARK} {}", hashes());
}
