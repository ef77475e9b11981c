//! Whatever happens: runs cover what was delivered, nobody gets what another holds, what was
//! accepted never comes again, and at the end everything was.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::share::store::{Answer, Command, Key, Store};

const MEMBERS: [&str; 3] = ["a", "b", "c"];
const LOG_END: i64 = 400;
const LIMITS: Limits = Limits { deliveries_max: 5, lock_ms: 50, locks_max: 120, may_renew: true };

struct World {
    rng: StdRng,
    image: klamm_metadata::Image,
    store: Store,
    offset: i64,
    partition: SharePartition,
    now_ms: i64,
    /// Ranges that members hold, as they were told.
    held: BTreeMap<&'static str, Vec<Acquired>>,
    accepted: BTreeSet<i64>,
    pending: Vec<Change>,
}

fn key() -> Key {
    Key { group: "g".into(), topic: klamm_protocol::wire::Uuid::from_u128(7), partition: 0 }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut image = klamm_metadata::Image::default();
        use klamm_protocol::messages::metadata_record::MetadataRecord;
        use klamm_protocol::messages::{PartitionRecord, TopicRecord};
        let topic = TopicRecord { name: "t".into(), topic_id: key().topic, ..<_>::default() };
        let partition = PartitionRecord { topic_id: key().topic, ..<_>::default() };
        image.apply(&MetadataRecord::Topic(topic));
        image.apply(&MetadataRecord::Partition(partition));
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            image,
            store: Store::default(),
            offset: 0,
            partition: SharePartition {
                start: 0,
                end: 0,
                runs: BTreeMap::new(),
                state_epoch: 0,
                leader_epoch: 0,
                last_change: 0,
                next_deadline_ms: NEVER_MS,
            },
            now_ms: 1,
            held: BTreeMap::new(),
            accepted: BTreeSet::new(),
            pending: Vec::new(),
        };
        world.tell(&Command::Initialize { state_epoch: 0, start_offset: 0 });
        world
    }

    fn tell(&mut self, command: &Command) -> Answer {
        let decided = self.store.decide(self.now_ms, &self.image, &key(), command, 7);
        let decision = decided.unwrap();
        for record in decision.records {
            self.store.apply(self.offset, &record.key, record.value.as_deref(), 7).unwrap();
            self.offset += 1;
        }
        decision.answer
    }

    fn step(&mut self) {
        self.now_ms += self.rng.random_range(0..10);
        let member = MEMBERS[self.rng.random_range(0..MEMBERS.len())];
        match self.rng.random_range(0..12) {
            0..4 => self.fetch(member),
            4..8 => self.acknowledge(member),
            8 => {
                let change = self.partition.release(member, &LIMITS);
                self.held.remove(member);
                self.write(change);
            }
            9 => self.settle_one(),
            10 => {
                let change = self.partition.expire(self.now_ms, &LIMITS);
                self.write(change);
            }
            _ => self.restart(),
        }
        self.check();
    }

    fn fetch(&mut self, member: &'static str) {
        let offset = self.partition.next_fetch_offset();
        let spans: Vec<Span> = (offset / 10..LOG_END / 10)
            .take(self.rng.random_range(1..4))
            .map(|at| Span { first: at * 10, last: at * 10 + 9, is_aborted: false })
            .collect();
        let ask = Ask {
            records_max: self.rng.random_range(1..40),
            batch_size: 15,
            is_exact: self.rng.random(),
            offset,
        };
        for got in self.partition.acquire(self.now_ms, member, &ask, &spans, &LIMITS) {
            for offset in got.first..=got.last {
                assert!(!self.accepted.contains(&offset), "{offset} was accepted before");
            }
            self.held.entry(member).or_default().push(got);
        }
    }

    fn acknowledge(&mut self, member: &'static str) {
        let Some(range) = self.held.get_mut(member).and_then(Vec::pop) else { return };
        let length = range.last - range.first + 1;
        let each = usize::try_from(length).unwrap();
        let types: Vec<i8> =
            (0..each).map(|_| [1, 1, 1, 1, 2, 3][self.rng.random_range(0..6)]).collect();
        let range = Acknowledgement { first: range.first, last: range.last, types };
        let told = std::slice::from_ref(&range);
        if let Ok(Some(change)) = self.partition.acknowledge(self.now_ms, member, told, &LIMITS) {
            self.write(Some(change));
        }
    }

    /// The store takes a change at once, or refuses it; its answer comes later.
    fn write(&mut self, change: Option<Change>) {
        let Some(change) = change else { return };
        if self.rng.random_ratio(4, 5) {
            self.tell(&Command::Write(change.write.clone()));
            self.pending.push(change);
        } else {
            self.partition.settle(self.now_ms, &change, false, &LIMITS);
        }
    }

    fn settle_one(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let change = self.pending.remove(0);
        for batch in change.write.batches.iter().filter(|batch| batch.state != 0) {
            self.accepted.extend(batch.first..=batch.last);
        }
        self.partition.settle(self.now_ms, &change, true, &LIMITS);
    }

    /// The broker dies: what is in the store is what there was.
    fn restart(&mut self) {
        self.pending.clear();
        self.held.clear();
        let Answer::State(state) = self.tell(&Command::Read { leader_epoch: 0 }) else {
            unreachable!("the state was initialized")
        };
        self.partition = SharePartition::load(&state, state.start_offset, 0);
    }

    fn check(&self) {
        let partition = &self.partition;
        let shown = tests::show_runs(partition);
        let mut next = partition.start;
        for (first, run) in &partition.runs {
            assert_eq!(*first, next, "uncovered: {shown}");
            assert!(run.last >= *first, "{shown}");
            next = run.last + 1;
            let is_acquired = matches!(run.state, RunState::Acquired(_));
            assert!(run.deliveries <= LIMITS.deliveries_max, "{shown}");
            if let RunState::Acquired(hold) = &run.state {
                assert!(is_acquired && partition.next_deadline_ms <= hold.until_ms, "{shown}");
            }
            if run.state == RunState::Available {
                assert!(run.deliveries < LIMITS.deliveries_max, "{shown}");
            }
        }
        assert_eq!(next, partition.end, "{shown}");
        let first = partition.runs.values().next();
        assert!(!first.is_some_and(|run| matches!(run.state, RunState::Done(_))), "{shown}");
    }
}

#[test]
fn whatever_happens_each_record_is_done_once_and_none_is_lost() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..400 {
                world.step();
            }
            // In peace, everything gets done.
            for _ in 0..2_000 {
                world.now_ms += 60;
                while !world.pending.is_empty() {
                    world.settle_one();
                }
                let change = world.partition.expire(world.now_ms, &LIMITS);
                world.write(change);
                world.held.clear();
                world.fetch("a");
                while world.held.get("a").is_some_and(|held| !held.is_empty()) {
                    world.acknowledge("a");
                }
                world.check();
            }
            assert_eq!(world.partition.start_offset(), LOG_END);
        }));
        assert!(failed.is_ok(), "seed {seed}");
    }
}
